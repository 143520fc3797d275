// The npm packages: what goes into each is listed in its package.json, and what all share, such
// as the version, is written there when it is packed.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { version } from './init/files.mjs';
import { ask, Failure, inRoot } from './run.mjs';

/** The packages by the folder with their package.json. */
export const PACKAGES = ['package', 'create-portcullis'];
const OUTPUT = inRoot('target/npm');
// What only this repository needs.
const LEFT_OUT = new Set(['client/example', 'client/tsconfig.json', 'tools/init/template.mjs']);

const SCHEMA = 'docs/settings.schema.json';

const readJson = (...path) => JSON.parse(readFileSync(inRoot(...path), 'utf8'));

/** A package.json with the versions filled in. */
function manifest(folder) {
  const wanted = readJson(folder, 'package.json');
  const { devDependencies } = readJson('package.json');
  const fill = (dependencies, prefix) =>
    dependencies &&
    Object.fromEntries(
      Object.keys(dependencies).map((name) => [
        name,
        name === 'portcullis' ? version() : `${prefix}${devDependencies[name]}`,
      ]),
    );
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  return {
    ...wanted,
    version: version(),
    ...(repository && { repository: { type: 'git', url: `git+${server}/${repository}.git` } }),
    dependencies: fill(wanted.dependencies, ''),
    peerDependencies: fill(wanted.peerDependencies, '^'),
  };
}

/** Copies a file or a folder, from the package's folder or from the root. */
function stage(folder, name, into) {
  const own = inRoot(folder, name);
  const from = existsSync(own) ? own : inRoot(name);
  if (!existsSync(from))
    throw new Failure(`${folder}/package.json lists ${name}, which is missing.`);
  cpSync(from, join(into, name), {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(path.slice(inRoot().length + 1)),
  });
}

// In the repository the schema of wrangler is found from docs/, in a folder of one's own from the
// package.
function fitSchema(into) {
  const path = join(into, SCHEMA);
  if (!existsSync(path)) return;
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replaceAll('../node_modules/wrangler/', '../../wrangler/'));
}

/** Packs a package; resolves to its tarball's path, its manifest and what npm says of it. */
function pack(folder, output) {
  const content = manifest(folder);
  const into = join(output, content.name);
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  for (const name of [...content.files, 'README.md']) stage(folder, name, into);
  fitSchema(into);
  writeFileSync(join(into, 'package.json'), `${JSON.stringify(content, null, 2)}\n`);
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', output];
  const packed = ask('npm', args, process.env, into);
  if (!packed) throw new Failure(`npm pack failed in ${into}.`);
  const [said] = Object.values(JSON.parse(packed));
  return {
    name: content.name,
    manifest: content,
    folder: into,
    path: join(output, basename(said.filename)),
    files: said.files.map(({ path }) => path),
    size: said.size,
    unpackedSize: said.unpackedSize,
  };
}

/** Packs all packages, into `output`. The Worker must be built. */
export const packAll = (output = OUTPUT) => PACKAGES.map((folder) => pack(folder, output));
