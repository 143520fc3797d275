// The wasm32-unknown-unknown target: the one that is there, else rustup's, else
// Debian's rustc with a standard library that is built here once.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import { download, isDebian, libraryFolders, unpack } from './debian.mjs';
import { ask, Failure, inRoot, inToolchain, readText, root, run, say } from './run.mjs';

const target = 'wasm32-unknown-unknown';
const compiler = inToolchain('rust');

const lacking = `The Rust target ${target} is missing, rustup could not add it, and this is no Debian with rustc-web.
Install Rust with rustup (https://rustup.rs) and run: rustup target add ${target}`;

/** Makes sure there is a Rust that is new enough; resolves to nothing. */
export function checkRust() {
  const version = ask('rustc', ['--version'])?.match(/rustc 1\.(\d+)/);
  const least = readText(inRoot('Cargo.toml')).match(/rust-version = "1\.(\d+)/)[1];
  if (!version || !ask('cargo', ['--version'])) {
    throw new Failure(
      `Rust is not installed. Install it with rustup (https://rustup.rs), 1.${least} or newer.`,
    );
  }
  if (Number(version[1]) < Number(least)) {
    throw new Failure(
      `Rust 1.${version[1]} is too old; 1.${least} or newer is needed. Run: rustup update`,
    );
  }
}

const ownTarget = () => {
  const folder = ask('rustc', ['--print', 'target-libdir', '--target', target]);
  return (
    folder && existsSync(folder) && readdirSync(folder).some((file) => file.startsWith('libstd-'))
  );
};

let known;

/**
 * What to add to an environment in which cargo builds for the target; undefined
 * if the target is yet to be made.
 */
export function wasmEnvironment() {
  known ??= existsSync(join(compiler, 'ready'))
    ? debianEnvironment()
    : ownTarget()
      ? {}
      : undefined;
  return known;
}

const debianEnvironment = () => ({
  RUSTC: join(compiler, 'bin/rustc'),
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: linker(),
});

/** `env` for building for the target. worker-build asks the rustc on the PATH, cargo the one in RUSTC. */
export function forWasm(env) {
  const more = wasmEnvironment();
  const flags = { CARGO_ENCODED_RUSTFLAGS: withoutPaths(env).join('\x1f') };
  const path = more.RUSTC ? `${join(compiler, 'bin')}:${env.PATH}` : env.PATH;
  return { ...env, ...more, ...flags, PATH: path };
}

// Panic messages name source files. What is published must not name folders of this machine.
function withoutPaths(env) {
  const cargoHome = env.CARGO_HOME ?? join(homedir(), '.cargo');
  return [
    `--remap-path-prefix=${join(cargoHome, 'registry/src')}=crates`,
    `--remap-path-prefix=${root}=portcullis`,
  ];
}

// Debian's rustc comes without a linker for WASM; the one of rustup's toolchain does.
function linker() {
  const sysroot = ask('rustc', ['--print', 'sysroot']) ?? '';
  const host = ask('rustc', ['--version', '--verbose'])?.match(/host: (\S+)/)?.[1] ?? '';
  const candidates = [join(sysroot, 'lib/rustlib', host, 'bin/rust-lld'), '/usr/bin/wasm-ld'];
  const found = candidates.find((path) => existsSync(path));
  if (!found)
    throw new Failure(
      'No linker for WASM was found. Install Rust with rustup, whose rust-lld is used, or Debian’s lld.',
    );
  return found;
}

/** Adds the target: first by rustup, then from Debian's packages. */
export async function addWasmTarget() {
  if (ask('rustup', ['--version']) !== undefined) {
    try {
      // rustup alone may wait for ever where a firewall drops what it sends.
      await run('wasm target', 'rustup', ['target', 'add', target], { timeout: 180_000 });
      if (ownTarget()) return;
    } catch {
      say('  wasm target: rustup could not add it; trying Debian’s packages');
    }
  }
  if (!isDebian()) throw new Failure(lacking);
  await fromDebian();
}

async function fromDebian() {
  const label = 'wasm target';
  const packages = inToolchain('debs-rust');
  const debs = await download(label, ['rustc-web', 'rust-web-src'], packages).catch((error) => {
    throw new Failure(`${error.message}\n${lacking}`);
  });
  const fresh = inToolchain('rust.new');
  rmSync(fresh, { recursive: true, force: true });
  // Of the sources only the library is needed; the rest is 400 MB.
  const sources = debs.filter((deb) => /rust-web-src/.test(deb));
  await unpack(label, sources, fresh, { only: ['./usr/src/*/library', './usr/lib/rustlib/src'] });
  await unpack(
    label,
    debs.filter((deb) => !sources.includes(deb)),
    fresh,
  );
  wrap(fresh, 'rustc');
  await buildStd(label, fresh);
  for (const spare of ['usr/src', 'usr/share', 'usr/lib/rustlib/src', 'std']) {
    rmSync(join(fresh, spare), { recursive: true, force: true });
  }
  rmSync(compiler, { recursive: true, force: true });
  renameSync(fresh, compiler);
  writeFileSync(join(compiler, 'ready'), `${ask(join(compiler, 'bin/rustc'), ['--version'])}\n`);
  rmSync(packages, { recursive: true, force: true });
}

// The programs find their libraries in their own tree, and only they: set for
// all of a build, LD_LIBRARY_PATH would reach rustup's compiler too.
function wrap(tree, name) {
  const folders = libraryFolders(tree).map((path) => `$tree/${relative(tree, path)}`);
  const script = `#!/bin/sh
tree=\${0%/*}/..
export LD_LIBRARY_PATH="${folders.join(':')}"
exec "$tree/usr/bin/${name}" "$@"
`;
  mkdirSync(join(tree, 'bin'), { recursive: true });
  writeFileSync(join(tree, 'bin', name), script, { mode: 0o755 });
}

async function buildStd(label, tree) {
  const crate = join(tree, 'std');
  mkdirSync(join(crate, 'src'), { recursive: true });
  writeFileSync(join(crate, 'src/lib.rs'), '');
  writeFileSync(
    join(crate, 'Cargo.toml'),
    '[package]\nname = "empty"\nedition = "2024"\n[workspace]\n',
  );
  const env = {
    ...process.env,
    RUSTC: join(tree, 'bin/rustc'),
    RUSTC_BOOTSTRAP: '1', // -Zbuild-std on a stable compiler
    RUSTFLAGS: '-Cembed-bitcode=yes', // without it no crate can be built with LTO
    CARGO_TARGET_DIR: join(crate, 'target'),
  };
  const args = ['build', '--release', '-Zbuild-std=std,panic_abort', '--target', target];
  await run(`${label}, building std`, 'cargo', args, { cwd: crate, env });
  const built = join(crate, 'target', target, 'release/deps');
  const lib = join(tree, 'usr/lib/rustlib', target, 'lib');
  mkdirSync(lib, { recursive: true });
  for (const file of readdirSync(built)) {
    if (file.endsWith('.rlib') && !file.startsWith('libempty'))
      copyFileSync(join(built, file), join(lib, file));
  }
}

/** Debian's clippy for the target, which has to be of the same version as its rustc. */
export async function wasmClippy() {
  if (!existsSync(join(compiler, 'ready'))) return undefined;
  const driver = join(compiler, 'bin/clippy-driver');
  if (!existsSync(driver)) {
    const folder = inToolchain('debs-clippy');
    const debs = await download('clippy', ['rust-web-clippy'], folder);
    await unpack(
      'clippy',
      debs.filter((deb) => /clippy/.test(deb)),
      compiler,
    );
    rmSync(folder, { recursive: true, force: true });
    wrap(compiler, 'clippy-driver');
  }
  return driver;
}
