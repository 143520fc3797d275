// Slots whose isolates are no more, or can't reach their ledger: they come free by themselves.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import {
  ask,
  freshAddress,
  from,
  openGate,
  repeat,
  UNCOUNTED,
  useFolder,
  useGate,
  withGate,
} from '../../support/gate.mjs';
import { ofAddress, plan, withLedger } from '../../support/ledgers.mjs';
import { rowsIn } from '../../support/sqlite.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const LEASE = 60_000;
const vars = { ...UNCOUNTED, MAX_SOCKETS_IP: '2' };

/** How many rows the objects under a folder hold; undefined while one removes its files. */
function rowsUnder(folder) {
  try {
    return rowsIn(folder);
  } catch {
    return undefined;
  }
}

/** Knocks until it is admitted, and returns when that was. */
async function untilAdmitted(gate, headers) {
  const look = async () => {
    const seen = reasonOf(await gate.knock(headers));
    if (seen !== 'admitted') assert.equal(seen, 'too_many_sockets');
    return seen === 'admitted';
  };
  await until(look, Boolean, { every: 250, within: LEASE + 20_000 });
  return performance.now();
}

describe('slots', { concurrency: true }, () => {
  describe('of a process that was killed', () => {
    const upstream = useUpstream();
    const persist = useFolder();
    test('come free within a minute', async () => {
      const headers = from(freshAddress());
      const first = await openGate({ upstream, vars, persist });
      await repeat(2, async () => assert.equal(reasonOf(await first.knock(headers)), 'admitted'));
      // At once, with its sockets open: closed first, they would give their slots back.
      await first.miniflare.dispose();
      await withGate({ upstream, vars, persist }, async (second) => {
        assert.equal(reasonOf(await second.knock(headers)), 'too_many_sockets');
        await untilAdmitted(second, headers);
      });
    });
  });

  describe('of a process that was killed, when nobody asks', () => {
    const upstream = useUpstream();
    const persist = useFolder();
    test('come free by themselves', async () => {
      const headers = from(freshAddress());
      const first = await openGate({ upstream, vars, persist });
      await repeat(2, async () => assert.equal(reasonOf(await first.knock(headers)), 'admitted'));
      await first.miniflare.dispose();
      assert.ok(rowsIn(persist) > 0);
      await withGate({ upstream, vars, persist }, async (second) => {
        // A minute until the ledger looks, and a lease from then on.
        const free = { every: 250, within: 2 * LEASE + 20_000 };
        await until(
          () => rowsUnder(persist),
          (rows) => rows === 0,
          free,
        );
        assert.equal(reasonOf(await second.knock(headers)), 'admitted');
      });
    });
  });

  describe('of sockets whose ledger can’t be reached', () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars, ...withLedger('Double') });
    test('are held until these ended', async () => {
      const address = freshAddress();
      const headers = from(address);
      const name = ofAddress(address);
      const sockets = [await gate.connect({ headers }), await gate.connect({ headers })];
      for (const socket of sockets) assert.equal(await ask(socket, 'hello'), 'hello');
      const ended = sockets.map(async (socket) => {
        const end = await closing(socket);
        return { end, at: performance.now() };
      });
      await plan(gate, { [name]: 'hang' });
      await gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', {
        name,
        webSockets: 'close',
      });
      // It is there again, and knows of sockets that can't come.
      const ledgers = await gate.miniflare.getDurableObjectNamespace('LEDGER', 'ledgers');
      const stranger = `/attach/${'0'.repeat(32)}/1/${Date.now()}`;
      const answer = await ledgers.get(ledgers.idFromName(name)).fetch(`http://ledger${stranger}`);
      assert.equal(answer.headers.get('answer'), 'too-many 0 0');
      const lost = performance.now();
      for (const one of ended) {
        const { end, at } = await one;
        assert.deepEqual(end, [1013, 'limiter_unavailable']);
        assert.ok(at - lost < LEASE, `it ended after ${at - lost} ms`);
      }
      const { cause } = await gate.log.closed(requestId({ headers: sockets[0].answer }));
      assert.equal(cause, 'its object was out of reach for 45 s');
      await plan(gate, { [name]: 'real' });
      const free = (await untilAdmitted(gate, headers)) - lost;
      assert.ok(free >= LEASE - 1000, `it was free after ${free} ms`);
    });
  });
});
