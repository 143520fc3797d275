// worker-build and the wasm-bindgen CLI, compiled once into .toolchain/.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { inRoot, inToolchain, readText, run } from './run.mjs';

// The CLI has to be of exactly the version that the crate is locked to.
const locked = (crate) => readText(inRoot('Cargo.lock')).match(new RegExp(`name = "${crate}"\nversion = "([^"]+)"`))[1];
const crates = () => [
  { name: 'worker-build', version: '0.8.7', bin: 'worker-build', more: ['--locked'] },
  { name: 'wasm-bindgen-cli', version: locked('wasm-bindgen'), bin: 'wasm-bindgen', more: ['--no-default-features'] },
];

const stamp = inToolchain('cli/ready');
const wanted = () => crates().map(({ name, version }) => `${name} ${version}\n`).join('');

export const cliReady = () => readText(stamp) === wanted();
export const cliBin = (name) => inToolchain('cli/bin', name);

/** Builds both without optimisation: a build with them is a second slower, and they take a third of the time. */
export async function buildCli() {
  rmSync(stamp, { force: true });
  const env = { ...process.env, CARGO_TARGET_DIR: inToolchain('cli-target'), CARGO_PROFILE_DEV_DEBUG: '0' };
  for (const { name, version, bin, more } of crates()) {
    const args = ['install', '--debug', '--root', inToolchain('cli'), '--bin', bin, name, '--version', `=${version}`, ...more];
    await run(`tools, ${name}`, 'cargo', args, { env });
  }
  writeFileSync(stamp, wanted());
  if (existsSync(env.CARGO_TARGET_DIR)) rmSync(env.CARGO_TARGET_DIR, { recursive: true });
}
