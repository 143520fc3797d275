// What an administrator says reaches all objects of the registry, or the answer says that it did
// not: what some of them stored stays, and repeating it is safe.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { administer, done, echoes, live, WATCHED } from '../../support/admin.mjs';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { freshAddress, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { plan, registryOf, withRegistry } from '../../support/ledgers.mjs';
import { mint, now } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const REVOKED = [4401, 'revoked'];
const DISCONNECTED = [4403, 'disconnected'];

let names = 0;
const fresh = (kind) => `${kind}-${(names += 1)}`;
/** Claims of a subject whose sockets this object keeps, or one of the others. */
function kept(iss, fits) {
  let sub;
  do sub = fresh('sub');
  while (!fits(registryOf(sub, iss)));
  return { iss, sub, iat: now() - 10 };
}

/** The object that fails, how, and whether it does what it is asked all the same. */
const failures = [
  ['0', 'throw', false],
  ['7', 'throw', false],
  ['15', 'throw', false],
  ['0', 'mute', true],
  ['7', 'mute', true],
];

describe('a word of which one object', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED, ...withRegistry('Double') });
  const knock = async (claims, from = freshAddress()) => {
    const headers = { Authorization: `Bearer ${mint(claims)}`, 'CF-Connecting-IP': from };
    return reasonOf(await gate.knock(headers));
  };

  /** Says it while that object fails. */
  async function saidInPart(shard, behaviour, ...request) {
    await plan(gate, { [shard]: behaviour });
    const answer = await administer(gate, ...request);
    const { title, status, reason, detail } = JSON.parse(answer.body);
    assert.deepEqual(
      { title, status, reason, detail },
      {
        title: 'Not done everywhere. It is safe to repeat.',
        status: 503,
        reason: 'limiter_unavailable',
        detail: `object ${shard}: ${behaviour === 'mute' ? 'muted' : 'thrown'} on purpose`,
      },
    );
    assert.equal(answer.status, 503);
    assert.deepEqual(values(answer.headers, 'retry-after'), ['1']);
    const { outcome, cause } = await gate.log.record(requestId(answer));
    assert.deepEqual({ outcome, cause }, { outcome: 'refused', cause: detail });
    await plan(gate, { [shard]: 'real' });
  }

  for (const [shard, behaviour, isDone] of failures) {
    const name = `${shard} ${isDone ? 'is not heard to have done it' : 'does not hear'}`;

    test(`${name}: a revocation`, async () => {
      const iss = fresh('https://id');
      const here = kept(iss, (other) => other === shard);
      const there = kept(iss, (other) => other !== shard);
      const [near, far] = [await live(gate, here), await live(gate, there)];
      const request = ['PUT', 'revocations', { body: { iss, before: now() - 1 } }];
      await saidInPart(shard, behaviour, ...request);
      assert.deepEqual(await far.closed, REVOKED);
      assert.equal(await knock(there), 'revoked');
      if (!isDone) assert.ok(await echoes(near));
      const { disconnected } = await done(gate, ...request);
      assert.equal(disconnected, isDone ? 0 : 1);
      assert.deepEqual(await near.closed, REVOKED);
      for (const who of [here, there]) assert.equal(await knock(who), 'revoked');
    });

    test(`${name}: a ban, and its lifting`, async () => {
      const iss = fresh('https://id');
      const address = freshAddress();
      const from = { headers: { 'CF-Connecting-IP': address } };
      const here = kept(iss, (other) => other === shard);
      const there = kept(iss, (other) => other !== shard);
      const [near, far] = [await live(gate, here, from), await live(gate, there, from)];
      await saidInPart(shard, behaviour, 'PUT', `bans/${address}`);
      // The first one says when a ban was spoken: without it none can.
      const reached = shard !== '0';
      if (reached) assert.deepEqual(await far.closed, DISCONNECTED);
      else assert.ok(await echoes(far));
      assert.equal(await knock(there, address), reached ? 'banned' : 'admitted');
      await done(gate, 'PUT', `bans/${address}`);
      for (const { closed } of [near, far]) assert.deepEqual(await closed, DISCONNECTED);
      for (const who of [here, there]) assert.equal(await knock(who, address), 'banned');

      await saidInPart(shard, behaviour, 'DELETE', `bans/${address}`);
      assert.equal(await knock(there, address), reached ? 'admitted' : 'banned');
      assert.equal(await knock(here, address), isDone ? 'admitted' : 'banned');
      await done(gate, 'DELETE', `bans/${address}`);
      for (const who of [here, there]) assert.equal(await knock(who, address), 'admitted');
    });

    test(`${name}: a disconnection`, async () => {
      const iss = fresh('https://id');
      const address = freshAddress();
      const from = { headers: { 'CF-Connecting-IP': address } };
      const near = await live(
        gate,
        kept(iss, (other) => other === shard),
        from,
      );
      const far = await live(
        gate,
        kept(iss, (other) => other !== shard),
        from,
      );
      const request = ['DELETE', `sockets?ip=${address}`];
      await saidInPart(shard, behaviour, ...request);
      assert.deepEqual(await far.closed, DISCONNECTED);
      if (!isDone) assert.ok(await echoes(near));
      assert.deepEqual(await done(gate, ...request), { disconnected: isDone ? 0 : 1 });
      assert.deepEqual(await near.closed, DISCONNECTED);
    });
  }

  test('and another does not hear names both', async () => {
    await plan(gate, { 3: 'throw', 11: 'status 500' });
    const answer = await administer(gate, 'PUT', 'revocations', { body: { jti: fresh('jti') } });
    const { detail } = JSON.parse(answer.body);
    assert.equal(detail, 'object 3: thrown on purpose; object 11: status 500');
    await plan(gate, { 3: 'real', 11: 'real' });
  });

  test('does not hear is no list', async () => {
    await plan(gate, { 3: 'throw' });
    const answer = await administer(gate, 'GET', 'sockets');
    assert.equal(answer.status, 503);
    assert.equal(JSON.parse(answer.body).detail, 'object 3: thrown on purpose');
    await plan(gate, { 3: 'real' });
  });
});
