// A registry that is slow, throws or is gone, under both policies: for upgrades, for refreshes, for
// administrators, and for sockets that live already.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { administer, done, echoes, live, WATCHED } from '../../support/admin.mjs';
import {
  assertAdmitted,
  assertRefused,
  readable,
  reasonOf,
  requestId,
} from '../../support/answers.mjs';
import { freshAddress, freshKey, ORIGIN, useGate } from '../../support/gate.mjs';
import { calls, plan, registryOf, withRegistry } from '../../support/ledgers.mjs';
import { mint, now } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const TIMEOUT = 400;
const UNLOOKED = 'admitted without a look into the registry: ';
const REVOKED = [4401, 'revoked'];
const DISCONNECTED = [4403, 'disconnected'];

const vars = (policy) => ({
  ...WATCHED,
  CLOSE_ON_EXPIRY: 'true',
  ON_REGISTRY_FAILURE: policy,
  LIMITER_TIMEOUT: `${TIMEOUT}ms`,
  ROUTES: JSON.stringify([
    { path: '/*' },
    { path: '/native', relay: 'passthrough', close_on_expiry: 'false' },
  ]),
});

const failures = [
  ['never answers', 'hang', /^timed out$/],
  ['stalls with nothing left to do', 'stall', /hung|timed out|canceled|internal error/i],
  ['throws', 'throw', /thrown on purpose/],
  ['aborts itself', 'abort', /aborted on purpose/],
  ['answers with a status alone', 'status 500', /status 500/],
  ['answers what it should not', 'maybe 1', /it answered maybe 1|response can't be read/],
];

let subjects = 0;
const freshSubject = () => `subject-${(subjects += 1)}`;
const query = (sub) => `sockets?${new URLSearchParams({ sub })}`;
/** Once the registry is there again: all of these sockets that it knows of, so many at least. */
async function untilListed(gate, sub, least = 1) {
  for (;;) {
    const answer = await administer(gate, 'GET', query(sub));
    // An object that has aborted itself may do so once more.
    if (answer.status !== 200) continue;
    const { sockets } = JSON.parse(answer.body);
    if (sockets.length >= least) return sockets;
  }
}

function refresh(gate, claims) {
  const headers = {
    Host: 'gate.example',
    Origin: ORIGIN,
    'CF-Connecting-IP': freshAddress(),
    'Content-Length': '0',
    Authorization: `Bearer ${mint({ sid: 'one', ...claims })}`,
  };
  const target = '/_portcullis/refresh';
  return gate.send({ method: 'POST', target, headers: Object.entries(headers) });
}

for (const [policy, assertAnswered] of [
  [
    'reject',
    (answer) => assertRefused(answer, 'limiter_unavailable', { headers: { 'retry-after': '1' } }),
  ],
  ['admit', assertAdmitted],
]) {
  const check = async (gate, target, cause) => {
    const key = freshKey();
    const headers = { Authorization: `Bearer ${mint()}`, 'Sec-WebSocket-Key': key };
    const answer = await gate.knock(headers, { target });
    assertAnswered(answer, key);
    const record = await gate.log.record(requestId(answer));
    assert.match(record.cause.replace(UNLOOKED, ''), cause);
    assert.equal(record.cause.startsWith(UNLOOKED), policy === 'admit');
    assert.deepEqual(
      [record.outcome, record.stage],
      policy === 'admit' ? ['admitted', 'forward'] : ['refused', 'registry'],
    );
  };

  describe(`ON_REGISTRY_FAILURE=${policy}`, () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars: vars(policy), ...withRegistry('Double') });

    for (const [name, behaviour, cause] of failures) {
      test(`an upgrade, with a registry that ${name}`, async () => {
        await plan(gate, { '*': behaviour });
        await check(gate, '/', cause);
        await check(gate, '/native', behaviour === 'maybe 1' ? /response can't be read/ : cause);
      });
      test(`a refresh and an administrator, with a registry that ${name}`, async () => {
        await plan(gate, { '*': behaviour });
        // Nothing was prolonged, so that no policy can say it was.
        assertRefused(await refresh(gate), 'limiter_unavailable', {
          headers: { 'retry-after': '1', ...readable(ORIGIN) },
        });
        for (const [method, path, body] of [
          ['GET', 'sockets'],
          ['DELETE', 'sockets?sub=a'],
          ['PUT', 'bans/a'],
          ['DELETE', 'bans/a'],
          ['PUT', 'revocations', { sub: 'a' }],
        ]) {
          const answer = await administer(gate, method, path, { body });
          assert.equal(answer.status, 503, `${method} ${path}`);
          assert.match(JSON.parse(answer.body).detail, /^object 0: /);
        }
      });
    }

    test('a registry that comes back is asked again', async () => {
      const sub = freshSubject();
      await plan(gate, { '*': 'abort' });
      await gate.knock({ Authorization: `Bearer ${mint({ sub })}` });
      await plan(gate, { '*': 'real' });
      const socket = await live(gate, { sub });
      await done(gate, 'DELETE', query(sub));
      assert.deepEqual(await socket.closed, DISCONNECTED);
    });

    test('an object that comes too late keeps no socket that nobody has', async () => {
      const sub = freshSubject();
      const name = registryOf(sub);
      await plan(gate, { '*': 'real', [name]: 'late' });
      const socket = await gate.connect({ headers: { Authorization: `Bearer ${mint({ sub })}` } });
      await plan(gate, { [name]: 'real' });
      while (!(await calls(gate, name)).includes('late'));
      const ids = socket.answer ? [requestId({ headers: socket.answer })] : [];
      assert.equal(ids.length, policy === 'admit' ? 1 : 0);
      const listed = async () => (await done(gate, 'GET', query(sub))).sockets.map(({ id }) => id);
      while (!isDeepStrictEqual(await listed(), ids));
      assert.deepEqual(await done(gate, 'DELETE', query(sub)), { disconnected: ids.length });
    });

    for (const behaviour of ['throw', 'abort']) {
      test(`a live socket outlasts an object that is away for a moment (${behaviour})`, async () => {
        const sub = freshSubject();
        const name = registryOf(sub);
        await plan(gate, { '*': 'real', [name]: 'real' });
        const socket = await live(gate, { sub });
        const before = (await calls(gate, name)).length;
        await plan(gate, { [name]: behaviour });
        await gate.miniflare.unsafeEvictDurableObject('gate', 'Registry', {
          name,
          webSockets: 'close',
        });
        while ((await calls(gate, name)).length < before + 2);
        await plan(gate, { [name]: 'real' });
        await untilListed(gate, sub);
        assert.ok(await echoes(socket));
        assert.deepEqual(await done(gate, 'DELETE', query(sub)), { disconnected: 1 });
        assert.deepEqual(await socket.closed, DISCONNECTED);
      });
    }
  });

  describe(`ON_REGISTRY_FAILURE=${policy}, a registry that can’t be built`, () => {
    const upstream = useUpstream();
    const gate = useGate({ upstream, vars: vars(policy), ...withRegistry('Unbuilt') });
    for (const target of ['/', '/native']) {
      test(`is answered on ${target}`, () => check(gate, target, /not built on purpose/));
    }
  });
}

describe('who was admitted without a look into the registry', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: vars('admit'), ...withRegistry('Double') });

  for (const [name, behaviour] of failures) {
    test(`is governed once it is there again, which ${name}`, async () => {
      const sub = freshSubject();
      await plan(gate, { '*': behaviour });
      const socket = await live(gate, { sub });
      await plan(gate, { '*': 'real' });
      const sockets = await untilListed(gate, sub);
      assert.deepEqual(
        sockets.map(({ id }) => id),
        [requestId({ headers: socket.answer })],
      );
      assert.ok(await echoes(socket));
      assert.deepEqual(await done(gate, 'DELETE', query(sub)), { disconnected: 1 });
      assert.deepEqual(await socket.closed, DISCONNECTED);
    });
  }

  for (const [name, act, end] of [
    ['revoked', (sub) => done(gate, 'PUT', 'revocations', { body: { sub } }), REVOKED],
    ['banned', (sub) => done(gate, 'PUT', `bans/${sub}`), DISCONNECTED],
  ]) {
    test(`ends then if it was ${name} before`, async () => {
      const sub = freshSubject();
      const claims = { sub, iat: now() - 10 };
      await plan(gate, { '*': 'real' });
      await act(sub);
      await plan(gate, { '*': 'throw' });
      const socket = await live(gate, claims);
      assert.ok(await echoes(socket));
      await plan(gate, { '*': 'real' });
      assert.deepEqual(await socket.closed, end);
      const knock = await gate.knock({ Authorization: `Bearer ${mint(claims)}` });
      assert.equal(reasonOf(knock), name);
    });
  }
});

describe('live sockets whose object is out of reach for long', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    // Of an object that can't be reached for 45 s nobody waits so long for an answer.
    vars: {
      ...WATCHED,
      LIMITER_TIMEOUT: '30s',
      ROUTES: JSON.stringify([{ path: '/*' }, { path: '/admit', on_registry_failure: 'admit' }]),
    },
    ...withRegistry('Double'),
  });

  test('end under reject, and live on under admit until they are governed again', async () => {
    const sub = freshSubject();
    const name = registryOf(sub);
    const ending = await live(gate, { sub });
    const staying = await live(gate, { sub }, { target: '/admit' });
    const before = (await calls(gate, name)).length;
    await plan(gate, { [name]: 'hang' });
    await gate.miniflare.unsafeEvictDurableObject('gate', 'Registry', {
      name,
      webSockets: 'close',
    });
    assert.deepEqual(await ending.closed, [1013, 'limiter_unavailable']);
    const { reason, cause, code } = await gate.log.closed(requestId({ headers: ending.answer }));
    assert.deepEqual(
      { reason, cause, code },
      {
        reason: 'limiter_unavailable',
        cause: 'its object was out of reach for 45 s',
        code: 1013,
      },
    );
    // Both tried again and again, not once for as long as an upgrade may wait.
    const tries = (await calls(gate, name)).length - before;
    assert.ok(tries >= 8, `${tries} tries`);
    assert.ok(await echoes(staying));
    await plan(gate, { [name]: 'real' });
    await untilListed(gate, sub);
    assert.deepEqual(await done(gate, 'DELETE', query(sub)), { disconnected: 1 });
    assert.deepEqual(await staying.closed, DISCONNECTED);
  });
});
