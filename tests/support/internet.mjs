// What the gate reaches outside: named hosts are servers of the test, everything else is as it is.
import http from 'node:http';
import { once } from 'node:events';
import { after, before } from 'node:test';
import { worker } from './gate.mjs';

const SCRIPT = `
export default {
  fetch(request, { HOSTS }) {
    const url = new URL(request.url);
    const origin = HOSTS[url.origin];
    if (!origin) return fetch(request);
    const asked = new Request(new URL(url.pathname + url.search, origin), request);
    asked.headers.set('X-Forwarded-Proto', url.protocol.slice(0, -1));
    asked.headers.set('X-Forwarded-Host', url.host);
    return fetch(asked);
  },
};`;

/** Options of `useGate` by which these origins lead to those of `hosts`. */
export const internet = (hosts) => ({
  gate: { outboundService: 'internet' },
  workers: [worker('internet', SCRIPT, { bindings: { HOSTS: hosts } })],
});

/** A server on a free port for the group of tests that calls this; `handle` may be replaced. */
export function useServer(handle) {
  const server = http.createServer((request, response) => served.handle(request, response));
  const served = {
    handle,
    async start() {
      server.listen(served.port ?? 0, '127.0.0.1');
      await once(server, 'listening');
      served.port = server.address().port;
      served.url = `http://127.0.0.1:${served.port}`;
    },
    /** Ends it; `start` brings it back on the same port. */
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  before(() => served.start());
  after(() => served.stop());
  return served;
}
