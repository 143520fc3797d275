// A hub with one method, in the place of one written for ASP.NET Core: the negotiation, and JSON over
// WebSocket.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const END = '\u001e';
const app = 'https://app.example.com';
const userOf = (request) => decodeURIComponent(request.headers['portcullis-subject']);
/** The user of each connection that was negotiated. */
const negotiated = new Map();

const server = createServer((request, response) => {
  // The application's own CORS rules: the gate passes preflights of allowed origins to it.
  response.setHeader('Access-Control-Allow-Origin', process.env.APP ?? app);
  response.setHeader('Access-Control-Allow-Credentials', 'true');
  response.setHeader(
    'Access-Control-Allow-Headers',
    'authorization,x-requested-with,x-signalr-user-agent',
  );
  if (request.method === 'OPTIONS') return response.writeHead(204).end();
  if (request.method !== 'POST' || !request.url.startsWith('/chat/negotiate')) {
    return response.writeHead(404).end();
  }
  const [connectionId, connectionToken] = [randomUUID(), randomUUID()];
  negotiated.set(connectionToken, userOf(request));
  const availableTransports = [{ transport: 'WebSockets', transferFormats: ['Text', 'Binary'] }];
  response.setHeader('Content-Type', 'application/json');
  response.end(
    JSON.stringify({ negotiateVersion: 1, connectionId, connectionToken, availableTransports }),
  );
});

const sockets = new WebSocketServer({ server, path: '/chat' });
sockets.on('connection', (socket, request) => {
  const { searchParams } = new URL(request.url, 'http://here');
  const user = userOf(request);
  // Whoever negotiated must be who connects.
  if (negotiated.get(searchParams.get('id')) !== user) return socket.close(1008);
  negotiated.delete(searchParams.get('id'));
  const send = (message) => socket.send(JSON.stringify(message) + END);
  socket.on('message', (data) => {
    for (const text of String(data).split(END).filter(Boolean)) {
      const { protocol, type, invocationId, target, arguments: given } = JSON.parse(text);
      if (protocol) send({});
      else if (type === 1 && target === 'Say') {
        send({ type: 1, target: 'Said', arguments: [user, given[0]] });
        send({ type: 3, invocationId, result: given[0].length });
      }
    }
  });
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
