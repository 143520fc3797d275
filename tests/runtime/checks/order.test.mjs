// The order of checks (docs/journey.md): where two would refuse, the earlier one decides; and an
// attempt counts from the moment when its token is looked at.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, reasonOf } from '../../support/answers.mjs';
import { freshAddress, freshKey, repeat, useGate } from '../../support/gate.mjs';
import { plan, withLedger } from '../../support/ledgers.mjs';
import { REQUIRED, SECRET, withToken } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

// What each stage refuses, as changes to a good handshake.
const BAD = {
  route: { target: '/_portcullis/x' },
  method: { method: 'POST' },
  version: { headers: { 'Sec-WebSocket-Version': '8' } },
  key: { headers: { 'Sec-WebSocket-Key': 'x' } },
  origin: { headers: { Origin: 'https://evil.example' } },
  token: { headers: { Authorization: 'Bearer x' } },
};
const GOOD = withToken();
const both = (...bad) => ({
  request: Object.assign(
    {},
    ...bad.map(({ method, target }) => ({ ...(method && { method }), ...(target && { target }) })),
  ),
  headers: Object.assign({}, GOOD, ...bad.map(({ headers }) => headers)),
});
const attempt = (gate, bad, more = {}) => {
  const { request, headers } = both(...bad);
  return gate.knock({ ...headers, ...more }, { to: gate.direct, ...request });
};

const everything = [BAD.route, BAD.version, BAD.key, BAD.origin, BAD.token];

describe('configuration is first', () => {
  const gate = useGate({ vars: { REQUIRE_TLS: undefined, ALLOWED_ORIGINS: undefined } });
  test('before transport and all else', async () => {
    assert.equal(reasonOf(await attempt(gate, everything)), 'misconfigured');
  });
});

describe('transport is second', () => {
  const upstream = useUpstream();
  const vars = {
    REQUIRE_TLS: undefined,
    RATE_LIMIT_IP: '3/1h',
    AUTH: 'required',
    JWT_SECRET: SECRET,
  };
  const gate = useGate({ upstream, vars });
  for (const [name, bad] of [
    ['route', BAD.route],
    ['method', BAD.method],
    ['version', BAD.version],
    ['token', BAD.token],
  ]) {
    test(`before ${name}`, async () => {
      assert.equal(reasonOf(await attempt(gate, [bad])), 'insecure_transport');
    });
  }
  test('attempts that it refuses do not count', async () => {
    const address = { 'CF-Connecting-IP': freshAddress() };
    await repeat(3, async () => {
      assert.equal(reasonOf(await attempt(gate, [], address)), 'insecure_transport');
    });
    // Miniflare's own Worker believes this header, as the edge would know it.
    const overTls = { ...GOOD, ...address, 'X-Forwarded-Proto': 'https' };
    assert.equal(reasonOf(await gate.knock(overTls)), 'admitted');
  });
});

describe('route to forward', () => {
  const gate = useGate(async () => ({
    vars: {
      ...REQUIRED,
      RATE_LIMIT_IP: '3/1h',
      UPSTREAM_URL: `ws://127.0.0.1:${await deadPort()}`,
    },
  }));

  const pairs = [
    ['route before handshake', [BAD.route, BAD.version], 'no_route'],
    ['route before method', [BAD.route, BAD.method], 'no_route'],
    ['route before origin', [BAD.route, BAD.origin], 'no_route'],
    ['route before everything', everything, 'no_route'],
    ['method before version', [BAD.method, BAD.version], 'method_not_allowed'],
    ['version before key', [BAD.version, BAD.key], 'unsupported_version'],
    ['version before origin', [BAD.version, BAD.origin], 'unsupported_version'],
    ['key before origin', [BAD.key, BAD.origin], 'bad_handshake'],
    ['key before token', [BAD.key, BAD.token], 'bad_handshake'],
    ['no upgrade before origin', [{ headers: { Upgrade: null } }, BAD.origin], 'upgrade_required'],
    ['origin before token', [BAD.origin, BAD.token], 'origin_not_allowed'],
    ['token before forward', [BAD.token], 'token_invalid'],
    ['forward is last', [], 'upstream_unreachable'],
  ];
  for (const [name, bad, reason] of pairs) {
    test(name, async () => {
      assert.equal(reasonOf(await attempt(gate, bad)), reason);
    });
  }

  test('token before a replayed key, and that before forward', async () => {
    const used = { 'Sec-WebSocket-Key': freshKey(), 'CF-Connecting-IP': freshAddress() };
    assert.equal(reasonOf(await attempt(gate, [], used)), 'upstream_unreachable');
    assert.equal(reasonOf(await attempt(gate, [BAD.token], used)), 'token_invalid');
    assert.equal(reasonOf(await attempt(gate, [], used)), 'replayed_key');
  });

  const beforeTheToken = [
    ['no_route', BAD.route],
    ['method_not_allowed', BAD.method],
    ['unsupported_version', BAD.version],
    ['bad_handshake', BAD.key],
    ['origin_missing', { headers: { Origin: null } }],
    ['origin_not_allowed', BAD.origin],
  ];
  for (const [reason, bad] of beforeTheToken) {
    test(`attempts refused as ${reason} do not count`, async () => {
      const address = { 'CF-Connecting-IP': freshAddress() };
      await repeat(6, async () =>
        assert.equal(reasonOf(await attempt(gate, [bad], address)), reason),
      );
      assert.equal(reasonOf(await attempt(gate, [], address)), 'upstream_unreachable');
    });
  }

  const exhausting = [
    ['token_missing', { headers: { Authorization: null } }],
    ['token_invalid', BAD.token],
    ['ambiguous_token', { headers: { 'Sec-WebSocket-Protocol': 'bearer, x' } }],
    ['upstream_unreachable', {}],
  ];
  for (const [reason, bad] of exhausting) {
    test(`attempts refused as ${reason} count, and then an exhausted quota comes between origin and token`, async () => {
      const address = { 'CF-Connecting-IP': freshAddress() };
      await repeat(3, async () =>
        assert.equal(reasonOf(await attempt(gate, [bad], address)), reason),
      );
      assert.equal(reasonOf(await attempt(gate, [], address)), 'rate_limited');
      assert.equal(reasonOf(await attempt(gate, [BAD.origin], address)), 'origin_not_allowed');
      assert.equal(reasonOf(await attempt(gate, [BAD.key], address)), 'bad_handshake');
      assert.equal(reasonOf(await attempt(gate, [BAD.token], address)), 'rate_limited');
      assert.equal(
        reasonOf(await attempt(gate, [{ headers: { Authorization: null } }], address)),
        'rate_limited',
      );
    });
  }
});

describe('a refusal waits for no counter that it does not need', () => {
  const gate = useGate(async () => ({
    ...withLedger('Double'),
    vars: {
      ...REQUIRED,
      // Longer than an answer is waited for.
      LIMITER_TIMEOUT: '60s',
      UPSTREAM_URL: `ws://127.0.0.1:${await deadPort()}`,
    },
  }));
  for (const [name, bad, reason] of [
    ['origin', BAD.origin, 'origin_not_allowed'],
    ['token', BAD.token, 'token_invalid'],
    ['version', BAD.version, 'unsupported_version'],
  ]) {
    test(`${name}: it is answered while the ledger hangs`, async () => {
      await plan(gate, { '*': 'hang' });
      assertRefused(await attempt(gate, [bad]), reason);
    });
  }
});
