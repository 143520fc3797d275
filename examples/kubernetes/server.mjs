// A process as the API server shows it: what comes on channel 0 leaves on channel 1.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const PROTOCOL = 'v5.channel.k8s.io';
const [STDIN, STDOUT] = [0, 1];

const server = createServer();
const sockets = new WebSocketServer({
  server,
  handleProtocols: (offered) => offered.has(PROTOCOL) && PROTOCOL,
});

sockets.on('connection', (socket, request) => {
  const user = decodeURIComponent(request.headers['portcullis-subject']);
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (data) => {
    if (data[0] !== STDIN) return;
    socket.send(Buffer.from([STDOUT, ...Buffer.from(`${user}: `), ...data.subarray(1)]));
  });
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
