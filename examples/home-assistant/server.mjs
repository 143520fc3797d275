// Speaks first, as Home Assistant does, and then answers commands.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const sockets = new WebSocketServer({ server, path: '/api/websocket' });
const version = { ha_version: '2026.11.0' };

sockets.on('connection', (socket, request) => {
  const user = decodeURIComponent(request.headers['portcullis-subject']);
  const send = (message) => socket.send(JSON.stringify(message));
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (text) => {
    const { type, id } = JSON.parse(text);
    if (type === 'auth') send({ type: 'auth_ok', ...version });
    else send({ id, type: 'result', success: true, result: { user } });
  });
  send({ type: 'auth_required', ...version });
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
