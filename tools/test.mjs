// npm test: everything on a fresh clone. Host tests of the core, and beside them those of the built
// Worker on workerd and in a browser. With file names as arguments, only those.
import { existsSync, readdirSync } from 'node:fs';
import { build, compileEarly } from './build.mjs';
import { chromium } from './chromium.mjs';
import { readCommandLine, typed } from './commands.mjs';
import { node22 } from './node22.mjs';
import { collect, endAll, entry, Failure, inRoot, say, seconds, show } from './run.mjs';
import { checkRust } from './rust.mjs';
import { setup } from './setup.mjs';

const HELP = `${typed('test')} [files]    runs all tests, or those in the given files

The files are tests of the built Worker, such as tests/runtime/checks/order.test.mjs. Host tests of
the core are run by cargo: cargo test --locked --test host -- origin`;

const testFiles = (folder) => {
  const names = readdirSync(inRoot(folder), { recursive: true }).filter((name) =>
    name.endsWith('.test.mjs'),
  );
  return names.sort().map((name) => `${folder}/${name}`);
};

// The same random cases each time, so that only a change turns a test red. `cargo test` alone draws
// new ones.
const PROPTEST_RNG_SEED = '1';

/** Whether a failure has ended what still ran, so that it is not to blame for that. */
let isGivenUp = false;

/** @typedef {import('./runtime-tests.mjs').Counts} Counts */

/**
 * Compiles and runs the host tests, beside all else: the build of the Worker has minutes on one
 * core, and its tests wait a lot. The output is shown when one has failed.
 * @returns {Promise<Counts>}
 */
async function hostTests() {
  const began = performance.now();
  const args = ['test', '--locked', '--color', 'never'];
  const env = { ...process.env, PROPTEST_RNG_SEED };
  const { code, output } = await collect('cargo', args, { env });
  const numbers = (pattern) => [...output.matchAll(pattern)].map(([, found]) => found);
  const sum = (pattern) => numbers(pattern).reduce((total, number) => total + Number(number), 0);
  const passed = sum(/^test result: .* (\d+) passed/gm);
  const skipped = sum(/^test result: .* (\d+) ignored/gm);
  const names = numbers(/^test (.*) \.\.\. FAILED$/gm).map((name) => `host test ${name}`);
  if (code === 0) say(`✓ ${passed} host tests (${seconds(began)})`);
  else if (!isGivenUp) say(`${output}\n✗ host tests`);
  // A runner that fails without a failed test did not come to run them all.
  if (code !== 0 && names.length === 0) names.push('cargo test');
  return { passed, failed: names.length, skipped, names };
}

/** @returns {Promise<Counts>} */
async function runtimeTests(files, env) {
  let counts;
  const onMessage = (told) => (counts = told);
  const args = [inRoot('tools/runtime-tests.mjs'), ...files];
  const code = await show(node22(), args, { env, onMessage });
  if (counts && (code === 0 || counts.failed > 0)) return counts;
  const names = [`the runner of the runtime tests, which ended with code ${code}`];
  return { passed: counts?.passed ?? 0, failed: 1, skipped: 0, names };
}

async function gateTests(chosen) {
  const env = await setup(compileEarly);
  await build();
  const files =
    chosen.length > 0 ? chosen : [...testFiles('tests/runtime'), ...testFiles('tests/browser')];
  const inBrowsers = /tests\/(browser|kubernetes)/;
  if (files.some((file) => inBrowsers.test(file))) env.CHROMIUM = await chromium();
  return runtimeTests(files, { ...env, NO_COLOR: '1' });
}

await entry(import.meta.url, async (args) => {
  const read = readCommandLine(args, { command: typed('test'), help: HELP, most: Infinity });
  if (!read) return 0;
  const chosen = read.positionals;
  const absent = chosen.find((file) => !existsSync(file));
  if (absent) throw new Failure(`There is no file ${absent}.\n\n${HELP}`);
  checkRust();
  const work = [gateTests(chosen)];
  if (chosen.length === 0) work.push(hostTests());
  const results = await Promise.all(work).catch((error) => {
    isGivenUp = true;
    endAll();
    throw error;
  });
  const total = (name) => results.reduce((sum, result) => sum + result[name], 0);
  const names = results.flatMap((result) => result.names);
  if (names.length > 0) say(`\nFailed:\n${names.map((name) => `  ${name}`).join('\n')}`);
  const skipped = total('skipped') > 0 ? `, ${total('skipped')} skipped` : '';
  say(`\n${total('passed')} passed, ${total('failed')} failed${skipped}`);
  return total('failed') > 0 ? 1 : 0;
});
