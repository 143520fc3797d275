// Runs files of tests of the built Worker, and reports as a message what it counted. Started by
// tools/test.mjs, on Node 22.
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { DESCRIBED, describe } from './gate.mjs';
import { inRoot, root } from './run.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number, names: string[] }} Counts */

// They take longest, some of them with waits of a minute. Started last, one would be left to run
// alone.
const FIRST = [
  'package/clean_machine',
  'limits/sockets_lost',
  'package/own_worker',
  'registry/registry_crowd',
  'registry/registry_failure',
  'token/key_set_life',
  'registry/refresh',
  'one_time/once',
  'runtime/recipes',
];

const rank = (file) => {
  const at = FIRST.findIndex((name) => file.endsWith(`/${name}.test.mjs`));
  return at < 0 ? FIRST.length : at;
};

// Every file and every command that one starts loads Miniflare, and many load wrangler.
process.env.NODE_COMPILE_CACHE ??= inRoot('target/compile-cache');
process.env[DESCRIBED] = JSON.stringify(describe());
const files = process.argv.slice(2).sort((one, other) => rank(one) - rank(other));
const events = run({
  files: files.map((file) => resolve(root, file)),
  // Most of their time goes by in waits, so each core has two files.
  concurrency: 2 * availableParallelism(),
  // A file that waits for what never comes fails, instead of stopping all.
  timeout: 900_000,
});

/** @type {Counts} */
const counts = { passed: 0, failed: 0, skipped: 0, names: [] };
events.on('test:fail', ({ name, file, line, details }) => {
  process.exitCode = 1;
  // A group fails with the tests in it, which have names of their own.
  if (details.error.failureType === 'subtestsFailed') return;
  const place = relative(root, file);
  counts.names.push(name === file ? place : `${place}:${line}: ${name}`);
});
events.on('test:summary', ({ file, counts: all }) => {
  if (file !== undefined) return;
  counts.passed = all.passed;
  counts.failed = all.failed + all.cancelled;
  counts.skipped = all.skipped + all.todo;
});
events.on('end', () => process.send?.(counts));
events.compose(spec).pipe(process.stdout);
