// worker-build and wasm-bindgen, compiled once into .toolchain/ from tools/cli/.
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, filesIn, inRoot, inToolchain, readText, run, sha256 } from './run.mjs';

const source = inRoot('tools/cli');
const stamp = inToolchain('cli/made-from');

export const cliMadeFrom = () =>
  sha256(...[...filesIn(source)].flatMap((path) => [path.slice(source.length), readText(path)]));
export const cliReady = () => readText(stamp) === cliMadeFrom();
export const cliBin = (name) => inToolchain('cli', name);

// wasm-bindgen refuses a crate that was compiled with another version of it.
function checkVersions() {
  const version = (lock, crate) =>
    readText(lock).match(new RegExp(`name = "${crate}"\nversion = "([^"]+)"`))[1];
  const crate = version(inRoot('Cargo.lock'), 'wasm-bindgen');
  const cli = version(join(source, 'Cargo.lock'), 'wasm-bindgen-cli-support');
  if (crate !== cli) {
    throw new Failure(
      `The Worker is locked to wasm-bindgen ${crate}, its command in tools/cli to ${cli}. Give both the same version.`,
    );
  }
}

export async function buildCli() {
  checkVersions();
  const target = inToolchain('cli-target');
  // Only with this does a stable cargo build a program that is a dependency.
  const env = { ...process.env, RUSTC_BOOTSTRAP: '1', CARGO_TARGET_DIR: target };
  // Behind the compiling of the Worker, which ends with minutes on one core alone.
  const args = ['build', '--locked', '-Zbindeps'];
  await run('tools', 'cargo', args, { cwd: source, env, niceness: 5 });

  const fresh = inToolchain('cli.new');
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  copyFileSync(join(target, 'debug/bindgen'), join(fresh, 'wasm-bindgen'));
  copyFileSync(builtWorkerBuild(join(target, 'debug/deps/artifact')), join(fresh, 'worker-build'));
  writeFileSync(join(fresh, 'made-from'), cliMadeFrom());
  rmSync(inToolchain('cli'), { recursive: true, force: true });
  renameSync(fresh, inToolchain('cli'));
  rmSync(target, { recursive: true, force: true });
}

function builtWorkerBuild(artifacts) {
  const folder = readdirSync(artifacts).find((name) => name.startsWith('worker-build-'));
  const bin = join(artifacts, folder, 'bin');
  return join(
    bin,
    readdirSync(bin).find((name) => /^worker[-_]build/.test(name) && !name.endsWith('.d')),
  );
}
