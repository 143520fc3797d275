// A Worker that has the gate in it, as wrangler would bundle it.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { inRoot } from '../../tools/run.mjs';

/** The modules of the Worker at `entryPoint`, written into `folder`. */
export function bundleWorker(entryPoint, folder) {
  const main = join(folder, 'worker.mjs');
  buildSync({
    entryPoints: [entryPoint],
    bundle: true,
    logLevel: 'error',
    format: 'esm',
    outfile: main,
    conditions: ['workerd', 'worker', 'browser'],
    alias: { 'portcullis/worker': inRoot('build/main.js') },
    nodePaths: [inRoot('node_modules')],
    external: ['cloudflare:*', '*.wasm'],
  });
  const wasm = join(folder, 'index_bg.wasm');
  copyFileSync(inRoot('build/index_bg.wasm'), wasm);
  return {
    modulesRoot: folder,
    modules: [
      { type: 'ESModule', path: main },
      { type: 'CompiledWasm', path: wasm },
    ],
  };
}
