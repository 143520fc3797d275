// What a fresh clone needs before it can be built: npm's packages, the Rust
// target, the command-line tools. Each is done once, and done again only when
// what it was made from has changed.
import { existsSync } from 'node:fs';
import { delimiter } from 'node:path';
import { readCommandLine, typed } from './commands.mjs';
import { buildCli, cliReady } from './cli.mjs';
import { install, isInstalled } from './npm.mjs';
import { alone, entry, inRoot, step } from './run.mjs';
import { addWasmTarget, checkRust, wasmEnvironment } from './rust.mjs';

const HELP = `${typed('setup')}    installs npm packages, the WASM target and worker-build into this folder`;

export { chromium } from './chromium.mjs';

const npmReady = () => existsSync(inRoot('node_modules/.bin')) && isInstalled(inRoot());

/**
 * Makes everything ready; resolves to an environment with the npm packages' programs on the PATH,
 * Node 22 among them. If that takes time, `beside` is started meanwhile, once the Rust target is
 * there.
 * @param {() => Promise<unknown>} [beside]
 */
export async function setup(beside) {
  if (!npmReady() || !wasmEnvironment() || !cliReady()) await alone(() => prepare(beside));
  return { ...process.env, PATH: [inRoot('node_modules/.bin'), process.env.PATH].join(delimiter) };
}

async function prepare(beside) {
  checkRust();
  const work = [];
  if (!npmReady()) work.push(step('npm packages', () => install(inRoot())));
  const target = wasmEnvironment() ? Promise.resolve() : step('wasm target', addWasmTarget);
  work.push(target);
  if (beside) work.push(target.then(beside));
  if (!cliReady()) work.push(step('worker-build and wasm-bindgen', buildCli));
  // All end before the first failure is reported: what got done need not be done again.
  for (const result of await Promise.allSettled(work)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('setup'), help: HELP })) return;
  await setup();
});
