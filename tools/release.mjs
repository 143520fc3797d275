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

It publishes nothing. CONTRIBUTING says how a version is published.`;

// Most that a package may take, packed: twice what it takes today would be a mistake.
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
    ...(size > MAX_BYTES[name] ? [`it takes ${kilobytes(size)}, more than it may`] : []),
  ];
}

/** The versions of CHANGELOG.md, newest first. */
const released = () =>
  [...readFileSync(inRoot('CHANGELOG.md'), 'utf8').matchAll(/^## \[(\d+\.\d+\.\d+)\]/gm)].map(
    ([, version]) => version,
  );

const isNewer = (one, other) => one.localeCompare(other, 'en', { numeric: true }) > 0;

function versionProblems(version) {
  const [newest] = released();
  const client = JSON.parse(readFileSync(inRoot('client/package.json'), 'utf8')).version;
  return [
    ...(newest && isNewer(newest, version)
      ? [`CHANGELOG.md has ${newest}, and Cargo.toml ${version}`]
      : []),
    ...(client !== version ? [`client/package.json has ${client}, and Cargo.toml ${version}`] : []),
  ];
}

/** What is wrong with packages, as a list of texts. */
export const problemsOf = (packages) => [
  ...versionProblems(packages[0].manifest.version),
  ...packages.flatMap((one) =>
    [...fileProblems(one), ...importProblems(one), ...manifestProblems(one)].map(
      (problem) => `${one.name}: ${problem}`,
    ),
  ),
];

export async function main(args) {
  if (!readCommandLine(args, { command: typed('release'), help: HELP })) return;
  await ready();
  const packages = await step('packages', async () => packAll());
  const problems = problemsOf(packages);
  if (problems.length > 0) throw new Failure(problems.join('\n'));
  for (const { path, size, unpackedSize, files } of packages) {
    say(
      `  ${relative(root, path)}: ${kilobytes(size)}, unpacked ${kilobytes(unpackedSize)} in ${files.length} files`,
    );
  }
  const { version } = packages[0].manifest;
  if (!released().includes(version)) {
    say(`  CHANGELOG.md has no section for ${version} yet: write it before you publish.`);
  }
}

await entry(import.meta.url, main);
