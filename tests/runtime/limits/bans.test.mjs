// BAN_AFTER: refused attempts ban their address, in every isolate, and the ban ends.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import {
  freshAddress,
  freshKey,
  from as fromAddress,
  repeat,
  useGate,
} from '../../support/gate.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { calls, ofAddress, plan, withLedger } from '../../support/ledgers.mjs';
import { ask, obtain, use } from '../../support/tickets.mjs';
import { bearer, mint, REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const from = (address, more) => withToken({}, fromAddress(address, more));
const FORGED = { Authorization: 'Bearer x' };

/** A failure is counted after the response. */
const untilBanned = (knock) => until(knock, (answer) => reasonOf(answer) === 'banned');

describe('a ban', () => {
  const upstream = useUpstream();
  const vars = {
    ...REQUIRED,
    BAN_AFTER: '3/1h for 1h',
    RATE_LIMIT_IP: '1000/1h',
    KEY_REPLAY_WINDOW: '1h',
  };
  const gate = useGate({ upstream, vars, twin: true });

  const token = mint({ sub: 'bob', scope: 'other' });
  for (const [name, bad, reason] of [
    ['a wrong token', () => FORGED, 'token_invalid'],
    ['a malformed handshake', () => ({ 'Sec-WebSocket-Key': 'x' }), 'bad_handshake'],
    ['two tokens', () => ({ 'Sec-WebSocket-Protocol': `bearer, ${token}` }), 'ambiguous_token'],
  ]) {
    test(`follows three attempts with ${name}, in both isolates`, async () => {
      const address = freshAddress();
      await repeat(3, async (at) => {
        const refused = await gate.knock(from(address, bad()), { to: gate.both[at % 2] });
        assert.equal(reasonOf(refused), reason);
      });
      for (const to of gate.both) {
        assertRefused(await untilBanned(() => gate.knock(from(address), { to })), 'banned');
      }
      assert.equal(reasonOf(await gate.knock(from(freshAddress()))), 'admitted');
    });
  }
  test('follows no replayed keys', async () => {
    const used = from(freshAddress(), { 'Sec-WebSocket-Key': freshKey() });
    const seen = [];
    await repeat(6, async () => seen.push(reasonOf(await gate.knock(used))));
    assert.deepEqual(seen, ['admitted', ...Array(5).fill('replayed_key')]);
  });
  test('follows no tickets that are spent', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    assert.equal(reasonOf(await use(gate, ticket, address)), 'admitted');
    await repeat(5, async () => {
      assert.equal(reasonOf(await use(gate, ticket, address)), 'token_invalid');
    });
    assert.equal(reasonOf(await gate.knock(from(address))), 'admitted');
  });
  for (const [name, bad, reason] of [
    ['a wrong origin', { Origin: 'https://evil.example' }, 'origin_not_allowed'],
    ['no token', { Authorization: null }, 'token_missing'],
    ['an expired token', bearer(mint({ exp: 1 })), 'token_expired'],
  ]) {
    test(`follows no attempts with ${name}, which honest clients make too`, async () => {
      const address = freshAddress();
      await repeat(5, async () => {
        assert.equal(reasonOf(await gate.knock(from(address, bad))), reason);
      });
      assert.equal(reasonOf(await gate.knock(from(address))), 'admitted');
    });
  }
  test('follows no attempts that are good, or on no route', async () => {
    const address = freshAddress();
    await repeat(4, () => gate.knock(from(address), { target: '/_portcullis/x' }));
    await repeat(4, async () => {
      assert.equal(reasonOf(await gate.knock(from(address))), 'admitted');
    });
  });
  test('holds at the endpoint of tickets, and survives the eviction of its object', async () => {
    const address = freshAddress();
    await repeat(3, () => gate.knock(from(address, FORGED)));
    await untilBanned(() => gate.knock(from(address)));
    await gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', { name: ofAddress(address) });
    const [, second] = gate.both;
    assert.equal(reasonOf(await gate.knock(from(address), { to: second })), 'banned');
    const answer = await ask(gate, { headers: from(address) });
    assert.equal(reasonOf(answer), 'banned');
  });
});

describe('a short ban', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...REQUIRED, BAN_AFTER: '2/2s for 2s' } });
  test('ends', async () => {
    const address = freshAddress();
    await repeat(2, () => gate.knock(from(address, FORGED)));
    await untilBanned(() => gate.knock(from(address)));
    await passing(2000);
    assert.equal(reasonOf(await gate.knock(from(address))), 'admitted');
  });
});

describe('an address that is known to be banned', () => {
  const upstream = useUpstream();
  const vars = { ...REQUIRED, BAN_AFTER: '2/1h for 1h' };
  const gate = useGate({ upstream, vars, ...withLedger('Double') });
  test('asks nobody', async () => {
    const address = freshAddress();
    await plan(gate, { [ofAddress(address)]: 'banned 4000' });
    assert.equal(reasonOf(await gate.knock(from(address))), 'banned');
    const answer = await gate.knock(from(address));
    const { stage, cause } = await gate.log.record(requestId(answer));
    assert.deepEqual([stage, cause], ['known', 'known in this isolate']);
    await gate.knock(from(address, FORGED));
    assert.equal((await calls(gate, ofAddress(address))).length, 1);
  });
});

describe('a provider that is down', () => {
  const vars = {
    AUTH: 'required',
    JWT_JWKS_URL: 'https://127.0.0.1:9/jwks',
    JWT_AUDIENCE: 'any',
    BAN_AFTER: '2/1h for 1h',
    KEY_REPLAY_WINDOW: 'off',
    UPSTREAM_URL: 'ws://127.0.0.1:9',
  };
  const gate = useGate({ vars, ...withLedger('Double') });
  test('bans nobody', async () => {
    const address = freshAddress();
    await repeat(4, async () => {
      const token = await sign(makeKey('EdDSA', 'new'));
      const answer = await gate.knock(from(address, { Authorization: `Bearer ${token}` }));
      assert.equal(reasonOf(answer), 'provider_unavailable');
    });
    const paths = await until(
      () => calls(gate, ofAddress(address)),
      ({ length }) => length >= 4,
    );
    assert.ok(
      paths.every((path) => /^\/(?:admit|count\.1\.0)\//.test(path)),
      `${paths}`,
    );
  });
});
