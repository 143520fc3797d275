// Live sockets under an administrator's eye, in two isolates that share the registry's objects.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { administer, done, echoes, live, WATCHED } from '../../support/admin.mjs';
import { requestId } from '../../support/answers.mjs';
import { fresh, freshAddress, ORIGIN, useGate } from '../../support/gate.mjs';
import { now } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const freshSubject = () => fresh('user|');
const query = (filter) => `sockets?${new URLSearchParams(filter)}`;

describe('live sockets, in two isolates', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED, twin: true });

  test('are listed by either, with what is known of them', async () => {
    const [first, second] = gate.both;
    const sub = freshSubject();
    const address = freshAddress();
    const exp = now() + 200;
    const socket = await live(
      gate,
      { sub, exp, sid: 'a session' },
      { to: first, headers: { 'CF-Connecting-IP': address } },
    );
    for (const to of [first, second]) {
      for (const filter of [
        { sub },
        { ip: address },
        { id: requestId({ headers: socket.answer }) },
      ]) {
        const { sockets, truncated } = await done(gate, 'GET', query(filter), { to });
        const [{ since, ...rest }, ...others] = sockets;
        assert.deepEqual({ truncated, others }, { truncated: false, others: [] });
        assert.ok(Math.abs(since - now()) < 60);
        assert.deepEqual(rest, {
          id: requestId({ headers: socket.answer }),
          sub,
          sid: 'a session',
          ip: address,
          route: '/*',
          origin: ORIGIN,
          expires: exp,
        });
      }
    }
    const { sockets } = await done(gate, 'GET', 'sockets');
    assert.ok(sockets.some((one) => one.sub === sub));
  });

  for (const kind of ['sub', 'ip', 'id']) {
    test(`are closed by ${kind}, wherever they are, and no others`, async () => {
      const [first, second] = gate.both;
      const sub = freshSubject();
      const address = freshAddress();
      const open = (to, who, from) =>
        live(gate, { sub: who }, { to, headers: { 'CF-Connecting-IP': from } });
      const socket = await open(first, sub, address);
      const other = await open(first, freshSubject(), freshAddress());
      const id = requestId({ headers: socket.answer });
      const filter = { sub: { sub }, ip: { ip: address }, id: { id } }[kind];
      const answer = await done(gate, 'DELETE', query(filter), { to: second });
      assert.deepEqual(answer, { disconnected: 1 });
      assert.deepEqual(await socket.closed, [4403, 'disconnected']);
      assert.ok(await echoes(other));
      assert.deepEqual(await done(gate, 'DELETE', query(filter), { to: second }), {
        disconnected: 0,
      });
      // Nothing keeps who was disconnected from coming back.
      await open(second, sub, address);
    });
  }

  test('are forgotten once they are closed', async () => {
    const sub = freshSubject();
    const socket = await live(gate, { sub });
    socket.close();
    await socket.closed;
    const listed = async () => (await done(gate, 'GET', query({ sub }))).sockets;
    await until(listed, ({ length }) => length === 0);
  });

  test('leave a record that says why they ended', async () => {
    const sub = freshSubject();
    const socket = await live(gate, { sub });
    const id = requestId({ headers: socket.answer });
    const answer = await administer(gate, 'DELETE', query({ sub }));
    const { outcome, cause, stage } = await gate.log.record(requestId(answer));
    assert.deepEqual(
      { outcome, cause, stage },
      { outcome: 'administered', cause: `disconnected sub "${sub}": 1 sockets`, stage: 'counters' },
    );
    const closed = await gate.log.find(({ message }) => {
      const record = message.startsWith('{"time"') && JSON.parse(message);
      return record.request_id === id && record.outcome === 'closed' && record;
    });
    assert.equal(closed.reason, 'disconnected');
    assert.equal(closed.code, 4403);
  });

  test('a hundred of them', async (t) => {
    const [first, second] = gate.both;
    const sub = freshSubject();
    const sockets = [];
    for (let at = 0; at < 100; at += 1) {
      sockets.push(await live(gate, { sub }, { to: [first, second][at % 2] }));
    }
    const began = performance.now();
    const ends = sockets.map(async ({ closed }) => [await closed, performance.now() - began]);
    const { disconnected } = await done(gate, 'DELETE', query({ sub }));
    assert.equal(disconnected, 100);
    const times = [];
    for (const [end, time] of await Promise.all(ends)) {
      assert.deepEqual(end, [4403, 'disconnected']);
      times.push(time);
    }
    times.sort((one, other) => one - other);
    t.diagnostic(
      `from kick to close of 100 sockets: median ${times[50].toFixed(0)} ms, last ${times[99].toFixed(0)} ms`,
    );
  });
});

for (const webSockets of ['hibernate', 'close']) {
  describe(`objects of the registry that are evicted (${webSockets})`, () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars: WATCHED });
    const evictAll = async () => {
      // Only what runs can be evicted.
      await done(gate, 'GET', 'sockets');
      for (let shard = 0; shard < 16; shard += 1) {
        const options = { name: `${shard}`, webSockets };
        await gate.miniflare.unsafeEvictDurableObject('gate', 'Registry', options);
      }
    };

    test('know their sockets again, and can close them', async () => {
      const sub = freshSubject();
      const socket = await live(gate, { sub });
      await evictAll();
      const listed = async () => (await done(gate, 'GET', query({ sub }))).sockets;
      await until(listed, ({ length }) => length > 0);
      assert.ok(await echoes(socket));
      assert.deepEqual(await done(gate, 'DELETE', query({ sub })), { disconnected: 1 });
      assert.deepEqual(await socket.closed, [4403, 'disconnected']);
    });

    for (const [name, act, end] of [
      ['disconnected', (sub) => done(gate, 'DELETE', query({ sub })), [4403, 'disconnected']],
      ['revoked', (sub) => done(gate, 'PUT', 'revocations', { body: { sub } }), [4401, 'revoked']],
      [
        'banned',
        (sub) => done(gate, 'PUT', `bans/${encodeURIComponent(sub)}`),
        [4403, 'disconnected'],
      ],
    ]) {
      test(`close who was ${name} just then`, async () => {
        const sub = freshSubject();
        const socket = await live(gate, { sub });
        await evictAll();
        await act(sub);
        assert.deepEqual(await socket.closed, end);
      });
    }
  });
}
