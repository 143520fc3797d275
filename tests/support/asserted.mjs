// The server of docs/headers.md: it believes nothing but the gate's assertion. The page shows the
// part between the two lines of dashes, with static imports in place of the first lines.
import { once } from 'node:events';

export async function openAsserted({ gate, self }) {
  // ---
  const { createPublicKey, verify } = await import('node:crypto');
  const { createServer } = await import('node:http');
  const { WebSocketServer } = await import('ws');

  const keySet = await (await fetch(`${gate}/_portcullis/jwks.json`)).json();
  const keys = new Map(
    keySet.keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]),
  );

  /** Returns the claims of the assertion; throws if it is missing or wrong. */
  function whoAsks(request) {
    const [header, claims, signature] = request.headers['portcullis-assertion'].split('.');
    const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
    const { alg, kid } = read(header);
    if (alg !== 'EdDSA') throw new Error('another algorithm');
    const signed = Buffer.from(`${header}.${claims}`);
    if (!verify(null, signed, keys.get(kid), Buffer.from(signature, 'base64url'))) {
      throw new Error('forged');
    }
    const { iss, aud, exp, ...who } = read(claims);
    if (iss !== 'portcullis' || aud !== self) throw new Error('meant for another');
    if (exp <= Date.now() / 1000) throw new Error('expired');
    return who;
  }

  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    try {
      const who = whoAsks(request);
      sockets.handleUpgrade(request, socket, head, (ws) => ws.send(`hello ${who.sub}`));
    } catch {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    }
  });
  // ---
  return {
    whoAsks,
    listen: async (port) => {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    stop: async () => {
      for (const client of sockets.clients) client.terminate();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
