// A Worker of one's own with the gate in it, from the tarball: `portcullis start` and the command
// line, and vitest with Cloudflare's pool.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { NPM, ORIGIN, useMachine } from '../../support/machine.mjs';
import { inRoot } from '../../../tools/run.mjs';

const { devDependencies } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
// The newest that were published when this was written.
const POOL = { '@cloudflare/vitest-plugin': '1.5.0', vitest: '4.1.11' };

describe('a Worker of one’s own', { timeout: 900_000 }, () => {
  const { folder, packages, start, run, printed, connect, stop } = useMachine();
  before(async () => {
    mkdirSync(folder);
    const manifest = {
      private: true,
      type: 'module',
      dependencies: { portcullis: packages[0].path },
      devDependencies: { wrangler: devDependencies.wrangler, ...POOL },
    };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    const installed = await run('npm', ['install', ...NPM]);
    assert.equal(installed.code, 0, installed.output);
  });

  test('start runs the handlers of a Worker that the gate guards', async () => {
    const script = (greeting) => `
      import { guard } from 'portcullis/worker';
      export { Ledger, OneTime, Registry, RouteQuota } from 'portcullis/worker';
      export default guard({
        fetch(request) {
          if (request.headers.get('upgrade') !== 'websocket') return new Response('a page');
          const [client, server] = Object.values(new WebSocketPair());
          server.accept();
          server.send('${greeting} ' + request.headers.get('portcullis-subject'));
          return new Response(null, { status: 101, webSocket: client });
        },
      });`;
    writeFileSync(join(folder, 'worker.mjs'), script('hello'));
    writeFileSync(
      join(folder, 'wrangler.toml'),
      `name = "own"
       main = "worker.mjs"
       compatibility_date = "2026-07-15"
       workers_dev = false
       preview_urls = false
       [vars]
       ALLOWED_ORIGINS = "${ORIGIN}"
       JWT_JWKS_URL = "https://id.example.com/jwks"
       JWT_AUDIENCE = "chat"
       PLAIN_HTTP = "proxy"
       SESSION_NAME = "a variable of its own"\n`,
    );
    const updated = await run('npx', ['portcullis', 'init', '--update']);
    assert.equal(updated.code, 0, updated.output);
    const checked = await run('npx', ['portcullis', 'check']);
    assert.equal(checked.code, 0, checked.output);
    assert.match(checked.output, /wrangler\.toml:\d+: SESSION_NAME: [^]*the guarded handler/);
    const ports = ['--port', '0', '--playground-port', '0'];
    const child = start('npx', ['portcullis', 'start', ...ports], folder);
    const [, playground] = await printed(child, /^Playground +(\S+)$/m);
    const [, url] = await printed(child, /^Gate +(\S+)$/m);
    const origin = new URL(playground).origin;
    const token = await (await fetch(`${playground}token`, { method: 'POST' })).text();
    const greeted = async () => {
      const socket = await connect(url, { Authorization: `Bearer ${token}` }, origin);
      const [greeting] = await once(socket, 'message');
      socket.terminate();
      return String(greeting);
    };
    assert.equal(await greeted(), 'hello ada');
    assert.equal(await connect(url, {}, origin), 401);
    assert.equal(await (await fetch(url.replace('ws:', 'http:'))).text(), 'a page');
    writeFileSync(join(folder, 'worker.mjs'), script('goodbye'));
    await printed(child, /The gate runs with it/);
    assert.equal(await greeted(), 'goodbye ada');
    await stop(child);
    const refused = await run('npx', ['portcullis', 'deploy', '--dry-run', '--no-such-option']);
    assert.match(refused.output, /Unknown option '--no-such-option'/);
  });
  test('vitest with Cloudflare’s pool runs the gate and the Worker behind it', async () => {
    const SECRET = 'a development key of thirty-two bytes or more';
    const files = {
      'vitest.config.mjs': `
        import { cloudflareTest } from '@cloudflare/vitest-plugin';
        import { defineConfig } from 'vitest/config';
        const miniflare = { bindings: { JWT_SECRET: '${SECRET}', REQUIRE_TLS: 'false' } };
        const wrangler = { configPath: './vitest.toml' };
        export default defineConfig({ plugins: [cloudflareTest({ wrangler, miniflare })], test: { testTimeout: 60_000 } });`,
      'gate.test.mjs': `
        import { exports } from 'cloudflare:workers';
        import { SignJWT } from 'jose';
        import { expect, test } from 'vitest';
        const upgrade = (headers) =>
          exports.default.fetch('https://gate.example/', {
            headers: {
              Connection: 'Upgrade',
              Upgrade: 'websocket',
              'Sec-WebSocket-Version': '13',
              'Sec-WebSocket-Key': btoa(crypto.randomUUID().slice(0, 16)),
              Origin: '${ORIGIN}',
              'CF-Connecting-IP': '192.0.2.1',
              ...headers,
            },
          });
        test('a client without a token is refused', async () => {
          const response = await upgrade({});
          expect([response.status, (await response.json()).reason]).toEqual([401, 'token_missing']);
        });
        test('one with a token reaches the handler', async () => {
          const key = new TextEncoder().encode('${SECRET}');
          const token = await new SignJWT({ sub: 'alice' })
            .setProtectedHeader({ alg: 'HS256' })
            .setExpirationTime('5m')
            .sign(key);
          const { status, webSocket } = await upgrade({ Authorization: 'Bearer ' + token });
          expect(status).toBe(101);
          const message = new Promise((resolve) =>
            webSocket.addEventListener('message', ({ data }) => resolve(data)),
          );
          webSocket.accept();
          expect(await message).toMatch(/ alice$/);
          webSocket.close();
        });`,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const settings = readFileSync(join(folder, 'wrangler.toml'), 'utf8');
    writeFileSync(join(folder, 'vitest.toml'), settings.replaceAll(/^ *JWT_.*$/gm, ''));
    const { code, output } = await run('npx', ['vitest', 'run']);
    assert.equal(code, 0, output);
    assert.match(output, /2 passed/);
  });
  test('the command line lists its commands, and each explains itself', async () => {
    const { output } = await run('npx', ['portcullis', '--help']);
    for (const name of ['init', 'start', 'check', 'test', 'token', 'deploy']) {
      assert.match(output, new RegExp(`^ {2}portcullis ${name} +\\w`, 'm'));
    }
    for (const name of ['check', 'test']) {
      const help = await run('npx', ['portcullis', name, '--help']);
      assert.deepEqual(
        [
          help.code,
          help.output
            .split(/ {2}|\n/)[0]
            .split(' ')
            .slice(0, 2),
        ],
        [0, ['portcullis', name]],
      );
    }
  });
});
