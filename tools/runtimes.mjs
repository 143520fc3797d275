// npm run runtimes: the tests of the client module in Node, Deno and Bun.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readCommandLine, typed } from './commands.mjs';
import { node22 } from './node22.mjs';
import { packagesOf } from './npm.mjs';
import { ask, entry, inRoot, say, show } from './run.mjs';
import { setup } from './setup.mjs';

const HELP = `${typed('runtimes')}    runs the tests of the client module in Node, Deno and Bun

Deno and Bun are those of tests/runtimes/package.json, installed once beside the project. The variables
DENO and BUN name others.`;

/**
 * The program among the packages for this machine: npm installs those of its system alone.
 * @param {string} packages
 * @param {string} scope
 * @param {string[]} paths
 */
function programOf(packages, scope, paths) {
  const folder = join(packages, scope);
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .flatMap((name) => paths.map((path) => join(folder, name, path)))
    .find((path) => existsSync(path) && ask(path, ['--version']) !== undefined);
}

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('runtimes'), help: HELP })) return 0;
  await setup();
  const { DENO, BUN } = process.env;
  const packages = DENO && BUN ? '' : await packagesOf('Deno and Bun', 'tests/runtimes');
  const deno = DENO ?? programOf(packages, '@deno', ['deno', 'deno.exe']);
  const bun = BUN ?? programOf(packages, '@oven', ['bin/bun', 'bin/bun.exe']);
  for (const [name, program] of Object.entries({ Deno: deno, Bun: bun })) {
    if (!program)
      say(`No ${name}: npm has none for this system. Name one in ${name.toUpperCase()}.`);
  }
  const runtimes = {
    Node: [node22()],
    // What a program that connects to one host needs, and the folder of the module.
    Deno: deno && [deno, 'run', '--no-config', '--allow-net', `--allow-read=${inRoot()}`],
    Bun: bun && [bun, 'run'],
  };
  const env = { ...process.env, RUNTIMES: JSON.stringify(runtimes) };
  const command = [inRoot('tools/test.mjs'), 'tests/runtimes/client.test.mjs'];
  return (await show(process.execPath, command, { env })) === 0 ? 0 : 1;
});
