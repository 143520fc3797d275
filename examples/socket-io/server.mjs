// Everybody hears what anybody says, and who said it.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const server = createServer();
// Long polling is plain HTTP, which the gate does not check.
const io = new Server(server, { transports: ['websocket'] });

io.on('connection', (socket) => {
  const user = decodeURIComponent(socket.handshake.headers['portcullis-subject']);
  socket.on('say', (text) => io.emit('said', user, text));
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
