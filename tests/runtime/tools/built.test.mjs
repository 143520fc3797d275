// What is built, as whoever bundles it sees it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { buildSync } from 'esbuild';
import { inRoot } from '../../../tools/run.mjs';

describe('the built Worker', () => {
  test('is bundled without a warning', () => {
    const { warnings } = buildSync({
      entryPoints: [inRoot('build/main.js')],
      bundle: true,
      write: false,
      logLevel: 'silent',
      format: 'esm',
      external: ['cloudflare:*', '*.wasm'],
    });
    assert.deepEqual(
      warnings.map(({ text }) => text),
      [],
    );
  });
});
