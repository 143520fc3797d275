// Everybody hears what anybody says, and who said it, by whichever transport.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const server = createServer();
const io = new Server(server, {
  // The application's own CORS rules: the gate passes preflights of allowed origins to it.
  cors: { origin: process.env.APP ?? 'https://app.example.com', allowedHeaders: ['authorization'] },
});

const userOf = (request) => decodeURIComponent(request.headers['portcullis-subject']);
// Each request of a session shows a token: it must be the token of the user that began it.
const users = new WeakMap();
io.engine.on('connection', (session) => users.set(session, userOf(session.request)));
io.engine.use((request, response, next) => {
  const session = io.engine.clients[request._query.sid];
  if (session && users.get(session) !== userOf(request)) return next(new Error('another user'));
  return next();
});

io.on('connection', (socket) => {
  const user = userOf(socket.request);
  socket.on('say', (text) => io.emit('said', user, text));
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
