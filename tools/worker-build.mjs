// Makes a Worker from Rust: cargo, wasm-bindgen, wasm-opt and esbuild, all run by worker-build.
import { cliBin } from './cli.mjs';
import { inRoot, run } from './run.mjs';

export const ESBUILD = inRoot('node_modules/.bin/esbuild');

/** For whoever changes a Worker and runs its tests: seconds, but a WASM of twice the size. */
export const QUICK = ['--profile', 'quick', '--no-opt'];
export const RELEASE = ['--release'];
export const isQuickAsked = process.env.QUICK_BUILD === '1';

const forCargo = {
  CARGO_TARGET_DIR: inRoot('target'),
  CARGO_TERM_COLOR: 'never',
};

/**
 * Compiles a Worker as worker-build does, but before that is there; resolves to the output. It
 * finds nothing left to compile then.
 * @param {string} label
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, profile: string[], cargo?: string[] }} given as
 *   for `workerBuild`
 */
export function compile(label, { cwd, env, profile, cargo = [] }) {
  const options = profile.filter((option) => option !== '--no-opt');
  const target = ['--target', 'wasm32-unknown-unknown'];
  const args = ['build', '--lib', ...options, ...target, '--locked', ...cargo];
  const more = { ...forCargo, WASM_BINDGEN_USE_JS_SYS: '1' };
  return run(label, 'cargo', args, { cwd, env: { ...env, ...more } });
}

/**
 * Builds the Worker in the folder `cwd`; resolves to the output. `env` is that of `forWasm`, `out`
 * the folder of the result, `cargo` further arguments of cargo.
 * @param {string} label
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, out: string, profile: string[], cargo?: string[] }} given
 */
export function workerBuild(label, { cwd, env, out, profile, cargo = [] }) {
  const tools = {
    WASM_BINDGEN_BIN: cliBin('wasm-bindgen'),
    WASM_OPT_BIN: inRoot('node_modules/.bin/wasm-opt'),
    ESBUILD_BIN: ESBUILD,
    ...forCargo,
  };
  const args = [...profile, '--out-dir', out, '--', '--locked', ...cargo];
  return run(label, cliBin('worker-build'), args, { cwd, env: { ...env, ...tools } });
}
