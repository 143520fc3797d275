// Answers as Hasura does: it reads the token of the first message itself.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const sockets = new WebSocketServer({
  server,
  path: '/v1/graphql',
  handleProtocols: (offered) => offered.has('graphql-transport-ws') && 'graphql-transport-ws',
});

/** The claims of a token that the gate has verified. */
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

sockets.on('connection', (socket) => {
  let user;
  const send = (message) => socket.send(JSON.stringify(message));
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (text) => {
    const { type, id, payload } = JSON.parse(text);
    if (type === 'connection_init') {
      user = claims(payload.headers.Authorization.replace('Bearer ', '')).sub;
      send({ type: 'connection_ack' });
    } else if (type === 'subscribe') {
      send({ type: 'next', id, payload: { data: { me: user } } });
      send({ type: 'complete', id });
    }
  });
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
