// Servers in Python and Go behind the gate, as docs/recipes shows them, and their checks of Origin
// re-enacted.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { unstable_readConfig as readConfig } from 'wrangler';
import { inRoot } from '../../../tools/run.mjs';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { useExample } from '../../support/example.mjs';
import { foreign } from '../../support/foreign.mjs';
import { ask, useFolder, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { mint, REQUIRED } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const APP = 'https://app.example.com';
const { python, go } = await foreign();
const builds = useFolder();

/** The settings of a recipe, with the keys of these tests. */
function settings(name, url) {
  const { vars } = readConfig({ config: inRoot('examples', name, 'settings.toml') });
  const { JWT_JWKS_URL, JWT_AUDIENCE, ...own } = vars;
  assert.ok(JWT_JWKS_URL && JWT_AUDIENCE);
  return { ...own, ...REQUIRED, UPSTREAM_URL: url };
}

const inPython = (name) => ['python3', inRoot('examples', name, 'server.py')];

function inGo(name) {
  const program = join(builds, name);
  const source = inRoot('examples', name, 'server.go');
  const env = { ...process.env, ...go.env };
  const built = spawnSync('go', ['build', '-o', program, source], { env, encoding: 'utf8' });
  assert.equal(built.status, 0, built.stderr);
  return [program];
}

for (const [name, { skip, env }, command] of [
  ['python-websockets', python, inPython],
  ['aiohttp', python, inPython],
  ['gorilla', go, inGo],
]) {
  describe(`the recipe for ${name}`, { skip }, () => {
    const server = useExample(name, () => env, command);
    const gate = useGate(() => ({ vars: settings(name, server.url) }));
    const enter = (sub, origin = APP) =>
      gate.connect({ protocols: ['bearer', mint({ sub })], headers: { Origin: origin } });

    test('tells what one says, and who said it', async () => {
      const socket = await enter('bøb');
      assert.equal(await ask(socket, 'hello'), 'bøb: hello');
    });
    test('is not asked for what the gate refuses', async () => {
      assertRefused(await enter('bob', 'https://evil.example'), 'origin_not_allowed');
    });
  });
}

describe('a server that compares Origin with its own host', () => {
  const upstream = useUpstream({
    verifyClient: ({ origin, req }) => new URL(origin).host === req.headers.host,
  });
  const origin = { Origin: APP };
  const vars = { ALLOWED_ORIGINS: APP, PLAIN_HTTP: 'guard' };

  describe('and gets it as it came', () => {
    const gate = useGate({ upstream, vars });
    test('refuses', async () => {
      assertRefused(await gate.knock(origin), 'upstream_refused');
    });
  });
  describe('and is told its own', () => {
    const UPSTREAM_HEADERS = { Origin: '{upstream_origin}' };
    const gate = useGate({ upstream, vars: { ...vars, UPSTREAM_HEADERS } });
    test('accepts what the gate accepts', async () => {
      assert.equal(reasonOf(await gate.knock(origin)), 'admitted');
      const evil = { Origin: 'https://evil.example' };
      assertRefused(await gate.knock(evil), 'origin_not_allowed');
    });
    test('is told it with plain requests too', async () => {
      const answer = await gate.call('POST', '/', { headers: origin, to: gate.direct });
      assert.equal(answer.status, 200);
      const { headers } = upstream.sent(requestId(answer));
      assert.deepEqual(values(headers, 'origin'), [upstream.url.replace('ws', 'http')]);
    });
  });
});
