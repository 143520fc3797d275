// A Chromium for the browser tests: one that is installed, else Debian's,
// unpacked beside the project with the libraries that the machine lacks.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { download, isDebian, libraryFolders, unpack } from './debian.mjs';
import { alone, ask, Failure, inToolchain, step } from './run.mjs';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const places = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
const own = inToolchain('chromium');
const started = join(own, 'bin/chromium');

function installed() {
  const named = process.env.CHROMIUM;
  if (named && !existsSync(named))
    throw new Failure(`CHROMIUM is ${named}, and there is no such file.`);
  const onPath = (process.env.PATH ?? '')
    .split(':')
    .flatMap((folder) => names.map((name) => join(folder, name)));
  return named ?? [...onPath, ...places, started].find((path) => existsSync(path));
}

/** Resolves to the program to start, of an installed Chromium or one that is unpacked now. */
export async function chromium() {
  const found = installed();
  if (found) return found;
  if (!isDebian()) {
    throw new Failure(
      'The browser tests need Chromium or Chrome. Install one, or name it in the variable CHROMIUM.',
    );
  }
  await alone(() => step('Chromium', fromDebian));
  return started;
}

async function fromDebian() {
  const packages = inToolchain('debs-chromium');
  const debs = await download('Chromium', ['chromium', 'fonts-dejavu-core'], packages);
  const fresh = inToolchain('chromium.new');
  rmSync(fresh, { recursive: true, force: true });
  await unpack('Chromium', debs, fresh);
  const folders = libraryFolders(fresh).map((path) => path.replace(fresh, '$tree'));
  const fonts = existsSync('/etc/fonts/fonts.conf')
    ? ''
    : 'export FONTCONFIG_PATH="$tree/etc/fonts" FONTCONFIG_SYSROOT="$tree"\n';
  const script = `#!/bin/sh
tree=\${0%/*}/..
export LD_LIBRARY_PATH="${folders.join(':')}"
${fonts}exec "$tree/usr/lib/chromium/chromium" "$@"
`;
  mkdirSync(join(fresh, 'bin'), { recursive: true });
  writeFileSync(join(fresh, 'bin/chromium'), script, { mode: 0o755 });
  rmSync(own, { recursive: true, force: true });
  renameSync(fresh, own);
  rmSync(packages, { recursive: true, force: true });
  const version = ask(started, ['--version']);
  if (!version) {
    rmSync(own, { recursive: true, force: true });
    throw new Failure(
      'Debian’s Chromium was unpacked but does not start here. Install it: apt-get install chromium',
    );
  }
}
