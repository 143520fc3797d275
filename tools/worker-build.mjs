// Makes a Worker from Rust: cargo, wasm-bindgen, wasm-opt and esbuild, all run by worker-build.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
export async function workerBuild(label, { cwd, env, out, profile, cargo = [] }) {
  const tools = {
    WASM_BINDGEN_BIN: cliBin('wasm-bindgen'),
    WASM_OPT_BIN: inRoot('node_modules/.bin/wasm-opt'),
    ESBUILD_BIN: ESBUILD,
    ...forCargo,
  };
  const args = [...profile, '--out-dir', out, '--', '--locked', ...cargo];
  const output = await run(label, cliBin('worker-build'), args, { cwd, env: { ...env, ...tools } });
  const script = join(cwd, out, 'index.js');
  writeFileSync(script, withoutRepeats(readFileSync(script, 'utf8')));
  return output;
}

/** Modules of scripts among the WASM's imports: `"./snippets/…/host.js":S`. */
const IMPORTED = /(?:"\.\/snippets\/[^"]+":[\w$]+,?){2,}/g;

/**
 * The script of a Worker in which the WASM imports each module of scripts once. wasm-bindgen names a
 * module as often as functions are imported from it without glue, and every bundler that reads the
 * script warns of the repeated keys.
 * @param {string} script
 */
function withoutRepeats(script) {
  return script.replace(IMPORTED, (members) => {
    const end = members.endsWith(',') ? ',' : '';
    return `${[...new Set(members.split(',').filter(Boolean))].join(',')}${end}`;
  });
}
