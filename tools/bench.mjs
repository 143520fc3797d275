// npm run bench: what an upgrade costs, in CPU time of the workerd process.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { build } from './build.mjs';
import { readCommandLine, typed } from './commands.mjs';
import { onNode22 } from './node22.mjs';
import { entry, Failure, inRoot, say } from './run.mjs';
import { setup } from './setup.mjs';

const HELP = `${typed('bench')} [options]    measures what an upgrade costs, in CPU time of workerd

  --rounds <count>    in each every contender has a turn; 15 without it
  --seconds <length>  of a turn; 1 without it
  --quick             two rounds of short turns: shows that it runs, its figures say nothing
  --out <file>        for the raw figures as JSON; build/bench.json without it`;

const text = { type: 'string' };
const flag = { type: 'boolean' };

function read(args) {
  const options = { rounds: text, seconds: text, out: text, quick: flag };
  const given = readCommandLine(args, { command: typed('bench'), help: HELP, options });
  if (!given) return undefined;
  const { values } = given;
  const number = (name, otherwise) => {
    const value = Number(values[name] ?? otherwise);
    if (!(value > 0)) throw new Failure(`--${name} takes a number above 0.`);
    return value;
  };
  return {
    rounds: number('rounds', values.quick ? 2 : 15),
    seconds: number('seconds', values.quick ? 0.1 : 1),
    out: resolve(values.out ?? inRoot('build', 'bench.json')),
  };
}

await entry(import.meta.url, async (args) => {
  const given = read(args);
  if (!given) return;
  const { rounds, seconds, out } = given;
  if (process.platform !== 'linux') {
    throw new Failure('The CPU time of a process is read from /proc, which only Linux has.');
  }
  await onNode22(await setup());
  await build();
  const { measureUpgrades } = await import('../benches/upgrades.mjs');
  const tables = await measureUpgrades({ rounds, seconds });
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify({ rounds, seconds, tables }, null, 2)}\n`);
  say(`\nRaw figures: ${out}`);
});
