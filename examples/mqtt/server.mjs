// An MQTT broker in which users publish under their own name and subscribe to anything.
import { createServer } from 'node:http';
import { Aedes } from 'aedes';
import { createWebSocketStream, WebSocketServer } from 'ws';

const broker = await Aedes.createBroker({
  preConnect(client, packet, done) {
    const user = decodeURIComponent(client.req.headers['portcullis-subject']);
    // Encoded, so that no slash in a name reaches into the topics of somebody else.
    client.own = `users/${encodeURIComponent(user)}/`;
    done(null, true);
  },
  authorizePublish(client, { topic }, done) {
    const isOwn = client && topic.startsWith(client.own);
    done(isOwn ? null : new Error(`not allowed to publish to ${topic}`));
  },
});
broker.on('clientError', (client, error) => console.error(error.message));

const server = createServer();
const sockets = new WebSocketServer({ server });
sockets.on('connection', (socket, request) => {
  const stream = createWebSocketStream(socket);
  stream.on('error', (error) => console.error(error.message));
  broker.handle(stream, request);
});

server.listen(process.env.PORT ?? 8080, '127.0.0.1', () => {
  console.log(`listening on port ${server.address().port}`);
});
