// What Cloudflare bills of an upgrade: requests to Durable Objects and rows, counted, and dollars.
import { randomBytes } from 'node:crypto';
import { say } from '../tools/run.mjs';
import { mint } from '../tests/support/tokens.mjs';
import { upgrade } from './browser.mjs';
import { AS_OF, dollarsPerMillion } from './prices.mjs';

/** Under a quota of 60 in a minute, so that none is refused. */
const UPGRADES = 48;
/** Until all 16 objects of the registry were asked, which happens once a minute, and have tables. */
const WARM_UP_UPGRADES = 160;

const fromAddress = (address) => ({
  address,
  token: mint({ sub: `user of ${address}`, jti: randomBytes(8).toString('hex') }),
});

const LOADS = {
  'from an address that comes once': (turn) => fromAddress(`203.0.113.${turn}`),
  'from one address, again and again': () => fromAddress('192.0.2.1'),
};

const CONTENDERS = [
  { worker: 'team, counted', name: 'JavaScript, window in SQL', cpu: 'team, sql' },
  { worker: 'gate, counted', name: 'Portcullis, defaults', cpu: 'one counter' },
  { worker: 'gate, two counters, counted', name: 'Portcullis, two counters', cpu: 'two counters' },
];

const counted = async ({ url }) => (await fetch(new URL('/counted', url))).json();

async function sendAll(worker, count, request) {
  for (let turn = 0; turn < count; turn += 1) {
    const status = await upgrade({ url: worker.url, ...request(turn) });
    if (status !== 101) throw new Error(`An upgrade was answered ${status}.`);
  }
}

/**
 * Counts what each contender takes for an upgrade. `cpuOf` returns the µs of CPU that a Worker of
 * that name takes.
 */
export async function countRows(start, cpuOf) {
  const table = [];
  for (const { worker: name, name: title, cpu } of CONTENDERS) {
    const worker = await start[name]();
    try {
      await counted(worker);
      await sendAll(worker, WARM_UP_UPGRADES, (turn) => fromAddress(`198.18.0.${turn}`));
      for (const [load, request] of Object.entries(LOADS)) {
        await counted(worker);
        await sendAll(worker, UPGRADES, request);
        const { requests, rows } = await counted(worker);
        const each = { objectRequests: requests / UPGRADES, rows: rows / UPGRADES };
        const cpuMilliseconds = cpuOf(cpu) / 1000;
        const dollars = dollarsPerMillion({ cpuMilliseconds, ...each });
        table.push({ title, load, ...each, dollars });
      }
    } finally {
      await worker.stop();
    }
  }
  print(table);
  return table;
}

function print(table) {
  const line = (name, load, ...cells) =>
    say(`${name.padEnd(28)}${load.padEnd(36)}${cells.map((cell) => cell.padEnd(18)).join('')}`);
  line('\nbilled for an upgrade', '', ' object requests', 'rows', '$ a million');
  for (const { title, load, objectRequests, rows, dollars } of table) {
    line(title, load, objectRequests.toFixed(2), rows.toFixed(2), dollars.toFixed(2));
  }
  say(
    `An alarm to come counts as a request; the rows it writes are not counted. Prices of ${AS_OF}.`,
  );
}
