// What an upgrade and a refusal cost: CPU time of the workerd process, beside the least that a
// Worker can do and beside a gate in JavaScript.
import { randomBytes } from 'node:crypto';
import { buildSync } from 'esbuild';
import { inRoot, say } from '../tools/run.mjs';
import { mint, SECRET } from '../tests/support/tokens.mjs';
import { acceptance, openRawUpstream } from '../tests/support/upstream.mjs';
import { ORIGIN, upgrade } from './browser.mjs';
import { cpuPerRequest, quartiles, startGate, startWorker } from './workers.mjs';

/** So many addresses come again and again, so that their objects are in memory. */
const ADDRESSES = 64;
const NEVER_REACHED = '1000000/1m';
/** V8 compiles a module's functions one by one while they run: until then that is what is measured. */
const WARM_UP_ROUNDS = 6;

const JAVASCRIPT = 'JavaScript: hono, jose, sliding window';
const NAMES = {
  bare: 'Bare JavaScript',
  team: JAVASCRIPT,
  'team at its limit': JAVASCRIPT,
  'no counter': 'Portcullis, no counter',
  'one counter': 'Portcullis, one counter',
  'two counters': 'Portcullis, two counters',
  'at its limit': 'Portcullis, one counter',
};

/**
 * What is measured: by the name of its row, in which Worker, with what request. Of each
 * table the first row is what the others add to, the second what the gate is compared with.
 */
const TABLES = [
  {
    title: 'accepted upgrade',
    status: 101,
    rows: [
      { worker: 'bare' },
      { worker: 'team' },
      { worker: 'bare', name: 'Bare JavaScript, one Durable Object hop', path: '/hop/chat' },
      { worker: 'no counter' },
      { worker: 'one counter' },
      { worker: 'two counters' },
    ],
  },
  ...[
    { title: 'refusal of an origin', status: 403, request: { origin: 'https://evil.example' } },
    { title: 'refusal without a token', status: 401, request: { token: undefined } },
  ].map(({ request, ...table }) => ({
    ...table,
    rows: [
      { worker: 'bare', path: `/${table.status}` },
      ...['team', 'no counter', 'one counter'].map((worker) => ({ worker, ...request })),
    ],
  })),
  {
    title: 'refusal at the limit',
    status: 429,
    rows: [
      { worker: 'bare', path: '/429' },
      ...['team at its limit', 'at its limit'].map((worker) => ({ worker, address: '192.0.2.1' })),
    ],
  },
];

function startJavaScript(name, vars, objects) {
  const outfile = inRoot('build', 'bench', `${name}.js`);
  buildSync({
    entryPoints: [inRoot('benches', 'contenders', `${name}.js`)],
    outfile,
    bundle: true,
    format: 'esm',
    minify: true,
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:workers'],
  });
  return startWorker({ modules: [outfile], compatibilityDate: '2026-07-15', vars, objects });
}

function starters(UPSTREAM) {
  const common = { ALLOWED_ORIGINS: ORIGIN, JWT_SECRET: SECRET };
  const team = (LIMIT) =>
    startJavaScript('team', { ...common, UPSTREAM, LIMIT }, { WINDOWS: 'Window' });
  const gate = (counters) =>
    startGate({ ...common, REQUIRE_TLS: 'false', UPSTREAM_URL: UPSTREAM, ...counters });
  return {
    bare: () => startJavaScript('bare', { UPSTREAM }, { HOPS: 'Hop' }),
    team: () => team('1000000'),
    'team at its limit': () => team('0'),
    'no counter': () => gate({ RATE_LIMIT_IP: 'off', KEY_REPLAY_WINDOW: 'off' }),
    'one counter': () => gate({ RATE_LIMIT_IP: NEVER_REACHED }),
    'two counters': () => gate({ RATE_LIMIT_IP: NEVER_REACHED, RATE_LIMIT_USER: NEVER_REACHED }),
    'at its limit': () => gate({ RATE_LIMIT_IP: '1/1h' }),
  };
}

/** CPU time of one row in µs for each request, of which every one must end as it should. */
async function measure(worker, { status, isWarm, ...request }, seconds) {
  let turn = 0;
  return cpuPerRequest(worker, seconds, async () => {
    const client = turn++ % ADDRESSES;
    const answer = await upgrade({
      url: worker.url,
      address: `198.51.100.${client}`,
      // New for each upgrade, so that nothing can be known of it.
      token: mint({ sub: `user-${client}`, jti: randomBytes(8).toString('hex') }),
      ...request,
    });
    if (isWarm && answer !== status) {
      throw new Error(`A request that is to be answered ${status} was answered ${answer}.`);
    }
  });
}

/** Figures of one row beside the first and the second of its table, round by round. */
function compare(costs, bare, javascript) {
  const added = costs.map((cost, round) => cost - bare[round]);
  const ratio = added.map((more, round) => more / (javascript[round] - bare[round]));
  return { cost: quartiles(costs), added: quartiles(added), ratio: quartiles(ratio) };
}

const whole = ({ median, low, high }) =>
  `${median.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`;
const parts = ({ median, low, high }) =>
  `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;

function print({ title, rows }) {
  const [bare, javascript] = rows;
  const line = (name, ...cells) =>
    say(`${name.padEnd(42)}${cells.map((cell) => cell.padEnd(18)).join('')}`);
  line(`\n${title}`, ' µs of CPU', ' added', ' of what JavaScript adds');
  for (const row of rows) {
    const { cost, added, ratio } = compare(row.costs, bare.costs, javascript.costs);
    const beside = row === bare ? [] : [whole(added), parts(ratio)];
    line(row.name, whole(cost), ...beside);
  }
}

async function measureAll(tables, workers, { rounds, seconds }) {
  const all = tables.flatMap(({ rows }) => rows);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const isWarm = round >= 0;
    for (const { worker, request, costs } of all) {
      const cost = await measure(workers.get(worker), { ...request, isWarm }, seconds);
      if (isWarm) costs.push(cost);
    }
    say(isWarm ? `Round ${round + 1} of ${rounds}` : `Warming up: ${-round}`);
  }
}

/**
 * Measures in `rounds` rounds, in each of which every row has its turn of so many seconds.
 * Resolves to the tables with the raw figures, µs by round.
 */
export async function measureUpgrades(options) {
  const tables = TABLES.map(({ title, status, rows }) => ({
    title,
    rows: rows.map(({ worker, name = NAMES[worker], ...request }) => ({
      ...{ name, worker, request: { status, ...request }, costs: [] },
    })),
  }));
  const upstream = await openRawUpstream((head, socket) =>
    socket.write(acceptance(head, 'Sec-WebSocket-Protocol: chat.v1')),
  );
  const workers = new Map();
  try {
    for (const [name, start] of Object.entries(starters(upstream.url.replace('ws:', 'http:')))) {
      workers.set(name, await start());
    }
    await measureAll(tables, workers, options);
  } finally {
    for (const worker of workers.values()) await worker.stop();
    await upstream.stop();
  }
  tables.forEach(print);
  return tables;
}
