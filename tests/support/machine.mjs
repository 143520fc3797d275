// A machine with Node, npm and a shell alone on its PATH, and the packages as tarballs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after } from 'node:test';
import { WebSocket } from 'ws';
import { packAll } from '../../tools/pack.mjs';
import { useFolder } from './gate.mjs';

export const ORIGIN = 'https://app.example.com';
/** Options of npm under which it downloads what it does not have, and says little. */
export const NPM = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];

/** The first program of this name on the PATH. */
export const find = (name) =>
  realpathSync(
    process.env.PATH.split(delimiter)
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path)),
  );

/** A folder that serves as the whole PATH. */
function makePath(folder) {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const name of ['npm', 'npx', 'sh']) symlinkSync(find(name), join(bin, name));
  return bin;
}

/**
 * Such a machine for the group of tests that calls this: its `home`, the `folder` that commands run
 * in, which nobody made yet, `bin`, its PATH, the `packages`, and what can be done there.
 */
export function useMachine() {
  const home = useFolder();
  const folder = join(home, 'gate');
  const packages = packAll(join(home, 'npm'));
  const bin = makePath(home);
  // All but what npm itself hands on to the scripts that it runs.
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  const env = {
    ...Object.fromEntries(inherited),
    PATH: bin,
    WRANGLER_SEND_METRICS: 'false',
    NO_COLOR: '1',
  };
  const running = new Set();
  after(() => {
    for (const child of running) end(child);
  });

  // As Ctrl-C does: npm, its shell and what that runs are one group.
  const end = (child) => process.kill(-child.pid, 'SIGTERM');

  function start(command, args, cwd) {
    const stdio = ['ignore', 'pipe', 'pipe'];
    const child = spawn(join(bin, command), args, { cwd, env, stdio, detached: true });
    running.add(child);
    child.output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        child.output += text;
        child.emit('output');
      });
    }
    child.once('close', () => running.delete(child));
    return child;
  }
  /** Runs a command to its end; resolves to its exit code, its output and its seconds. */
  async function run(command, args, cwd = folder) {
    const began = performance.now();
    const child = start(command, args, cwd);
    const [code] = await once(child, 'close');
    return { code, output: child.output, took: (performance.now() - began) / 1000 };
  }
  /** Resolves to the match of a text that a program prints. */
  async function printed(child, pattern) {
    for (;;) {
      const found = child.output.match(pattern);
      if (found) return found;
      const [event] = await Promise.race([
        once(child, 'output').then(() => ['output']),
        once(child, 'close').then(() => ['close']),
      ]);
      assert.equal(event, 'output', child.output);
    }
  }
  /** Resolves to an open socket, or to the status of a refusal. */
  const connect = (url, headers, origin = ORIGIN) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { headers, origin });
      socket.once('open', () => resolve(socket));
      socket.once('unexpected-response', (request, { statusCode }) => resolve(statusCode));
      socket.once('error', reject);
    });
  const stop = async (child) => {
    const closed = once(child, 'close');
    end(child);
    await closed;
  };
  return { home, folder, bin, packages, start, run, printed, connect, stop };
}
