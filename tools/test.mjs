// npm test: everything on a fresh clone. Host tests of the core, then the built
// Worker on workerd and in a browser. With file names as arguments, only those.
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { build } from './build.mjs';
import { chromium } from './chromium.mjs';
import { readCommandLine, typed } from './commands.mjs';
import { node22 } from './node22.mjs';
import { entry, Failure, inRoot, say, show } from './run.mjs';
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

/** Runs a test runner and adds up the numbers that `pattern` finds under each name. */
async function count(command, args, env, patterns) {
  let output = '';
  const code = await show(command, args, { env, onOutput: (text) => (output += text) });
  const sum = (pattern) =>
    [...output.matchAll(pattern)].reduce((total, [, number]) => total + Number(number), 0);
  const [passed, failed, skipped] = patterns.map(sum);
  // A runner that fails without a failed test did not come to run them all.
  return { passed, failed: code !== 0 && failed === 0 ? 1 : failed, skipped };
}

const cargoTests = (env) =>
  count('cargo', ['test', '--locked', '--color', 'never'], { PROPTEST_RNG_SEED, ...env }, [
    /^test result: .* (\d+) passed/gm,
    /^test result: .* (\d+) failed/gm,
    /^test result: .* (\d+) ignored/gm,
  ]);

const nodeOptions = [
  '--test',
  '--test-reporter=spec',
  // One that waits for what never comes fails, with its name, instead of stopping all.
  '--test-timeout=300000',
  // Much of their time goes by in waits for time itself, so two cores run two files.
  `--test-concurrency=${Math.max(2, availableParallelism() - 1)}`,
];

const nodeTests = (files, env) =>
  count(node22(), [...nodeOptions, ...files], env, [
    /^ℹ pass (\d+)/gm,
    /^ℹ (?:fail|cancelled) (\d+)/gm,
    /^ℹ (?:skipped|todo) (\d+)/gm,
  ]);

await entry(import.meta.url, async (args) => {
  const read = readCommandLine(args, { command: typed('test'), help: HELP, most: Infinity });
  if (!read) return 0;
  const chosen = read.positionals;
  const absent = chosen.find((file) => !existsSync(file));
  if (absent) throw new Failure(`There is no file ${absent}.\n\n${HELP}`);
  const env = await setup();
  await build();
  const files =
    chosen.length > 0 ? chosen : [...testFiles('tests/runtime'), ...testFiles('tests/browser')];
  const inBrowsers = /tests\/(browser|kubernetes)/;
  if (files.some((file) => inBrowsers.test(file))) env.CHROMIUM = await chromium();
  const results = [];
  if (chosen.length === 0) results.push(await cargoTests(env));
  if (files.length > 0) results.push(await nodeTests(files, { ...env, NO_COLOR: '1' }));
  const total = (name) => results.reduce((sum, result) => sum + result[name], 0);
  const skipped = total('skipped') > 0 ? `, ${total('skipped')} skipped` : '';
  say(`\n${total('passed')} passed, ${total('failed')} failed${skipped}`);
  return total('failed') > 0 ? 1 : 0;
});
