// The browser module in Chromium, Firefox and WebKit: `npm run browsers`. No driver is needed, since
// the page does everything by itself.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { inRoot } from '../../tools/run.mjs';
import { useGate } from '../support/gate.mjs';
import { useServer } from '../support/internet.mjs';
import { mint, REQUIRED } from '../support/tokens.mjs';
import { useUpstream } from '../support/upstream.mjs';

/** What `npm run browsers` found: the program of each browser by its name. */
const browsers = JSON.parse(process.env.BROWSERS ?? '{}');
const DEADLINE = 120_000;
/** How each is started without a window, with a profile of its own. */
const ARGUMENTS = {
  Chromium: (profile) => [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    `--user-data-dir=${profile}`,
  ],
  Firefox: (profile) => ['--headless', '--no-remote', '--profile', profile],
  WebKit: () => [],
};

/** Ends what is left of a group of processes. */
function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

describe('the browser module', () => {
  const upstream = useUpstream({
    onSocket(socket) {
      socket.on('message', (data, binary) => {
        if (String(data) === 'drop me') socket.terminate();
        else socket.send(data, { binary });
      });
    },
  });
  const ROUTES = [{ path: '/' }, { path: '/strict', required_scopes: 'chat' }];
  const gate = useGate({
    upstream,
    vars: {
      ...REQUIRED,
      ALLOWED_ORIGINS: 'http://localhost:*',
      HEARTBEAT: '1s',
      RATE_LIMIT_IP: 'off',
      ROUTES,
    },
  });
  const told = new EventEmitter();
  const pages = useServer(async (request, response) => {
    if (request.method === 'POST') {
      const chunks = await request.toArray();
      response.end();
      told.emit('seen', JSON.parse(Buffer.concat(chunks)));
    } else if (request.url === '/given') {
      const good = mint();
      response.end(JSON.stringify({ gate: gate.url.href, good, expired: mint({ exp: 1 }) }));
    } else if (request.url.endsWith('.js')) {
      response.setHeader('Content-Type', 'text/javascript');
      const folder = request.url === '/page.js' ? 'tests/browsers' : 'client';
      response.end(readFileSync(inRoot(folder, request.url.slice(1))));
    } else {
      response.setHeader('Content-Type', 'text/html');
      response.end(
        '<!doctype html><title>A page</title><script type="module" src="/page.js"></script>',
      );
    }
  });

  for (const name of Object.keys(ARGUMENTS)) {
    const skip = browsers[name] ? false : 'npm run browsers provides it';
    test(`does the same in ${name}`, { skip, timeout: DEADLINE }, async (t) => {
      const profile = mkdtempSync(join(tmpdir(), 'portcullis-browser-'));
      const url = `http://localhost:${pages.port}/`;
      const child = spawn(browsers[name], [...ARGUMENTS[name](profile), url], {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
        // WebKit has no argument for its profile.
        env: { ...process.env, HOME: profile, TMPDIR: profile, XDG_RUNTIME_DIR: profile },
      });
      let complaints = '';
      child.stderr.on('data', (data) => (complaints += data));
      const gone = once(child, 'exit');
      try {
        const ended = gone.then(([code]) => assert.fail(`it ended with ${code}: ${complaints}`));
        const [{ agent, times, ...seen }] = await Promise.race([once(told, 'seen'), ended]);
        t.diagnostic(agent);
        t.diagnostic(`milliseconds: ${JSON.stringify(times)}`);
        assert.deepEqual(seen, {
          subprotocol: ['chat', 'hello'],
          ticket: ['', 'hello'],
          binary: [1, 2, 3],
          refused: ['refused token_expired', 'close token_expired', 'open'],
          'refused for good': [4403, 'insufficient_scope', 'give up', 3],
          'a WebSocket of its own': 1006,
          'connects again': 'back',
          heartbeats: [[], 0, 'still here'],
          'in a worker': 'from a worker',
        });
      } finally {
        // With the processes that it started. A display removes its lock at the first signal.
        if (child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
        await gone;
        killGroup(child.pid);
        rmSync(profile, { recursive: true, force: true });
      }
    });
  }
});
