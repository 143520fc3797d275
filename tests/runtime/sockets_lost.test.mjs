// Slots whose isolates are no more, or can't reach their ledger: they come free by themselves.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../support/answers.mjs';
import { closing } from '../support/closing.mjs';
import { ask, freshAddress, openGate, repeat, UNCOUNTED, useGate } from '../support/gate.mjs';
import { ofAddress, plan, withLedger } from '../support/ledgers.mjs';
import { useUpstream } from '../support/upstream.mjs';

const LEASE = 60_000;
const vars = { ...UNCOUNTED, MAX_SOCKETS_IP: '2' };

/** Knocks until it is let in, and gives when that was. */
async function untilAdmitted(gate, headers) {
  const deadline = performance.now() + LEASE + 20_000;
  for (;;) {
    const seen = reasonOf(await gate.knock(headers));
    if (seen === 'admitted') return performance.now();
    assert.equal(seen, 'too_many_sockets');
    assert.ok(performance.now() < deadline, 'no slot came free');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

describe('slots', { concurrency: true }, () => {
  describe('of a process that was killed', () => {
    const upstream = useUpstream();
    test('come free within a minute', async () => {
      const persist = await mkdtemp(join(tmpdir(), 'portcullis-'));
      const from = { 'CF-Connecting-IP': freshAddress() };
      const first = await openGate({ upstream, vars, persist });
      await repeat(2, async () => assert.equal(reasonOf(await first.knock(from)), 'admitted'));
      // At once, with its sockets open: closed first, they would give their slots back.
      await first.miniflare.dispose();
      const second = await openGate({ upstream, vars, persist });
      try {
        assert.equal(reasonOf(await second.knock(from)), 'too_many_sockets');
        await untilAdmitted(second, from);
      } finally {
        await second.stop();
        await rm(persist, { recursive: true });
      }
    });
  });

  describe('of sockets whose ledger can’t be reached', () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars, ...withLedger('Double') });
    test('are held until these ended', async () => {
      const headers = { 'CF-Connecting-IP': freshAddress() };
      const name = ofAddress(headers['CF-Connecting-IP']);
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
