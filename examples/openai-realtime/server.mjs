// Answers as a realtime API does: a session first, then a response to each request.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const sockets = new WebSocketServer({
  server,
  handleProtocols: (offered) => offered.has('realtime') && 'realtime',
});

sockets.on('connection', (socket, request) => {
  const user = decodeURIComponent(request.headers['portcullis-subject']);
  const send = (event) => socket.send(JSON.stringify(event));
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (text) => {
    const { type } = JSON.parse(text);
    if (type === 'response.create') send({ type: 'response.done', response: { user } });
  });
  send({ type: 'session.created', session: { object: 'realtime.session' } });
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
