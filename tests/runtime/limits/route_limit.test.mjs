// The quota of a route: exact, lent where many ask, and given back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import { AGED, ring } from '../../support/aged.mjs';
import { assertAdmitted, assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import {
  freshAddress,
  freshKey,
  from,
  repeat,
  UNCOUNTED,
  useFolder,
  useGate,
  withGate,
} from '../../support/gate.mjs';
import { calls, plan, withRouteQuota } from '../../support/ledgers.mjs';
import { rowsIn } from '../../support/sqlite.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const EVERYTHING = '/*';
const CROWD = 300;
const count = (seen, reason) => seen.filter((one) => one === reason).length;
const knocks = (gate, length, request) =>
  Array.from({ length }, () => gate.knock({}, request).then(reasonOf));
const evict = (gate) =>
  gate.miniflare.unsafeEvictDurableObject('gate', 'RouteQuota', { name: EVERYTHING });

describe('a small quota of a route', () => {
  const upstream = useUpstream();
  const vars = {
    RATE_LIMIT_ROUTE: '20/1h',
    ROUTES: JSON.stringify([
      { path: '/a' },
      { path: '/b' },
      { path: '/c', rate_limit_route: '2/1h' },
      { path: '/d', rate_limit_route: 'off' },
    ]),
    ...UNCOUNTED,
  };
  const gate = useGate({ upstream, vars });

  test('admits exactly its count of a crowd from everywhere', async () => {
    const seen = await Promise.all(knocks(gate, CROWD, { target: '/a' }));
    assert.deepEqual([count(seen, 'admitted'), count(seen, 'rate_limited')], [20, CROWD - 20]);
    const refused = await gate.knock({}, { target: '/a' });
    const wait = Number(new Map(refused.headers).get('retry-after'));
    assert.ok(wait > 3500 && wait <= 3600, `${wait}`);
    assertRefused(refused, 'rate_limited', {
      title: 'Too many connections at the moment.',
      headers: {
        'retry-after': `${wait}`,
        ratelimit: `"route";r=0;t=${wait}`,
        'ratelimit-policy': '"route";q=20;w=3600',
      },
    });
    const { stage, cause } = await gate.log.record(requestId(refused));
    assert.deepEqual({ stage, cause }, { stage: 'known', cause: 'known in this isolate' });
  });
  test('is each route’s own, and can be set for a route', async () => {
    const seen = await Promise.all(knocks(gate, 30, { target: '/b' }));
    assert.equal(count(seen, 'admitted'), 20);
    const ofC = await Promise.all(knocks(gate, 10, { target: '/c' }));
    assert.equal(count(ofC, 'admitted'), 2);
    const ofD = await Promise.all(knocks(gate, 30, { target: '/d' }));
    assert.equal(count(ofD, 'admitted'), 30);
  });
});

describe('a small quota, with its object evicted half-way', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { RATE_LIMIT_ROUTE: '20/1h', ...UNCOUNTED } });
  test('admits its count and no more', async () => {
    await repeat(11, async () => assert.equal(reasonOf(await gate.knock()), 'admitted'));
    await evict(gate);
    // No more at once: while it evicts, Miniflare reads nothing of what the gate logs.
    const all = knocks(gate, 60);
    await Promise.race(all);
    await evict(gate);
    all.push(...knocks(gate, 60));
    const seen = await Promise.all(all);
    // One that an eviction cut off may be counted and yet be refused.
    const lost = count(seen, 'limiter_unavailable');
    const admitted = count(seen, 'admitted');
    assert.ok(admitted <= 9 && admitted + lost >= 9, `${admitted} and ${lost} lost`);
    assert.equal(reasonOf(await gate.knock()), 'rate_limited');
  });
});

describe('a quota over a restart of everything', () => {
  const upstream = useUpstream();
  const persist = useFolder();
  test('goes on where it was', async () => {
    const options = { upstream, persist, vars: { RATE_LIMIT_ROUTE: '3/1h', ...UNCOUNTED } };
    await withGate(options, async (gate) => assert.equal(reasonOf(await gate.knock()), 'admitted'));
    await withGate(options, async (gate) => {
      const seen = await Promise.all(knocks(gate, 4));
      assert.deepEqual([count(seen, 'admitted'), count(seen, 'rate_limited')], [2, 2]);
    });
  });
});

describe('a short quota of a route', () => {
  const upstream = useUpstream();
  const persist = useFolder();
  const vars = {
    RATE_LIMIT_ROUTE: '2/2s',
    ...UNCOUNTED,
  };
  const gate = useGate({ upstream, persist, vars });

  test('admits its whole count again after Retry-After', async () => {
    assert.equal(count(await Promise.all(knocks(gate, 5)), 'admitted'), 2);
    const refused = await gate.knock();
    assert.equal(reasonOf(refused), 'rate_limited');
    await passing(Number(new Map(refused.headers).get('retry-after')) * 1000);
    assert.equal(count(await Promise.all(knocks(gate, 5)), 'admitted'), 2);
  });
});

describe('a large quota', () => {
  const upstream = useUpstream();
  const vars = {
    RATE_LIMIT_ROUTE: '400/1h',
    ...UNCOUNTED,
  };
  const gate = useGate({ upstream, vars, twin: true, ...withRouteQuota('Double') });

  test('is never exceeded by two isolates, which ask for few of their admissions', async () => {
    const seen = [];
    await repeat(12, async () => {
      const round = gate.both.flatMap((to) => knocks(gate, 25, { to }));
      seen.push(...(await Promise.all(round)));
    });
    const admitted = count(seen, 'admitted');
    assert.equal(admitted + count(seen, 'rate_limited'), 600);
    assert.ok(admitted <= 400, `${admitted} admitted`);
    assert.ok(admitted > 200, `${admitted} admitted`);
    const asked = await calls(gate, EVERYTHING);
    assert.ok(asked.length < admitted / 2, `${asked.length} questions for ${admitted}`);
  });
});

describe('an upgrade that another counter refuses', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { RATE_LIMIT_ROUTE: '3/1h' } });
  test('is given back to the route', async () => {
    const used = from(freshAddress(), { 'Sec-WebSocket-Key': freshKey() });
    assert.equal(reasonOf(await gate.knock(used)), 'admitted');
    await repeat(5, async () => assert.equal(reasonOf(await gate.knock(used)), 'replayed_key'));
    // What is given back behind an answer comes before the questions of the next.
    const seen = [];
    await repeat(3, async () => seen.push(reasonOf(await gate.knock())));
    assert.deepEqual(seen, ['admitted', 'admitted', 'rate_limited']);
  });
});

describe('the storage of a route’s quota', () => {
  const upstream = useUpstream();
  const persist = useFolder();
  const vars = {
    RATE_LIMIT_ROUTE: '2/1s',
    ...UNCOUNTED,
  };
  const gate = useGate({ upstream, persist, vars, ...AGED });
  test('is emptied once the route was idle for a day', async () => {
    assert.equal(reasonOf(await gate.knock()), 'admitted');
    assert.equal(rowsIn(persist), 1);
    const after = (milliseconds) => ring(gate, 'ROUTE_QUOTA', EVERYTHING, milliseconds);
    await after(DAY - HOUR);
    assert.equal(rowsIn(persist), 1);
    await after(DAY + 11_000);
    assert.equal(rowsIn(persist), 0);
  });
});

for (const [policy, check] of [
  [
    'reject',
    (answer) => assertRefused(answer, 'limiter_unavailable', { headers: { 'retry-after': '1' } }),
  ],
  ['admit', assertAdmitted],
]) {
  describe(`ON_LIMITER_FAILURE=${policy}`, () => {
    const upstream = useUpstream();
    const vars = {
      RATE_LIMIT_ROUTE: '100/1h',
      ON_LIMITER_FAILURE: policy,
      LIMITER_TIMEOUT: '400ms',
      ...UNCOUNTED,
    };
    const gate = useGate({ upstream, vars, ...withRouteQuota('Double') });
    for (const [behaviour, cause] of [
      ['hang', /^the route's quota: timed out$/],
      ['throw', /^the route's quota: .*thrown on purpose/],
      ['maybe 1', /^the route's quota: it answered "maybe 1"$/],
    ]) {
      test(`a quota whose object does: ${behaviour}`, async () => {
        await plan(gate, { [EVERYTHING]: behaviour });
        const key = freshKey();
        const answer = await gate.knock({ 'Sec-WebSocket-Key': key });
        check(answer, policy === 'admit' ? key : undefined);
        const record = await gate.log.record(requestId(answer));
        assert.match(record.cause.replace(/^admitted uncounted: /, ''), cause);
        await plan(gate, { [EVERYTHING]: 'real' });
        assert.equal(reasonOf(await gate.knock()), 'admitted');
      });
    }
  });
}
