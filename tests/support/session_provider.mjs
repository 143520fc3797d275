// A provider of sessions: a real introspection endpoint, and the way to it from a gate.
import http from 'node:http';
import { once } from 'node:events';
import { after, before } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';

/** Sends what the gate asks of https://id.example to a local server, and all else where it goes. */
const SCRIPT = `
export default {
  fetch(request, { PROVIDER }) {
    const url = new URL(request.url);
    if (url.origin !== 'https://id.example') return fetch(request);
    return fetch(new Request(PROVIDER + url.pathname + url.search, request));
  },
};
`;

/** Options of `useGate` by which https://id.example is the server at this URL. */
export const reaching = (url) => ({
  gate: { outboundService: 'outbound' },
  workers: [
    {
      name: 'outbound',
      modules: true,
      script: SCRIPT,
      compatibilityDate: '2026-07-15',
      bindings: { PROVIDER: url },
    },
  ],
});

/** A provider for the group of tests that calls this. */
export function useProvider() {
  const provider = {};
  before(async () => Object.assign(provider, await openProvider()));
  after(() => provider.stop?.());
  return provider;
}

/**
 * `say(session, answer)`: an object is sent as JSON with status 200; a function gets the response
 * to do with as it likes. Sessions it knows nothing of are inactive. `asked`: the questions about
 * a session, each `{ method, url, headers, body }`.
 */
async function openProvider() {
  const answers = new Map();
  const questions = [];
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    const { method, url, headers } = request;
    const session = new URLSearchParams(body).get('token');
    questions.push({ session, question: { method, url, headers, body } });
    const answer = answers.get(session) ?? { active: false };
    if (typeof answer === 'function') answer(response);
    else sendJson(response, answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    say: (session, answer) => answers.set(session, answer),
    asked: (session) =>
      questions.filter((known) => known.session === session).map(({ question }) => question),
    /** Resolves once it was asked about a session. */
    async wasAsked(session) {
      while (!questions.some((known) => known.session === session)) await wait(5);
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

export function sendJson(response, value, status = 200) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(typeof value === 'string' ? value : JSON.stringify(value));
}
