// The demo's server behind the gate: tells each client what it was told of it, then echoes.
import { once } from 'node:events';
import { WebSocketServer } from 'ws';

// What could say who a client is: what the gate sets, and what it must have removed.
const ABOUT_IDENTITY =
  /^(portcullis-|x-forwarded-|forwarded$|authorization$|cookie$|origin$|sec-websocket-protocol$)/;

/** @param {{ headers: Record<string, any>, url?: string }} request */
function greeting({ headers, url }) {
  const about = Object.entries(headers).filter(([name]) => ABOUT_IDENTITY.test(name));
  return {
    type: 'welcome',
    subject: headers['portcullis-subject'] ?? null,
    scopes: headers['portcullis-scopes']?.split(' ') ?? [],
    request_id: headers['portcullis-request-id'] ?? null,
    path: url.split('?')[0],
    headers: Object.fromEntries(about),
  };
}

/** Starts it on a free port of this machine; resolves to its `url` and `stop`. */
export async function startUpstream() {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 64 * 1024 });
  server.on('connection', (socket, request) => {
    socket.on('error', () => {}); // a client that breaks the protocol is closed by ws
    socket.on('message', (message, binary) => socket.send(message, { binary }));
    socket.send(JSON.stringify(greeting(request)));
  });
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `ws://127.0.0.1:${port}`,
    async stop() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((done) => server.close(done));
    },
  };
}
