// Whole applications behind the gate, in a browser: a page with a policy of its own, Socket.IO from
// polling to WebSocket, and SignalR from its negotiation on.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { inRoot } from '../../tools/run.mjs';
import { useExample } from '../support/example.mjs';
import { useGate } from '../support/gate.mjs';
import { useServer } from '../support/internet.mjs';
import { mint, REQUIRED } from '../support/tokens.mjs';
import { useUpstream } from '../support/upstream.mjs';
import { useBrowser } from './playground.mjs';

const site = useBrowser();
let context;
beforeEach(async () => {
  context = await site.browser.newContext();
});
afterEach(() => context.close());

const LIBRARIES = {
  '/socket.io.js': 'node_modules/socket.io-client/dist/socket.io.js',
  '/phoenix.js': 'node_modules/phoenix/priv/static/phoenix.js',
  '/signalr.js': 'node_modules/@microsoft/signalr/dist/browser/signalr.js',
};
// The application's page, which is of another origin than the gate.
const pages = useServer(({ url }, response) => {
  const library = LIBRARIES[url];
  response.setHeader('Content-Type', library ? 'text/javascript' : 'text/html');
  response.end(library ? readFileSync(inRoot(library)) : '<!doctype html><title>A page</title>');
});

/** A page of this host with a library in it. */
async function visit(library, host = 'localhost') {
  const page = await context.newPage();
  await page.goto(`http://${host}:${pages.port}/`);
  await page.addScriptTag({ url: library });
  return page;
}

describe('a page with a policy of its own behind PLAIN_HTTP=proxy', () => {
  const policy =
    "default-src 'self'; script-src 'nonce-own'; connect-src 'self' ws:; frame-src 'self'";
  const page = `<!doctype html><title>An application</title><iframe src="/frame"></iframe>
    <script>document.title = 'a script without the nonce ran'</script>
    <script nonce="own">
      const socket = new WebSocket(location.href.replace('http', 'ws'), ['bearer', TOKEN]);
      socket.onopen = () => socket.send('hello');
      socket.onmessage = ({ data }) => { document.body.append('echo: ' + data); };
    </script>`;
  const upstream = useUpstream({
    onRequest: (request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.setHeader('Permissions-Policy', 'fullscreen=(self)');
      if (request.url === '/frame') return response.end('<p>framed</p>');
      response.setHeader('Content-Security-Policy', policy);
      return response.end(page.replace('TOKEN', JSON.stringify(mint())));
    },
  });
  const gate = useGate({
    upstream,
    vars: { ...REQUIRED, ALLOWED_ORIGINS: 'http://localhost:*', PLAIN_HTTP: 'proxy' },
  });

  test('runs its scripts, frames its pages and opens its socket, and no more', async () => {
    const shown = await context.newPage();
    await shown.goto(`http://localhost:${gate.url.port}/`);
    await shown.getByText('echo: hello').waitFor();
    await shown.frameLocator('iframe').getByText('framed').waitFor();
    assert.equal(await shown.title(), 'An application');
    const allowed = await shown.evaluate(() => [
      globalThis.document.featurePolicy.allowsFeature('fullscreen'),
      globalThis.isSecureContext,
    ]);
    assert.deepEqual(allowed, [true, true]);
  });
});

describe('Socket.IO behind PLAIN_HTTP=guard', () => {
  const server = useExample('socket-io-polling', () => ({ APP: `http://localhost:${pages.port}` }));
  const gate = useGate(() => ({
    vars: {
      ...REQUIRED,
      UPSTREAM_URL: server.url,
      ALLOWED_ORIGINS: 'http://localhost:*',
      PLAIN_HTTP: 'guard',
      RATE_LIMIT_IP: 'off',
    },
  }));
  const run = (page, token) =>
    page.evaluate(
      async ([url, given]) => {
        const socket = globalThis.io(url, {
          reconnection: false,
          extraHeaders: given && { Authorization: `Bearer ${given}` },
          protocols: given && ['bearer', given],
        });
        const next = (emitter, type) =>
          new Promise((resolve) => emitter.once(type, (...all) => resolve(all)));
        const failed = next(socket, 'connect_error').then(([error]) => ({
          error: error.message,
          status: error.description,
        }));
        const { engine } = socket.io;
        const first = engine.transport.name;
        const upgraded = next(engine, 'upgrade');
        const worked = async () => {
          await next(socket, 'connect');
          const said = next(socket, 'said');
          socket.emit('say', 'hello');
          const heard = await said;
          await upgraded;
          const again = next(socket, 'said');
          socket.emit('say', 'again');
          return { first, heard, then: engine.transport.name, again: await again };
        };
        const result = await Promise.race([worked(), failed]);
        socket.close();
        return result;
      },
      [gate.url.href, token],
    );

  test('polls first and upgrades, as one user', async () => {
    const page = await visit('/socket.io.js');
    assert.deepEqual(await run(page, mint({ sub: 'ada' })), {
      first: 'polling',
      heard: ['ada', 'hello'],
      then: 'websocket',
      again: ['ada', 'again'],
    });
  });
  test('without a token polls in vain, and reads why', async () => {
    assert.deepEqual(await run(await visit('/socket.io.js')), {
      error: 'xhr poll error',
      status: 401,
    });
  });
  test('a page of another origin reads nothing', async () => {
    const page = await visit('/socket.io.js', '127.0.0.1');
    assert.deepEqual(await run(page, mint()), { error: 'xhr poll error', status: 0 });
  });
});

describe('SignalR behind PLAIN_HTTP=guard', () => {
  const server = useExample('signalr', () => ({ APP: `http://localhost:${pages.port}` }));
  const gate = useGate(() => ({
    vars: {
      ...REQUIRED,
      UPSTREAM_URL: server.url,
      ALLOWED_ORIGINS: 'http://localhost:*',
      PLAIN_HTTP: 'guard',
      TOKEN_SOURCES: 'header, query:access_token',
    },
  }));
  const run = (page, token) =>
    page.evaluate(
      async ([url, given]) => {
        const { HubConnectionBuilder, LogLevel } = globalThis.signalR;
        const hub = new HubConnectionBuilder()
          .withUrl(`${url}chat`, { accessTokenFactory: () => given })
          .configureLogging(LogLevel.None)
          .build();
        try {
          const said = new Promise((resolve) => hub.on('Said', (...all) => resolve(all)));
          await hub.start();
          const length = await hub.invoke('Say', 'hello');
          return { said: await said, length };
        } catch (error) {
          return error.message;
        } finally {
          await hub.stop();
        }
      },
      [gate.url.href, token],
    );

  test('negotiates with a header, and connects with the query', async () => {
    const page = await visit('/signalr.js');
    assert.deepEqual(await run(page, mint({ sub: 'grace' })), {
      said: ['grace', 'hello'],
      length: 5,
    });
  });
  test('learns at the negotiation that its token is not valid', async () => {
    const page = await visit('/signalr.js');
    assert.match(await run(page, 'forged'), /Status code '401'/);
  });
});

describe('the long poll of Phoenix behind PLAIN_HTTP=guard', () => {
  // Phoenix' own answers, in their form: a session that waits for messages, and takes them.
  const waiting = [];
  const messages = [];
  const deliver = () => {
    if (waiting.length === 0 || messages.length === 0) return;
    const answer = { status: 200, token: 'session', messages: messages.splice(0) };
    waiting.shift().end(JSON.stringify(answer));
  };
  const upstream = useUpstream({
    onRequest: async (request, response) => {
      response.setHeader('Access-Control-Allow-Origin', `http://localhost:${pages.port}`);
      response.setHeader('Access-Control-Allow-Headers', 'content-type');
      if (request.method === 'OPTIONS') return response.writeHead(204).end();
      const user = request.headers['portcullis-subject'];
      const { searchParams } = new URL(request.url, 'http://here');
      assert.ok(!searchParams.has('access_token'));
      if (!searchParams.has('token')) {
        return response.end(JSON.stringify({ status: 410, token: 'session', messages: [] }));
      }
      if (request.method === 'GET') {
        waiting.push(response);
        return deliver();
      }
      const body = Buffer.concat(await request.toArray()).toString();
      for (const line of body.split('\n').filter(Boolean)) {
        const [join, reference, topic] = JSON.parse(line);
        const reply = { status: 'ok', response: { user } };
        messages.push(JSON.stringify([join, reference, topic, 'phx_reply', reply]));
      }
      response.end(JSON.stringify({ status: 200 }));
      return deliver();
    },
  });
  const gate = useGate({
    upstream,
    vars: {
      ...REQUIRED,
      ALLOWED_ORIGINS: 'http://localhost:*',
      PLAIN_HTTP: 'guard',
      TOKEN_SOURCES: 'query:access_token',
    },
  });
  // What the client sends has the header of `authToken` only when it polls, so its token is a
  // parameter, which every request has.
  const join = (page, token) =>
    page.evaluate(
      async ([url, given]) => {
        const { LongPoll, Socket } = globalThis.Phoenix;
        const params = { access_token: given };
        const socket = new Socket(`${url}socket`, { transport: LongPoll, params });
        socket.connect();
        const result = await new Promise((resolve) => {
          globalThis.addEventListener('error', ({ message }) => resolve(message));
          socket.channel('room:lobby').join().receive('ok', resolve);
        });
        socket.disconnect();
        return result;
      },
      [gate.url.href, token],
    );

  test('shows its token with each request, and joins as its user', async () => {
    const page = await visit('/phoenix.js');
    assert.deepEqual(await join(page, mint({ sub: 'alan' })), { user: 'alan' });
  });
  test('is refused with another', async () => {
    const page = await visit('/phoenix.js');
    assert.match(await join(page, 'forged'), /unhandled poll status 401/);
  });
});
