// A recipe's server as a process of its own.
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
    // Read to the end: a server that can't write any more would fail.
    const port = await new Promise((resolve, reject) => {
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text) => {
        output += text;
        const [, found] = output.match(/^listening on port (\d+)\r?\n/m) ?? [];
        if (found) resolve(found);
      });
      child.stdout.once('end', () => reject(new Error(`the server ended: ${output}`)));
    });
    example.url = `http://127.0.0.1:${port}`;
  });
  after(async () => {
    if (!child || child.exitCode !== null) return;
    child.kill();
    await once(child, 'exit');
  });
  return example;
}

const defaultCommand = (name) => [process.execPath, inRoot('examples', name, 'server.mjs')];
