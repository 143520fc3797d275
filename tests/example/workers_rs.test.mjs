// The Worker of examples/workers-rs on workerd: `npm run example` builds it and runs this.
import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { inRoot } from '../../tools/run.mjs';
import { reasonOf } from '../support/answers.mjs';
import { useGate } from '../support/gate.mjs';
import { bearer, mint, SECRET } from '../support/tokens.mjs';

/** The origin that its wrangler.toml allows. */
const ORIGIN = 'https://app.example.com';
const TARGET = '/rooms';
const built = inRoot('build/example');

describe('the example of a Rust Worker', () => {
  const worker = useGate({
    path: inRoot('examples/workers-rs/wrangler.toml'),
    modules: {
      modulesRoot: built,
      modules: [
        { type: 'ESModule', path: `${built}/index.js` },
        { type: 'CompiledWasm', path: `${built}/index_bg.wasm` },
      ],
    },
    // Its own settings, but over plain HTTP, and with a route: a list.
    vars: {
      AUTH: undefined,
      ALLOWED_ORIGINS: undefined,
      JWT_SECRET: SECRET,
      ROUTES: [{ path: TARGET }],
    },
  });

  test('opens a socket for a token, and greets its user', async () => {
    const url = new URL(TARGET, worker.url);
    url.protocol = 'ws:';
    const socket = new WebSocket(url, ['chat', 'bearer', mint()], { origin: ORIGIN });
    const messages = on(socket, 'message');
    const next = async () => String((await messages.next()).value[0]);
    await once(socket, 'open');
    assert.equal(socket.protocol, 'chat');
    assert.equal(await next(), 'hello alice');
    socket.send('are you there?');
    assert.equal(await next(), 'are you there?');
    socket.terminate();
  });

  const refused = {
    'of another origin': [
      { Origin: 'https://evil.example', ...bearer(mint()) },
      'origin_not_allowed',
    ],
    'without a token': [{ Origin: ORIGIN }, 'token_missing'],
    'with an expired token': [{ Origin: ORIGIN, ...bearer(mint({ exp: 1 })) }, 'token_expired'],
    'with a forged token': [
      { Origin: ORIGIN, ...bearer(mint({}, { key: `${SECRET}!` })) },
      'token_invalid',
    ],
  };
  for (const [name, [headers, reason]] of Object.entries(refused)) {
    test(`refuses an upgrade ${name}`, async () => {
      assert.equal(reasonOf(await worker.knock(headers, { target: TARGET })), reason);
    });
  }

  test('refuses an upgrade to a path without a route', async () => {
    const headers = { Origin: ORIGIN, ...bearer(mint()) };
    assert.equal(reasonOf(await worker.knock(headers, { target: '/other' })), 'no_route');
  });
});
