// npm run release: makes the tarballs of the npm packages in target/npm/ and checks them. It
// publishes nothing.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import { readCommandLine, typed } from './commands.mjs';
import { packAll } from './pack.mjs';
import { ready } from './project.mjs';
import { entry, Failure, inRoot, root, say, step } from './run.mjs';

const HELP = `${typed('release')}    makes the npm packages in target/npm/, checks them and shows their sizes

  --publish    also fails if CHANGELOG.md is not ready for this version

It publishes nothing. CONTRIBUTING says how a version is published.`;

const OPTIONS = { publish: { type: 'boolean' } };

// Most that a package may take, packed: twice what it takes today would be a mistake. Unoptimised, it
// takes more.
const ROOM = process.env.QUICK_BUILD === '1' ? 2 : 1;
const MAX_BYTES = { portcullis: 800 * 1024, 'create-portcullis': 10 * 1024 };
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare'];
const NOT_FOR_OTHERS = /(^|\/)(\.dev\.vars|\.env|\.npmrc)|\.(rs|toml\.orig|map|tgz|pem|key)$/;

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

/** Each problem of the files of a package: those that should not be there, and paths in them. */
function fileProblems({ folder, files }) {
  const folders = [root, homedir(), '/home/', '/Users/'].filter((one) => one !== '/');
  return files.flatMap((name) => {
    if (NOT_FOR_OTHERS.test(name)) return [`${name} does not belong into a package`];
    const content = readFileSync(join(folder, name), 'latin1');
    const found = folders.find((one) => content.includes(one));
    return found ? [`${name} names the folder ${found} of this machine`] : [];
  });
}

/** Modules that the tools import and that are not in the package. */
function importProblems({ folder, files }) {
  const scripts = files.filter((name) => name.endsWith('.mjs'));
  return scripts.flatMap((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    const imported = [...text.matchAll(/^(?:import|export) [^;]*? from '(\.[^']+)';/gm)];
    return imported
      .map(([, path]) => join(name, '..', path))
      .filter((path) => !files.includes(path))
      .map((path) => `${name} imports ${path}, which is not in the package`);
  });
}

function manifestProblems({ manifest, name, size }) {
  const scripts = INSTALL_SCRIPTS.filter((script) => manifest.scripts?.[script]);
  return [
    ...scripts.map((script) => `it has the script ${script}; installing must run nothing`),
    ...(size > ROOM * MAX_BYTES[name] ? [`it takes ${kilobytes(size)}, more than it may`] : []),
  ];
}

const changelog = () => readFileSync(inRoot('CHANGELOG.md'), 'utf8');

/** The newest version of a changelog; undefined where nothing was released. */
export const released = (text) => /^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$/m.exec(text)?.[1];

/** Whether something is written under `[Unreleased]`. */
const hasUnreleased = (text) => /^## \[Unreleased\]\n+(?!## )\S/m.test(text);

/**
 * What is wrong with a version. The changelog says which one is released; what the Worker says of
 * itself is that of Cargo.toml.
 * @param {string} version
 * @param {{ text?: string, isToBePublished?: boolean }} [options]
 */
export function versionProblems(version, { text = changelog(), isToBePublished = false } = {}) {
  const newest = released(text);
  if (newest && newest !== version) {
    return [`CHANGELOG.md has ${newest}, and Cargo.toml ${version}: give both the same version`];
  }
  if (!isToBePublished) return [];
  return [
    ...(newest ? [] : [`CHANGELOG.md has no section ## [${version}] - YYYY-MM-DD`]),
    ...(hasUnreleased(text) ? ['CHANGELOG.md has changes under [Unreleased]'] : []),
  ];
}

/** What is wrong with packages, as a list of texts. */
export const problemsOf = (packages, options) => [
  ...versionProblems(packages[0].manifest.version, options),
  ...packages.flatMap((one) =>
    [...fileProblems(one), ...importProblems(one), ...manifestProblems(one)].map(
      (problem) => `${one.name}: ${problem}`,
    ),
  ),
];

export async function main(args) {
  const read = readCommandLine(args, { command: typed('release'), help: HELP, options: OPTIONS });
  if (!read) return;
  await ready();
  const packages = await step('packages', async () => packAll());
  const isToBePublished = Boolean(read.values.publish);
  const problems = problemsOf(packages, { isToBePublished });
  if (problems.length > 0) throw new Failure(problems.join('\n'));
  for (const { path, size, unpackedSize, files } of packages) {
    say(
      `  ${relative(root, path)}: ${kilobytes(size)}, unpacked ${kilobytes(unpackedSize)} in ${files.length} files`,
    );
  }
  if (isToBePublished) return;
  const { version } = packages[0].manifest;
  const missing = versionProblems(version, { isToBePublished: true });
  if (missing.length > 0) say(`  Before ${version} is published: ${missing.join('; ')}.`);
}

await entry(import.meta.url, main);
