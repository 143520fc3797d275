// npm run browsers: the tests of the browser module in Chromium, Firefox and WebKit.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from './chromium.mjs';
import { readCommandLine, typed } from './commands.mjs';
import { download, isDebian, libraryFolders, unpack } from './debian.mjs';
import { alone, ask, entry, Failure, inRoot, inToolchain, say, show, step } from './run.mjs';

const HELP = `${typed('browsers')}    runs the tests of the browser module in Chromium, Firefox and WebKit

Browsers that are not installed are Debian's, unpacked beside the project. The variables CHROMIUM,
FIREFOX and WEBKIT name others; WEBKIT's opens the URL that is its only argument. Without Debian and
without WEBKIT, the tests in WebKit are left out.`;

/**
 * Unpacks Debian packages beside the project, with the script `bin/<name>` that starts a browser;
 * resolves to its path. `script` gets the folders of the libraries.
 * @param {string} label
 * @param {string} name
 * @param {string[]} packages
 * @param {(libraries: string) => string} script
 */
async function fromDebian(label, name, packages, script) {
  const own = inToolchain(name);
  const started = join(own, 'bin', name);
  if (existsSync(started)) return started;
  const work = async () => {
    const folder = inToolchain(`debs-${name}`);
    const debs = await download(label, packages, folder);
    const fresh = inToolchain(`${name}.new`);
    rmSync(fresh, { recursive: true, force: true });
    await unpack(label, debs, fresh);
    const libraries = libraryFolders(fresh).map((path) => path.replace(fresh, '$tree'));
    mkdirSync(join(fresh, 'bin'), { recursive: true });
    writeFileSync(join(fresh, 'bin', name), script(libraries.join(':')), { mode: 0o755 });
    rmSync(own, { recursive: true, force: true });
    renameSync(fresh, own);
    rmSync(folder, { recursive: true, force: true });
  };
  await alone(() => step(label, work));
  return started;
}

/** Resolves to an installed Firefox, or to Debian's. */
async function firefox() {
  const onPath = (process.env.PATH ?? '')
    .split(':')
    .flatMap((folder) => ['firefox', 'firefox-esr'].map((name) => join(folder, name)));
  const found = process.env.FIREFOX ?? onPath.find((path) => existsSync(path));
  if (found) return found;
  if (!isDebian()) throw new Failure('Install Firefox, or name it in the variable FIREFOX.');
  return fromDebian(
    'Firefox',
    'firefox',
    ['firefox-esr'],
    (libraries) => `#!/bin/sh
tree=\${0%/*}/..
export LD_LIBRARY_PATH="${libraries}"
exec "$tree/usr/lib/firefox-esr/firefox-esr" "$@"
`,
  );
}

/**
 * Resolves to the program of the variable WEBKIT, or to Debian's MiniBrowser; undefined if it does
 * not run here. WebKit starts its other programs by their paths below /usr, so the packages are laid
 * over /usr in a namespace of the browser's own.
 */
async function webkit() {
  if (process.env.WEBKIT) return process.env.WEBKIT;
  if (!isDebian()) {
    say('No WebKit: this is no Debian. Name a program that opens a URL in the variable WEBKIT.');
    return undefined;
  }
  const started = await fromDebian(
    'WebKit',
    'webkit',
    ['webkit2gtk-driver', 'xvfb', 'xauth'],
    (libraries) => `#!/bin/sh
tree=$(cd "\${0%/*}/.." && pwd)
export LD_LIBRARY_PATH="${libraries}"
exec unshare -Urm sh -c '
mount -t overlay overlay -o "lowerdir=$0/usr:/usr" /usr || exit
export GDK_BACKEND=x11 GSETTINGS_BACKEND=memory NO_AT_BRIDGE=1
export LIBGL_ALWAYS_SOFTWARE=1 WEBKIT_DISABLE_COMPOSITING_MODE=1
exec xvfb-run -a /usr/lib/*-linux-gnu/webkit2gtk-4.1/MiniBrowser "$@"
' "$tree" "$@"
`,
  );
  if (ask(started, ['--version'])) return started;
  say(
    'No WebKit: the packages can’t be laid over /usr here, which takes user namespaces and overlayfs. Name a program that opens a URL in the variable WEBKIT.',
  );
  return undefined;
}

await entry(import.meta.url, async (args) => {
  if (!readCommandLine(args, { command: typed('browsers'), help: HELP })) return 0;
  const found = { Chromium: await chromium(), Firefox: await firefox(), WebKit: await webkit() };
  const browsers = Object.fromEntries(Object.entries(found).filter(([, program]) => program));
  say(`• ${Object.keys(browsers).join(', ')}`);
  const env = { ...process.env, BROWSERS: JSON.stringify(browsers) };
  const command = [inRoot('tools/test.mjs'), 'tests/browsers/client.test.mjs'];
  return (await show(process.execPath, command, { env })) === 0 ? 0 : 1;
});
