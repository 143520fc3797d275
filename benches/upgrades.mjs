// What an upgrade and a refusal cost: CPU time of the workerd process, and how long the client
// waits, beside the least that a Worker can do, gates in JavaScript, and a plain one in Rust.
import { randomBytes } from 'node:crypto';
import { say } from '../tools/run.mjs';
import { mint } from '../tests/support/tokens.mjs';
import { acceptance, openRawUpstream } from '../tests/support/upstream.mjs';
import { upgrade } from './browser.mjs';
import { starters } from './contenders.mjs';
import { countRows } from './rows.mjs';
import { interval, measureStarts } from './starts.mjs';
import { estimate, percentile, shuffled, trimmedMean } from './statistics.mjs';
import { cpuOfRequests } from './workers.mjs';

/** So many addresses come again and again, so that their objects are in memory. */
const ADDRESSES = 64;
const ONE = { address: '192.0.2.1' };
/** V8 compiles what is hot once more while it runs: until then that is what is measured. */
const WARM_UP_REQUESTS = 1500;

/** The gate that others are compared with: it forgets as little as Portcullis does. */
const YARDSTICK = { title: 'accepted upgrade', worker: 'team, sql' };

const FORGED = mint({ sub: 'mallory' }, { key: 'a secret that no gate has' });

const NAMES = {
  bare: 'Bare JavaScript',
  'team, sql': 'JavaScript, window in SQL, forgets nothing',
  'team, memory': 'JavaScript, in memory, forgets on eviction',
  'team, binding': 'JavaScript, rate-limit binding, inexact',
  'team at its limit': 'JavaScript, window in SQL, forgets nothing',
  naive: 'workers-rs, naive, window in SQL',
  'no counter': 'Portcullis, no counter',
  'one counter': 'Portcullis, defaults',
  'two counters': 'Portcullis, two counters',
  'busy address': 'Portcullis, a busy address, no replay window',
  'at its limit': 'Portcullis, defaults',
};

/** What is measured: in which Worker, with what request. The first row of a table is the bare one. */
const TABLES = [
  {
    title: YARDSTICK.title,
    status: 101,
    rows: [
      ...['bare', 'team, sql', 'team, memory', 'team, binding', 'naive'].map((worker) => ({
        worker,
      })),
      ...['no counter', 'one counter', 'two counters'].map((worker) => ({ worker })),
      { worker: 'busy address', ...ONE },
    ],
  },
  ...[
    { title: 'refused origin', status: 403, request: { origin: 'https://evil.example' } },
    { title: 'refused token', status: 401, request: { token: FORGED } },
  ].map(({ request, ...table }) => ({
    ...table,
    rows: [
      { worker: 'bare', path: `/${table.status}` },
      ...['team, sql', 'naive', 'no counter', 'one counter'].map((worker) => ({
        worker,
        ...request,
      })),
      // Not 64 of them, so that most of its refusals follow another one.
      { worker: 'one counter', name: 'Portcullis, defaults, one address', ...request, ...ONE },
    ],
  })),
  {
    title: 'refused at the limit',
    status: 429,
    rows: [
      { worker: 'bare', path: '/429' },
      ...['team at its limit', 'at its limit'].map((worker) => ({ worker, ...ONE })),
    ],
  },
];

/** A request of one client, whose token is new each time, so that nothing can be known of it. */
const ofClient = (client, request) => ({
  address: `198.51.100.${client}`,
  token: mint({ sub: `user-${client}`, jti: randomBytes(8).toString('hex') }),
  ...request,
});

/** Adds one turn's figures to a row, of whose requests every one must end as it should. */
async function turn(worker, row, requests, isWarm) {
  let client = 0;
  const cost = await cpuOfRequests(worker, requests, async () => {
    const request = ofClient((client += 1) % ADDRESSES, row.request);
    const began = performance.now();
    const answer = await upgrade({ url: worker.url, ...request });
    if (!isWarm) return;
    row.waits.push(performance.now() - began);
    if (answer !== row.status) {
      throw new Error(`A request that is to be answered ${row.status} was answered ${answer}.`);
    }
  });
  if (isWarm) row.costs.push(cost);
}

async function measureTurns(tables, workers, { rounds, requests, quick }) {
  const rows = tables.flatMap((table) => table.rows);
  for (const row of rows) await turn(workers.get(row.worker), row, quick ? 100 : WARM_UP_REQUESTS);
  say('Warm.');
  for (let round = 1; round <= rounds; round += 1) {
    for (const row of shuffled(rows)) await turn(workers.get(row.worker), row, requests, true);
    if (round % 10 === 0) say(`Round ${round} of ${rounds}`);
  }
}

function printTurns(tables, rounds) {
  const yardstick = tables.find(({ title }) => title === YARDSTICK.title);
  const reference = yardstick.rows.find(({ worker }) => worker === YARDSTICK.worker);
  const least = yardstick.rows[0];
  const line = (name, ...cells) =>
    say(`${name.padEnd(46)}${cells.map((cell) => cell.padEnd(20)).join('')}`);
  for (const { title, rows } of tables) {
    const [bare] = rows;
    const added = (row, base) => (of) => trimmedMean(of(row.costs)) - trimmedMean(of(base.costs));
    line(`\n${title}`, 'µs of CPU', 'added', 'of the yardstick’s', 'ms waited: 50, 95, 99 %');
    for (const row of rows) {
      const more = estimate(rounds, added(row, bare));
      const ratio = estimate(rounds, (of) => added(row, bare)(of) / added(reference, least)(of));
      const waits = [0.5, 0.95, 0.99].map((part) => percentile(row.waits, part).toFixed(1));
      line(
        row.name,
        trimmedMean(row.costs).toFixed(0),
        ...(row === bare ? ['', ''] : [whole(more), interval(ratio)]),
        waits.join('  '),
      );
    }
  }
  say(`\nThe yardstick: what “${reference.name}” adds to an accepted upgrade.`);
}

const whole = ({ value, low, high }) =>
  `${value.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`;

/**
 * Measures `starts` fresh processes of each contender, then `rounds` rounds, in each of which every
 * row has a turn of so many requests, then counts rows. `only` names the parts to measure.
 */
export async function measureUpgrades(options) {
  const { withNaive, only } = options;
  const tables = TABLES.map(({ title, status, rows }) => ({
    title,
    rows: rows
      .filter(({ worker }) => withNaive || worker !== 'naive')
      .map(({ worker, name = NAMES[worker], ...request }) => ({
        ...{ name, worker, request, status, costs: [], waits: [] },
      })),
  }));
  const upstream = await openRawUpstream((head, socket) =>
    socket.write(acceptance(head, 'Sec-WebSocket-Protocol: chat.v1')),
  );
  const start = starters(upstream.url.replace('ws:', 'http:'));
  const workers = new Map();
  const result = {};
  try {
    if (only.includes('starts')) {
      result.starts = await measureStarts(start, { rounds: options.starts, withNaive }, (worker) =>
        upgrade({ url: worker.url, ...ofClient(1) }),
      );
    }
    if (only.includes('turns')) {
      for (const { worker } of tables.flatMap(({ rows }) => rows)) {
        if (!workers.has(worker)) workers.set(worker, await start[worker]());
      }
      await measureTurns(tables, workers, options);
      printTurns(tables, options.rounds);
      result.tables = tables.map(({ title, rows }) => ({
        title,
        rows: rows.map(({ waits, ...row }) => row),
      }));
    }
    if (only.includes('rows')) {
      const all = tables[0].rows;
      result.billed = await countRows(start, (worker) => {
        const costs = all.find((row) => row.worker === worker).costs;
        return costs.length > 0 ? trimmedMean(costs) : 0;
      });
    }
  } finally {
    for (const worker of workers.values()) await worker.stop();
    await upstream.stop();
  }
  return result;
}
