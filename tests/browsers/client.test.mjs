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
import { useServer } from '../support/internet.mjs';
import { EXPECTED, useScenarioGate } from '../support/scenarios.mjs';

/** What `npm run browsers` found: the program of each browser by its name. */
const browsers = JSON.parse(process.env.BROWSERS ?? '{}');
const DEADLINE = 120_000;
/** The scripts of the page, by their paths here. */
const SCRIPT = /^\/(client|tests\/(browsers|scenarios))\/[\w-]+\.js$/;
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
  const gate = useScenarioGate({ ALLOWED_ORIGINS: 'http://localhost:*' });
  const told = new EventEmitter();
  const pages = useServer(async (request, response) => {
    if (request.method === 'POST') {
      const chunks = await request.toArray();
      response.end();
      told.emit('seen', JSON.parse(Buffer.concat(chunks)));
    } else if (request.url === '/given') {
      response.end(JSON.stringify(await gate.given()));
    } else if (SCRIPT.test(request.url)) {
      response.setHeader('Content-Type', 'text/javascript');
      response.end(readFileSync(inRoot(request.url)));
    } else {
      response.setHeader('Content-Type', 'text/html');
      response.end(
        '<!doctype html><title>A page</title><script type="module" src="/tests/browsers/page.js"></script>',
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
        assert.deepEqual(seen, { ...EXPECTED, 'a WebSocket of its own': 1006 });
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
