// The quota per user: across addresses and isolates, together with the one per address.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAdmitted, assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import {
  fresh,
  freshAddress,
  freshKey,
  from,
  repeat,
  UNCOUNTED,
  useGate,
} from '../../support/gate.mjs';
import { calls, ofAddress, ofUser, plan, withLedger } from '../../support/ledgers.mjs';
import { obtain, use } from '../../support/tickets.mjs';
import { REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const freshUser = () => fresh('user');
/** Headers of an upgrade of this user from an address; a new one each time unless given. */
const as = (sub, more) => withToken({ sub }, more);
const asked = async (gate, name) => (await calls(gate, name)).map((path) => path.split('/')[1]);
/** Waits until the double was asked as often as that. */
const untilAsked = (gate, name, count) =>
  until(
    () => asked(gate, name),
    ({ length }) => length >= count,
  );

describe('a quota per user', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...REQUIRED, RATE_LIMIT_USER: '3/1h' } });

  test('holds across addresses, and for no other user', async () => {
    const user = freshUser();
    await repeat(3, async () => assert.equal(reasonOf(await gate.knock(as(user))), 'admitted'));
    const refused = await gate.knock(as(user));
    const wait = new Map(refused.headers).get('retry-after');
    assert.ok(Number(wait) > 3500, wait);
    assertRefused(refused, 'rate_limited', {
      title: 'Too many connections of this user.',
      headers: {
        'retry-after': wait,
        ratelimit: `"user";r=0;t=${wait}`,
        'ratelimit-policy': '"user";q=3;w=3600',
      },
    });
    assert.equal(reasonOf(await gate.knock(as(freshUser()))), 'admitted');
  });
  test('counts a subject within its issuer', async () => {
    const sub = freshUser();
    const of = (claims) => gate.knock(withToken({ sub, ...claims }));
    await repeat(3, () => of({ iss: 'https://one.example' }));
    assert.equal(reasonOf(await of({ iss: 'https://one.example' })), 'rate_limited');
    assert.equal(reasonOf(await of({ iss: 'https://two.example' })), 'admitted');
    assert.equal(reasonOf(await of({})), 'admitted');
  });
  test('counts no refused upgrades', async () => {
    const user = freshUser();
    await repeat(4, () => gate.knock(as(user, { Origin: 'https://evil.example' })));
    await repeat(3, async () => assert.equal(reasonOf(await gate.knock(as(user))), 'admitted'));
  });
  test('counts users of tickets', async () => {
    const user = freshUser();
    const address = freshAddress();
    const tickets = [];
    await repeat(4, async () => tickets.push(await obtain(gate, address, { headers: as(user) })));
    const seen = [];
    for (const ticket of tickets) seen.push(reasonOf(await use(gate, ticket, address)));
    assert.deepEqual(seen, ['admitted', 'admitted', 'admitted', 'rate_limited']);
    assert.equal(reasonOf(await gate.knock(as(user))), 'rate_limited');
  });
  test('refuses a token that names nobody', async () => {
    const answer = await gate.knock(as(undefined));
    assertRefused(answer, 'token_invalid');
    const { cause, stage } = await gate.log.record(requestId(answer));
    assert.deepEqual(
      [cause, stage],
      ['the token names no subject, by which users are counted', 'token'],
    );
  });
});

describe('a quota per user where tokens are optional', () => {
  const upstream = useUpstream();
  const vars = { ...REQUIRED, AUTH: 'optional', RATE_LIMIT_USER: '1/1h', RATE_LIMIT_IP: '3/1h' };
  const gate = useGate({ upstream, vars });
  test('counts anonymous clients by their address alone', async () => {
    const address = from(freshAddress());
    await repeat(3, async () => assert.equal(reasonOf(await gate.knock(address)), 'admitted'));
    assert.equal(reasonOf(await gate.knock(address)), 'rate_limited');
    const user = freshUser();
    assert.equal(reasonOf(await gate.knock(as(user))), 'admitted');
    assert.equal(reasonOf(await gate.knock(as(user))), 'rate_limited');
  });
});

describe('a quota per user, of a crowd in two isolates', () => {
  const upstream = useUpstream();
  // Without the hundreds of objects that addresses would take.
  const vars = {
    ...REQUIRED,
    RATE_LIMIT_USER: '7/1h',
    ...UNCOUNTED,
    LIMITER_TIMEOUT: '60s',
  };
  const gate = useGate({ upstream, vars, twin: true });
  test('admits exactly its count from hundreds of addresses at once', async () => {
    const user = freshUser();
    const crowd = Array.from({ length: 300 }, (_, at) =>
      gate.knock(as(user), { to: gate.both[at % 2] }),
    );
    const seen = (await Promise.all(crowd)).map(reasonOf);
    assert.equal(seen.filter((reason) => reason === 'admitted').length, 7);
    assert.ok(seen.every((reason) => ['admitted', 'rate_limited'].includes(reason)));
  });
});

describe('both quotas', () => {
  const upstream = useUpstream();
  const vars = { ...REQUIRED, RATE_LIMIT_IP: '2/1h', RATE_LIMIT_USER: '4/1h' };
  const gate = useGate({ upstream, vars, ...withLedger('Double') });
  const policyOf = (answer) => new Map(answer.headers).get('ratelimit-policy');

  test('the address decides first, and takes nothing of the user', async () => {
    const user = freshUser();
    const [address, name] = [freshAddress(), ofUser(user)];
    await repeat(2, () => gate.knock(as(user, from(address))));
    // This isolate knows it; another would ask: as if it was one, the ledger alone says so.
    await repeat(3, async () => {
      const other = freshAddress();
      await plan(gate, { [ofAddress(other)]: 'limited 60000' });
      const refused = await gate.knock(as(user, from(other)));
      assert.equal(policyOf(refused), '"ip";q=2;w=3600');
    });
    const seen = await untilAsked(gate, name, 8);
    const count = (ask) => seen.filter((one) => one === ask).length;
    assert.deepEqual([count('admit'), count('give-back')], [5, 3]);
    const fresh = () => gate.knock(as(user));
    assert.deepEqual([reasonOf(await fresh()), reasonOf(await fresh())], ['admitted', 'admitted']);
    assert.equal(policyOf(await fresh()), '"user";q=4;w=3600');
  });
  test('a refusal by the address does not wait for the user’s', async () => {
    const user = freshUser();
    const address = freshAddress();
    await plan(gate, { [ofUser(user)]: 'hang', [ofAddress(address)]: 'limited 60000' });
    assert.equal(reasonOf(await gate.knock(as(user, from(address)))), 'rate_limited');
  });
  test('a user that is refused still counts an attempt of the address', async () => {
    const user = freshUser();
    const address = freshAddress();
    await repeat(4, () => gate.knock(as(user)));
    await repeat(2, async () => {
      const refused = await gate.knock(as(user, from(address)));
      assert.equal(policyOf(refused), '"user";q=4;w=3600');
    });
    await untilAsked(gate, ofAddress(address), 2);
    const refused = await gate.knock(as(freshUser(), from(address)));
    assert.equal(policyOf(refused), '"ip";q=2;w=3600');
  });
  test('a known wait of a user costs no call, and the attempt is counted after the response', async () => {
    const user = freshUser();
    const address = freshAddress();
    await plan(gate, { [ofUser(user)]: 'limited 60000' });
    await gate.knock(as(user));
    const answer = await gate.knock(as(user, from(address)));
    const { stage, cause } = await gate.log.record(requestId(answer));
    assert.deepEqual([stage, cause], ['known', 'known in this isolate']);
    assert.deepEqual(await asked(gate, ofUser(user)), ['admit']);
    assert.deepEqual(await untilAsked(gate, ofAddress(address), 1), ['count.1.0']);
  });
});

describe('a jti that was used before', () => {
  const upstream = useUpstream();
  const vars = {
    ...REQUIRED,
    JWT_REPLAY: 'reject',
    RATE_LIMIT_USER: '2/1h',
    BAN_AFTER: '9/1h for 1h',
  };
  const gate = useGate({ upstream, vars, ...withLedger('Double') });
  test('takes nothing of its user, and does not count towards a ban', async () => {
    const user = freshUser();
    const address = freshAddress();
    const used = withToken({ sub: user, jti: 'used' }, from(address));
    assert.equal(reasonOf(await gate.knock(used)), 'admitted');
    assert.equal(reasonOf(await gate.knock(used)), 'token_invalid');
    const admitted = ['admit', 'admit'];
    assert.deepEqual(await untilAsked(gate, ofUser(user), 3), [...admitted, 'give-back']);
    assert.deepEqual(await asked(gate, ofAddress(address)), admitted);
  });
});

for (const [policy, assertAnswered] of [
  [
    'reject',
    (answer) => assertRefused(answer, 'limiter_unavailable', { headers: { 'retry-after': '1' } }),
  ],
  ['admit', assertAdmitted],
]) {
  describe(`ON_LIMITER_FAILURE=${policy}, and the user's ledger`, () => {
    const upstream = useUpstream();
    const vars = {
      ...REQUIRED,
      RATE_LIMIT_USER: '5/1h',
      ON_LIMITER_FAILURE: policy,
      LIMITER_TIMEOUT: '400ms',
    };
    const gate = useGate({ upstream, vars, ...withLedger('Double') });
    for (const [behaviour, cause] of [
      ['hang', /the user's ledger: timed out$/],
      ['throw', /the user's ledger: .*thrown on purpose/],
      ['maybe 1', /the user's ledger: it answered "maybe 1"$/],
    ]) {
      test(`that does ${behaviour} is named in the record`, async () => {
        const user = freshUser();
        await plan(gate, { [ofUser(user)]: behaviour });
        const key = freshKey();
        const answer = await gate.knock(as(user, { 'Sec-WebSocket-Key': key }));
        assertAnswered(answer, key);
        const record = await gate.log.record(requestId(answer));
        assert.match(record.cause, cause);
        assert.equal(record.cause.startsWith('admitted uncounted: '), policy === 'admit');
      });
    }
    test('both that fail are both named, where that admits', async () => {
      const user = freshUser();
      const address = freshAddress();
      await plan(gate, { [ofUser(user)]: 'throw', [ofAddress(address)]: 'throw' });
      const answer = await gate.knock(as(user, from(address)));
      const { cause } = await gate.log.record(requestId(answer));
      assert.match(cause, /the address's ledger/);
      assert.equal(/the user's ledger/.test(cause), policy === 'admit');
    });
  });
}
