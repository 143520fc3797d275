// Debian packages without root: apt-get names and downloads what is missing,
// and the packages are unpacked into a folder of the project's own.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ask, Failure, inToolchain, run } from './run.mjs';

export const isDebian = () =>
  ask('apt-get', ['--version']) !== undefined && ask('dpkg-deb', ['--version']) !== undefined;

// apt's lists and caches beside the project, so that updating them needs no root
// and leaves the machine's own alone. What is installed is still read from the machine.
function privateApt() {
  const home = inToolchain('apt');
  for (const folder of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(home, folder), { recursive: true });
  return [
    ['Dir::State', join(home, 'state')],
    ['Dir::State::status', '/var/lib/dpkg/status'],
    ['Dir::Cache', join(home, 'cache')],
    ['Debug::NoLocking', '1'],
    ['APT::Sandbox::User', ''],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}

/** `names` and whatever they need that this machine does not have, as apt would install them. */
async function missing(label, names, options) {
  const plan = await run(label, 'apt-get', [
    ...options,
    'install',
    '--simulate',
    '--no-install-recommends',
    ...names,
  ]);
  const planned = [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);
  // One that is installed already is not in the plan, but is wanted in the folder.
  return [...new Set([...planned, ...names])];
}

/** Downloads packages with what they depend on; resolves to the .deb files. */
export async function download(label, names, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const fetch = async (options) => {
    const wanted = await missing(label, names, options);
    await run(label, 'apt-get', [...options, '-o', 'APT::Sandbox::User=', 'download', ...wanted], {
      cwd: folder,
    });
  };
  try {
    await fetch([]);
  } catch {
    // The machine's package lists are absent or older than the archive: read new ones.
    const options = privateApt();
    try {
      await run(label, 'apt-get', [...options, 'update'], { timeout: 300_000 });
      await fetch(options);
    } catch (error) {
      throw new Failure(
        `${error.message}\nThe Debian packages ${names.join(', ')} could not be downloaded.`,
      );
    }
  }
  return readdirSync(folder)
    .filter((file) => file.endsWith('.deb'))
    .map((file) => join(folder, file));
}

/** Unpacks .deb files; `only` limits it to some of their paths (patterns of tar). */
export async function unpack(label, debs, target, { only } = { only: undefined }) {
  mkdirSync(target, { recursive: true });
  for (const deb of debs) {
    if (!only) {
      await run(label, 'dpkg-deb', ['-x', deb, target]);
      continue;
    }
    const script = 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --wildcards "${@:2}"';
    await run(label, 'bash', ['-o', 'pipefail', '-c', script, deb, target, ...only]);
  }
}

/**
 * The folders of `tree` that hold shared libraries, as LD_LIBRARY_PATH wants them.
 * Some packages keep theirs a folder deeper and name it by a path from the root.
 */
export function libraryFolders(tree) {
  const folders = (path) =>
    existsSync(path)
      ? readdirSync(path, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map(({ name }) => join(path, name))
      : [];
  const holdsLibraries = (path) => readdirSync(path).some((name) => /^lib.*\.so/.test(name));
  const lib = join(tree, 'usr/lib');
  const ofThisMachine = [...folders(lib), ...folders(join(tree, 'lib'))].filter((path) =>
    path.endsWith('-linux-gnu'),
  );
  return [...ofThisMachine, ...ofThisMachine.flatMap(folders), lib].filter(
    (path) => existsSync(path) && holdsLibraries(path),
  );
}
