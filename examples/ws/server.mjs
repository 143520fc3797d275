// Everybody hears what anybody says, and who said it.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const sockets = new WebSocketServer({ server, maxPayload: 64 * 1024 });

sockets.on('connection', (socket, request) => {
  // The gate has verified the token and removed any header of this name that a client sent.
  const user = decodeURIComponent(request.headers['portcullis-subject']);
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (text) => {
    for (const other of sockets.clients) other.send(`${user}: ${text}`);
  });
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
