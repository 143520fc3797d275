// npm run bench: what an upgrade costs, in CPU time of the workerd process.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { build } from './build.mjs';
import { readCommandLine, typed } from './commands.mjs';
import { onNode22 } from './node22.mjs';
import { entry, Failure, inRoot, say } from './run.mjs';
import { setup } from './setup.mjs';

const HELP = `${typed('bench')} [options]    measures what an upgrade costs, in CPU time of workerd

  --rounds <count>    in each every row has a turn; 60 without it
  --requests <count>  of a turn; 100 without it
  --starts <count>    fresh processes of each contender; 10 without it
  --only <parts>      of starts, turns and rows, with commas between
  --quick             a few short turns, without the gate of workers-rs: shows that it runs, its
                      figures say nothing
  --out <file>        for the raw figures as JSON; build/bench.json without it`;

const PARTS = ['starts', 'turns', 'rows'];
const text = { type: 'string' };
const flag = { type: 'boolean' };

function read(args) {
  const options = {
    ...{ rounds: text, requests: text, starts: text, only: text },
    ...{ out: text, quick: flag },
  };
  const given = readCommandLine(args, { command: typed('bench'), help: HELP, options });
  if (!given) return undefined;
  const { values } = given;
  const number = (name, otherwise) => {
    const value = Number(values[name] ?? otherwise);
    if (!(value >= 1)) throw new Failure(`--${name} takes a number, 1 or more.`);
    return Math.round(value);
  };
  const only = values.only?.split(',') ?? PARTS;
  const unknown = only.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Failure(`--only takes ${PARTS.join(', ')}; not ${unknown}.`);
  return {
    quick: values.quick,
    rounds: number('rounds', values.quick ? 2 : 60),
    requests: number('requests', values.quick ? 20 : 100),
    starts: number('starts', values.quick ? 1 : 10),
    only,
    out: resolve(values.out ?? inRoot('build', 'bench.json')),
  };
}

await entry(import.meta.url, async (args) => {
  const given = read(args);
  if (!given) return;
  const { out, ...options } = given;
  if (process.platform !== 'linux') {
    throw new Failure('The CPU time of a process is read from /proc, which only Linux has.');
  }
  const environment = await setup();
  await onNode22(environment);
  // What is measured is what is shipped.
  await build({ isQuick: false });
  const [{ measureUpgrades }, { buildNaive }] = await Promise.all([
    import('../benches/upgrades.mjs'),
    import('../benches/contenders.mjs'),
  ]);
  const withNaive = !options.quick;
  if (withNaive) await buildNaive(environment);
  const figures = await measureUpgrades({ ...options, withNaive });
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify({ ...options, ...figures }, null, 2)}\n`);
  say(`\nRaw figures: ${out}`);
});
