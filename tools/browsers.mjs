// npm run browsers: the tests of the browser module in Chromium and Firefox, and in WebKit where the
// variable WEBKIT names a program that takes the arguments of WPE's cog.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from './chromium.mjs';
import { readCommandLine, typed } from './commands.mjs';
import { download, isDebian, libraryFolders, unpack } from './debian.mjs';
import { alone, entry, Failure, inRoot, inToolchain, say, show, step } from './run.mjs';

const COMMAND = typed('browsers');
const HELP = `${COMMAND}    tests the browser module in Chromium and Firefox

It takes those that are installed, or that CHROMIUM and FIREFOX name. Where they are missing, Debian's
are unpacked beside the project. WebKit is tested too if WEBKIT names a program that takes the
arguments of WPE's cog.`;

const own = inToolchain('firefox');
const started = join(own, 'bin/firefox');

/** Resolves to an installed Firefox, or to Debian's, unpacked beside the project. */
async function firefox() {
  const onPath = (process.env.PATH ?? '')
    .split(':')
    .flatMap((folder) => ['firefox', 'firefox-esr'].map((name) => join(folder, name)));
  const named = process.env.FIREFOX;
  const found = named ?? [...onPath, started].find((path) => existsSync(path));
  if (found) return found;
  if (!isDebian()) throw new Failure('Install Firefox, or name it in the variable FIREFOX.');
  await alone(() => step('Firefox', fromDebian));
  return started;
}

async function fromDebian() {
  const packages = inToolchain('debs-firefox');
  const debs = await download('Firefox', ['firefox-esr'], packages);
  const fresh = inToolchain('firefox.new');
  rmSync(fresh, { recursive: true, force: true });
  await unpack('Firefox', debs, fresh);
  const folders = libraryFolders(fresh).map((path) => path.replace(fresh, '$tree'));
  const script = `#!/bin/sh
tree=\${0%/*}/..
export LD_LIBRARY_PATH="${folders.join(':')}"
exec "$tree/usr/lib/firefox-esr/firefox-esr" "$@"
`;
  mkdirSync(join(fresh, 'bin'), { recursive: true });
  writeFileSync(join(fresh, 'bin/firefox'), script, { mode: 0o755 });
  rmSync(own, { recursive: true, force: true });
  renameSync(fresh, own);
  rmSync(packages, { recursive: true, force: true });
}

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: COMMAND, help: HELP })) return 0;
  const browsers = { Chromium: await chromium(), Firefox: await firefox() };
  if (process.env.WEBKIT) browsers.WebKit = process.env.WEBKIT;
  say(`• ${Object.keys(browsers).join(', ')}`);
  const env = { ...process.env, BROWSERS: JSON.stringify(browsers) };
  const test = [inRoot('tools/test.mjs'), 'tests/browsers/client.test.mjs'];
  return (await show(process.execPath, test, { env })) === 0 ? 0 : 1;
});
