// Channels as Phoenix serves them: who joined a topic hears what anybody pushes there.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const sockets = new WebSocketServer({ server, path: '/socket/websocket' });
const topics = new Map();

sockets.on('connection', (socket, request) => {
  const user = decodeURIComponent(request.headers['portcullis-subject']);
  socket.on('error', (error) => console.error(error.message));
  socket.on('message', (text) => {
    const [join, ref, topic, event, payload] = JSON.parse(text);
    const members = topics.get(topic) ?? new Set();
    topics.set(topic, members);
    if (event === 'phx_join') members.add(socket);
    const reply = { status: 'ok', response: {} };
    socket.send(JSON.stringify([join, ref, topic, 'phx_reply', reply]));
    if (event !== 'say') return;
    const said = JSON.stringify([null, null, topic, 'said', { user, text: payload.text }]);
    for (const member of members) member.send(said);
  });
  socket.on('close', () => topics.forEach((members) => members.delete(socket)));
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
