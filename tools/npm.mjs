// npm's packages: the project's own, and those that one command or test alone needs, which have a
// package.json and a lock of their own.
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { alone, inRoot, inToolchain, readText, run, sha256, step } from './run.mjs';

const FILES = ['package.json', 'package-lock.json'];
const stampOf = (folder) => join(folder, 'node_modules/.made-from');
const wantedBy = (folder) => sha256(...FILES.map((name) => readText(join(folder, name))));

/** Whether the packages that a folder's package.json and lock name are installed in `place`. */
export const isInstalled = (folder, place = folder) =>
  existsSync(join(place, 'node_modules')) && readText(stampOf(place)) === wantedBy(folder);

/**
 * Installs what the lock of a folder names.
 * @param {string} folder
 * @param {string[]} options
 */
export async function install(folder, options = []) {
  // npm's own path, where npm started us: on some systems `npm` is no program.
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm'];
  const [command, ...first] = npm;
  rmSync(stampOf(folder), { force: true });
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm packages', command, [...first, 'ci', ...quiet, ...options], {
    cwd: folder,
    hint: 'npm could not install the packages. Is the network there? Running this again goes on from here.',
  });
  writeFileSync(stampOf(folder), wantedBy(folder));
}

/**
 * Resolves to the node_modules of a folder of tests that needs packages of its own. They are installed
 * once, beside the project, and none of their scripts is run.
 * @param {string} label
 * @param {string} folder such as `tests/kubernetes`
 */
export async function packagesOf(label, folder) {
  const place = inToolchain(basename(folder));
  if (!isInstalled(inRoot(folder), place)) {
    const work = async () => {
      rmSync(place, { recursive: true, force: true });
      mkdirSync(place, { recursive: true });
      for (const name of FILES) copyFileSync(inRoot(folder, name), join(place, name));
      await install(place, ['--ignore-scripts']);
    };
    await alone(() => step(label, work));
  }
  return join(place, 'node_modules');
}
