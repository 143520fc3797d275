// Servers to stand behind the gate.
import { createHash } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { after, before } from 'node:test';
import { WebSocketServer } from 'ws';

/** A server for the group of tests that calls this; see `openUpstream`. */
export const useUpstream = (options) => use(() => openUpstream(options));
/** The same for `openRawUpstream`. */
export const useRawUpstream = (onHead) => use(() => openRawUpstream(onHead));

function use(open) {
  const upstream = {};
  before(async () => Object.assign(upstream, await open()));
  after(() => upstream.stop?.());
  return upstream;
}

const listen = async (server) => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
};

/**
 * A `ws` server that echoes, unless `onSocket` does else. `onRequest` answers plain HTTP. Further
 * options are those of ws. What it was asked stands in `seen`, and by request id in `sent`.
 */
export async function openUpstream({ onSocket, onRequest, ...options } = {}) {
  const server = http.createServer();
  const sockets = new WebSocketServer({ server, ...options });
  const seen = [];
  const byId = new Map();
  const note = (request) => {
    const { method, url, rawHeaders } = request;
    const headers = Array.from({ length: rawHeaders.length / 2 }, (_, at) =>
      rawHeaders.slice(2 * at, 2 * at + 2),
    );
    const asked = { method, url, headers };
    seen.push(asked);
    byId.set(request.headers['portcullis-request-id'], asked);
  };
  server.prependListener('upgrade', note);
  server.on('request', (request, response) => {
    note(request);
    if (onRequest) onRequest(request, response);
    else response.end('plain');
  });
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => {});
    if (onSocket) onSocket(socket, request);
    else socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  const port = await listen(server);
  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    sockets,
    seen,
    /** What the upstream was sent for the request that got this answer. */
    sent: (id) => byId.get(id),
    async stop() {
      for (const client of sockets.clients) client.terminate();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** A TCP server that gets each request's head as text and does with the socket what it likes. */
export async function openRawUpstream(onHead) {
  const open = new Set();
  const server = net.createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
    let head = '';
    socket.on('data', function read(chunk) {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read);
      onHead(head, socket);
    });
  });
  const port = await listen(server);
  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    async stop() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A port on which nobody listens: one that was free a moment ago. */
export async function deadPort() {
  const server = net.createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** The bytes of a 101 that accepts the handshake in `head`, with these lines beside. */
export function acceptance(head, ...lines) {
  const [, key] = /^sec-websocket-key: (.*)\r$/im.exec(head);
  const accept = createHash('sha1')
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  const first = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  return `${[...first, `Sec-WebSocket-Accept: ${accept}`, ...lines].join('\r\n')}\r\n\r\n`;
}
