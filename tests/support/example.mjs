// A recipe's server as a process of its own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before } from 'node:test';
import { inRoot } from '../../tools/run.mjs';

/**
 * The server of a recipe for the group of tests that calls this, at `url`. `env` may say more of its
 * environment, `command` what runs it and its arguments.
 */
export function useExample(name, env = () => ({}), command = defaultCommand) {
  const example = {};
  let child;
  before(async () => {
    const [program, ...args] = command(name);
    child = spawn(program, args, {
      env: { ...process.env, PORT: '0', ...env() },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    for await (const text of child.stdout.setEncoding('utf8')) {
      output += text;
      const [, port] = output.match(/^listening on port (\d+)$/m) ?? [];
      if (!port) continue;
      example.url = `http://127.0.0.1:${port}`;
      return;
    }
    assert.fail(`the server ended: ${output}`);
  });
  after(async () => {
    if (!child || child.exitCode !== null) return;
    child.kill();
    await once(child, 'exit');
  });
  return example;
}

const defaultCommand = (name) => [process.execPath, inRoot('examples', name, 'server.mjs')];
