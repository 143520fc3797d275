// What can be used once, across isolates, restarts and failures.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import {
  assertAdmitted,
  assertRefused,
  readable,
  reasonOf,
  requestId,
} from '../../support/answers.mjs';
import {
  fresh,
  freshAddress,
  freshKey,
  ORIGIN,
  UNCOUNTED,
  useFolder,
  useGate,
  withGate,
} from '../../support/gate.mjs';
import { calls, plan, withOneTime } from '../../support/ledgers.mjs';
import { tablesByObject } from '../../support/sqlite.mjs';
import { ask, obtain, use } from '../../support/tickets.mjs';
import { now, REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const CROWD = 100;
/** No counters, so that all objects are those of what can be used once. */
const base = { ...REQUIRED, ...UNCOUNTED };
const freshId = () => fresh('id');

/** What a crowd was told, by count. */
async function tally(knocks) {
  const counts = {};
  for (const reason of (await Promise.all(knocks)).map(reasonOf)) {
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}

/** Ways to be admitted once: `prepare` resolves to a function that tries it. */
const ways = [
  [
    'a ticket',
    {},
    async (gate, address = freshAddress()) => {
      const ticket = await obtain(gate, address);
      return (to = gate, url) => use(to, ticket, address, { to: url });
    },
  ],
  [
    'a jti',
    { JWT_REPLAY: 'reject' },
    async (gate) => {
      const headers = withToken({ jti: freshId(), iss: 'https://id.example' });
      return (to = gate, url) => to.knock(headers, { to: url });
    },
  ],
  [
    'the jti behind a ticket',
    { JWT_REPLAY: 'reject' },
    async (gate) => {
      const headers = withToken({ jti: freshId() });
      const address = freshAddress();
      const tickets = [];
      for (let at = 0; at < 4; at += 1) tickets.push(await obtain(gate, address, { headers }));
      let at = 0;
      return (to = gate, url) => use(to, tickets[at++ % 4], address, { to: url });
    },
  ],
];

for (const [name, vars, prepare] of ways) {
  describe(`${name}, in two isolates`, () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars: { ...base, ...vars }, twin: true });

    test('admits exactly one of a crowd', async () => {
      const attempt = await prepare(gate);
      const crowd = Array.from({ length: CROWD }, (_, at) => attempt(gate, gate.both[at % 2]));
      assert.deepEqual(await tally(crowd), { admitted: 1, token_invalid: CROWD - 1 });
    });
    test('used in one is used in the other', async () => {
      const [first, second] = gate.both;
      const attempt = await prepare(gate);
      assert.equal(reasonOf(await attempt(gate, second)), 'admitted');
      assertRefused(await attempt(gate, first), 'token_invalid');
    });
  });

  describe(`${name}, over a restart of everything`, () => {
    const upstream = useUpstream();
    const persist = useFolder();
    const during = (work) => withGate({ upstream, persist, vars: { ...base, ...vars } }, work);

    test('stays used, and one that was not used is good', async () => {
      const [used, unused] = await during(async (gate) => {
        const attempts = [await prepare(gate), await prepare(gate)];
        assert.equal(reasonOf(await attempts[0](gate)), 'admitted');
        return attempts;
      });
      await during(async (gate) => {
        assert.equal(reasonOf(await used(gate)), 'token_invalid');
        assert.equal(reasonOf(await unused(gate)), 'admitted');
      });
    });
  });
}

describe('the storage of what can be used once', () => {
  const upstream = useUpstream();
  // The registry, which is asked about every upgrade, has a table of its own.
  const stored = (folder) =>
    tablesByObject(folder)
      .flat()
      .filter((table) => table !== 'denials');

  describe('of tickets', () => {
    const persist = useFolder();
    const gate = useGate({ upstream, persist, vars: { ...base, TICKET_TTL: '2s' } });
    test('holds each until its end, guesses never, and no ticket in the clear', async () => {
      const address = freshAddress();
      const [used] = [await obtain(gate, address), await obtain(gate, address)];
      assert.equal(reasonOf(await use(gate, used, address)), 'admitted');
      assert.equal(reasonOf(await use(gate, 'A'.repeat(43), address)), 'token_invalid');
      assert.deepEqual(stored(persist), ['kept', 'kept']);
      const files = readdirSync(persist, { recursive: true, withFileTypes: true });
      for (const file of files.filter((entry) => entry.isFile())) {
        assert.ok(!readFileSync(join(file.parentPath, file.name)).includes(used), file.name);
      }
      // Nothing tells of an object's alarm but the files themselves.
      const empty = ({ length }) => length === 0;
      await until(() => stored(persist), empty, { every: 100 });
    });
  });

  describe('of ids', () => {
    const persist = useFolder();
    const gate = useGate({ upstream, persist, vars: { ...base, JWT_REPLAY: 'reject' } });
    test('outlives the token', async () => {
      await gate.knock(withToken({ jti: freshId(), exp: now() + 2 }));
      await passing(3000);
      assert.deepEqual(stored(persist), ['kept']);
    });
  });
});

describe('JWT_REPLAY=reject', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...base,
      RATE_LIMIT_IP: '3/1h',
      JWT_REPLAY: 'reject',
      ROUTES: JSON.stringify([
        { path: '/' },
        { path: '/strict', required_scopes: 'chat' },
        { path: '/free', jwt_replay: 'allow' },
        { path: '/optional', auth: 'optional' },
      ]),
    },
  });
  const knock = (claims, { address = freshAddress(), target = '/', headers } = {}) =>
    gate.knock(withToken(claims, { 'CF-Connecting-IP': address, ...headers }), { target });
  const cause = async (answer) => (await gate.log.record(requestId(answer))).cause;

  test('a second use is refused, and the log says why', async () => {
    const jti = freshId();
    assert.equal(reasonOf(await knock({ jti })), 'admitted');
    const second = await knock({ jti });
    assertRefused(second, 'token_invalid');
    assert.equal(await cause(second), 'the jti was admitted before');
  });
  test('another token with the id is refused too, one of another issuer is not', async () => {
    const jti = freshId();
    assert.equal(reasonOf(await knock({ jti, iss: 'a' })), 'admitted');
    assert.equal(reasonOf(await knock({ jti, iss: 'a', sub: 'bob' })), 'token_invalid');
    assert.equal(reasonOf(await knock({ jti, iss: 'b' })), 'admitted');
  });
  for (const [name, jti, why] of [
    ['none', undefined, 'jti is missing'],
    ['a number', 7, 'jti is not a string'],
    ['an empty one', '', 'jti is empty'],
    ['a long one', 'x'.repeat(257), 'jti is longer than 256 bytes'],
  ]) {
    test(`a token with ${name} for a jti is refused, for a ticket too`, async () => {
      const answer = await knock({ jti });
      assertRefused(answer, 'token_invalid');
      assert.equal(await cause(answer), why);
      const asked = await ask(gate, { headers: withToken({ jti }) });
      assert.equal(reasonOf(asked), 'token_invalid');
    });
  }
  test('what is refused before uses nothing up', async () => {
    const jti = freshId();
    const address = freshAddress();
    for (const reason of ['admitted', 'admitted', 'admitted']) {
      assert.equal(reasonOf(await knock({ jti: freshId() }, { address })), reason);
    }
    for (const [reason, more] of [
      ['rate_limited', { address }],
      ['origin_not_allowed', { headers: { Origin: 'https://evil.example' } }],
      ['bad_handshake', { headers: { 'Sec-WebSocket-Key': 'x' } }],
      ['insufficient_scope', { target: '/strict' }],
      ['no_route', { target: '/none' }],
      ['admitted', {}],
    ]) {
      assert.equal(reasonOf(await knock({ jti }, more)), reason);
    }
  });
  test('a route may allow it, and no token has no id', async () => {
    const jti = freshId();
    for (let at = 0; at < 2; at += 1) {
      assert.equal(reasonOf(await knock({ jti }, { target: '/free' })), 'admitted');
    }
    assert.equal(reasonOf(await gate.knock({}, { target: '/optional' })), 'admitted');
  });
  test('a token that never ends is remembered', async () => {
    const claims = { jti: freshId(), exp: 1e300 };
    assert.equal(reasonOf(await knock(claims)), 'admitted');
    assert.equal(reasonOf(await knock(claims)), 'token_invalid');
  });
});

const TIMEOUT = 1000;
const failures = [
  ['never answers', 'hang', /^timed out$/],
  ['throws', 'throw', /thrown on purpose/],
  ['aborts itself', 'abort', /aborted on purpose/],
  ['answers nonsense', 'maybe', /its answer can't be read/],
  ['answers what was not asked', 'given\n{"secret":1}', /^[^{]*given\(redacted\)$/i],
];
const unavailable = { headers: { 'retry-after': '1' } };

for (const policy of ['reject', 'admit']) {
  describe(`ON_REGISTRY_FAILURE=${policy}, an object that`, () => {
    const upstream = useUpstream();
    const vars = {
      ...base,
      JWT_REPLAY: 'reject',
      ON_REGISTRY_FAILURE: policy,
      LIMITER_TIMEOUT: `${TIMEOUT}ms`,
      ROUTES: JSON.stringify([{ path: '/' }, { path: '/free', jwt_replay: 'allow' }]),
    };
    const gate = useGate({ upstream, vars, ...withOneTime('Double') });
    const cors = readable(ORIGIN);

    for (const [name, behaviour, cause] of failures) {
      test(name, async () => {
        const jti = freshId();
        const address = freshAddress();
        const path = { query: '?path=/free' };
        const ticket = await obtain(gate, address, path);
        await plan(gate, { '*': behaviour });

        const key = freshKey();
        const replay = await gate.knock(withToken({ jti }, { 'Sec-WebSocket-Key': key }));
        const record = await gate.log.record(requestId(replay));
        if (policy === 'admit') {
          assertAdmitted(replay, key);
          assert.match(record.cause, /^admitted uncounted: /);
        } else {
          assertRefused(replay, 'limiter_unavailable', unavailable);
        }
        const counter = /^(admitted uncounted: )?the object of the jti: /;
        assert.match(record.cause, counter);
        assert.match(record.cause.replace(counter, ''), cause);

        // Without an answer nobody knows whose ticket it is, whatever the policy.
        const used = await use(gate, ticket, address, { target: '/free' });
        if (behaviour.startsWith('given')) assertRefused(used, 'token_invalid');
        else assertRefused(used, 'limiter_unavailable', unavailable);
        const asked = await ask(gate, path);
        assertRefused(asked, 'limiter_unavailable', {
          headers: { ...unavailable.headers, ...cors },
        });
        await plan(gate, { '*': 'real' });
        assert.doesNotMatch(`${gate.log}`, /secret/);
      });
    }
  });
}

describe('the object', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: base, ...withOneTime('Double') });
  const count = async () => Object.values(await calls(gate)).flat().length;

  test('is not asked about a malformed ticket, nor of a token without JWT_REPLAY', async () => {
    for (const ticket of ['', 'x', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}B`, '%00']) {
      assertRefused(await use(gate, ticket, freshAddress()), 'token_invalid');
    }
    assert.equal(reasonOf(await gate.knock(withToken({ jti: freshId() }))), 'admitted');
    assert.equal(await count(), 0);
  });
  test('is asked under a name that tells no ticket', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    await use(gate, ticket, address);
    const asked = await calls(gate);
    assert.deepEqual(
      Object.values(asked).map((paths) => paths.length),
      [2],
    );
    assert.match(Object.keys(asked)[0], /^ticket [0-9a-f]{64}$/);
    assert.doesNotMatch(JSON.stringify(asked), new RegExp(ticket));
  });
  test('can be evicted between', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    const name = Object.keys(await calls(gate)).at(-1);
    await gate.miniflare.unsafeEvictDurableObject('gate', 'OneTime', { name });
    assert.equal(reasonOf(await use(gate, ticket, address)), 'admitted');
    await gate.miniflare.unsafeEvictDurableObject('gate', 'OneTime', { name });
    assert.equal(reasonOf(await use(gate, ticket, address)), 'token_invalid');
  });
});
