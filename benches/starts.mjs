// What the first requests of an isolate cost: CPU time of a fresh workerd process.
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from '../tools/run.mjs';
import { estimate, shuffled, trimmedMean } from './statistics.mjs';

const FOLLOWING = 100;
/** A process is at rest when it takes less than this in a look, in µs. */
const AT_REST = 150;
const LOOK = 20;
const MOST_LOOKS = 150;

const ROWS = [
  { worker: 'bare', name: 'Bare JavaScript' },
  { worker: 'team, sql', name: 'JavaScript, window in SQL' },
  { worker: 'naive', name: 'workers-rs, naive' },
  { worker: 'no counter', name: 'Portcullis, no counter' },
  { worker: 'one counter', name: 'Portcullis, defaults' },
];
const YARDSTICK = 'team, sql';
const PARTS = ['start', 'first', 'following'];

/** The CPU time so far, once what runs on other threads, such as the compiler, is done as well. */
async function settled({ cpu }) {
  let before = cpu();
  for (let look = 0, calm = 0; look < MOST_LOOKS && calm < 3; look += 1) {
    await sleep(LOOK);
    const now = cpu();
    calm = now - before < AT_REST ? calm + 1 : 0;
    before = now;
  }
  return before;
}

async function measure(start, send) {
  const worker = await start();
  try {
    const begun = await settled(worker);
    await send(worker);
    const first = await settled(worker);
    for (let turn = 0; turn < FOLLOWING; turn += 1) await send(worker);
    const last = await settled(worker);
    return { start: begun, first: first - begun, following: (last - first) / FOLLOWING };
  } finally {
    await worker.stop();
  }
}

/** Measures each contender in `rounds` fresh processes. `send` sends a Worker one upgrade. */
export async function measureStarts(start, { rounds, withNaive }, send) {
  const rows = ROWS.filter(({ worker }) => withNaive || worker !== 'naive').map((row) => ({
    ...row,
    ...Object.fromEntries(PARTS.map((part) => [part, []])),
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const row of shuffled(rows)) {
      const costs = await measure(start[row.worker], send);
      for (const part of PARTS) row[part].push(costs[part]);
    }
  }
  print(rows, rounds);
  return rows;
}

function print(rows, rounds) {
  const yardstick = rows.find(({ worker }) => worker === YARDSTICK);
  const line = (name, ...cells) =>
    say(`${name.padEnd(34)}${cells.map((cell) => cell.padEnd(30)).join('')}`);
  line('\na fresh process, ms of CPU', 'until it listens', 'first upgrade', 'each of the next 100');
  for (const row of rows) {
    const cells = PARTS.map((part) => {
      const cost = (trimmedMean(row[part]) / 1000).toFixed(part === 'start' ? 0 : 2);
      const ratio = estimate(
        rounds,
        (of) => trimmedMean(of(row[part])) / trimmedMean(of(yardstick[part])),
      );
      return `${cost.padStart(6)}   × ${interval(ratio)}`;
    });
    line(row.name, ...cells);
  }
}

export const interval = ({ value, low, high }) =>
  `${value.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
