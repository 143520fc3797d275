// REJECT_WITH=close: refusals as sockets that are closed at once.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { assertAdmitted, assertClosed, assertRefused, requestId } from '../../support/answers.mjs';
import { freshAddress, freshKey, repeat, useGate } from '../../support/gate.mjs';
import { ofAddress, plan, withLedger } from '../../support/ledgers.mjs';
import { ask as askForTicket } from '../../support/tickets.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';
import { acceptance, deadPort, useRawUpstream, useUpstream } from '../../support/upstream.mjs';

const vars = { REJECT_WITH: 'close' };
const bearer = (token, changes) => ({ Authorization: `Bearer ${token}`, ...changes });

/** Knocks and asserts that it is told by a close code. */
async function assertTold(gate, reason, changes, { headers, ...request } = {}) {
  const key = freshKey();
  const answer = await gate.knock({ 'Sec-WebSocket-Key': key, ...changes }, request);
  await assertClosed(answer, reason, changes?.['Sec-WebSocket-Key'] ?? key, headers);
  return answer;
}

describe('a gate that refuses by closing', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...vars,
      AUTH: 'required',
      JWT_SECRET: SECRET,
      RATE_LIMIT_IP: '2/1m',
      ROUTES: JSON.stringify([
        { path: '/' },
        { path: '/strict', required_scopes: 'chat' },
        { path: '/http', reject_with: 'http' },
      ]),
    },
  });

  test('admits as ever', async () => {
    const key = freshKey();
    assertAdmitted(await gate.knock(bearer(mint(), { 'Sec-WebSocket-Key': key })), key);
  });

  for (const [reason, changes, request] of [
    ['no_route', {}, { target: '/none' }],
    ['no_route', {}, { target: '/_portcullis/none' }],
    ['origin_missing', { Origin: null }],
    ['origin_not_allowed', { Origin: 'https://evil.example' }],
    ['token_missing', {}],
    ['token_invalid', bearer('x')],
    ['token_expired', bearer(mint({ exp: 1 }))],
    ['ambiguous_token', bearer(mint(), { 'Sec-WebSocket-Protocol': 'bearer, a.b.c' })],
  ]) {
    test(`${reason} at ${request?.target ?? '/'}`, async () => {
      const before = upstream.seen.length;
      const echoed = changes['Sec-WebSocket-Protocol'] && { 'sec-websocket-protocol': 'bearer' };
      const answer = await assertTold(gate, reason, changes, { ...request, headers: echoed });
      assert.equal(upstream.seen.length, before, 'the upstream heard nothing of it');
      const record = await gate.log.record(requestId(answer));
      assert.deepEqual([record.outcome, record.reason], ['refused', reason]);
    });
  }
  test('insufficient_scope', async () => {
    const challenge = 'Bearer error="insufficient_scope", scope="chat"';
    const headers = { 'www-authenticate': challenge };
    await assertTold(gate, 'insufficient_scope', bearer(mint()), { target: '/strict', headers });
  });
  test('replayed_key', async () => {
    const used = bearer(mint(), {
      'Sec-WebSocket-Key': freshKey(),
      'CF-Connecting-IP': freshAddress(),
    });
    assertAdmitted(await gate.knock(used), used['Sec-WebSocket-Key']);
    await assertTold(gate, 'replayed_key', used);
  });
  test('rate_limited, with the wait for those who can read it', async () => {
    const address = bearer(mint(), { 'CF-Connecting-IP': freshAddress() });
    await repeat(2, async () => assert.equal((await gate.knock(address)).status, 101));
    const key = freshKey();
    const answer = await gate.knock({ ...address, 'Sec-WebSocket-Key': key });
    const wait = new Map(answer.headers).get('retry-after');
    await assertClosed(answer, 'rate_limited', key, {
      'retry-after': wait,
      ratelimit: `"ip";r=0;t=${wait}`,
      'ratelimit-policy': '"ip";q=2;w=60',
    });
  });

  for (const [offer, echoed] of [
    ['chat, v2', 'chat'],
    ['bearer', 'bearer'],
    ['bearer, a.b.c', 'bearer'],
    ['bearer, a.b.c, chat', 'chat'],
    ['chat, bearer, a.b.c', 'chat'],
  ]) {
    test(`of the subprotocols ${offer} it names ${echoed}`, async () => {
      await assertTold(
        gate,
        'origin_not_allowed',
        { Origin: 'https://evil.example', 'Sec-WebSocket-Protocol': offer },
        { headers: { 'sec-websocket-protocol': echoed } },
      );
    });
  }

  for (const [name, reason, changes, request] of [
    ['a request that is no upgrade', 'upgrade_required', { Upgrade: null, Connection: null }],
    ['a version that is not 13', 'unsupported_version', { 'Sec-WebSocket-Version': '8' }],
    ['a malformed handshake', 'bad_handshake', { 'Sec-WebSocket-Key': 'x' }],
    ['one to nowhere', 'no_route', { 'Sec-WebSocket-Key': 'x' }, { target: '/none' }],
    ['a route that says so', 'token_missing', {}, { target: '/http' }],
  ]) {
    test(`${name} is refused by HTTP`, async () => {
      assertRefused(await gate.knock(changes, request), reason);
    });
  }
  test('a POST with Upgrade is refused by HTTP', async () => {
    const answer = await gate.knock({}, { method: 'POST', to: gate.direct });
    assertRefused(answer, 'method_not_allowed');
  });
  test('a plain request to nowhere is refused by HTTP', async () => {
    const headers = [['Host', 'gate.example']];
    assertRefused(await gate.send({ target: '/none', headers }), 'no_route');
  });
  test('the endpoint of tickets is refused by HTTP', async () => {
    const answer = await askForTicket(gate, { headers: { Authorization: null, Origin: 'null' } });
    assertRefused(answer, 'origin_not_allowed');
  });
});

describe('a route that refuses by closing', () => {
  const upstream = useUpstream();
  const route = { path: '/close', allowed_origins: 'https://other.example', reject_with: 'close' };
  const gate = useGate({ upstream, vars: { ROUTES: JSON.stringify([route]) } });

  test('does, and what no route matches does not', async () => {
    await assertTold(gate, 'origin_not_allowed', {}, { target: '/close' });
    assertRefused(await gate.knock({}, { target: '/none' }), 'no_route');
  });
});

describe('a gate that is not configured and refuses by closing', () => {
  const gate = useGate({ vars: { ...vars, UPSTREAM_URL: 'nonsense' } });
  test('misconfigured', async () => {
    await assertTold(gate, 'misconfigured');
    assertRefused(await gate.send({ headers: [['Host', 'gate.example']] }), 'misconfigured');
  });
});

describe('a gate that wants https and refuses by closing', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...vars, REQUIRE_TLS: undefined } });
  test('refuses the rest by HTTP', async () => {
    assertRefused(await gate.knock({}, { to: gate.direct }), 'insecure_transport');
  });
});

describe('a ledger that fails a gate that refuses by closing', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars, ...withLedger('Double') });
  test('limiter_unavailable', async () => {
    const address = freshAddress();
    await plan(gate, { [ofAddress(address)]: 'throw' });
    const headers = { 'retry-after': '30' };
    await assertTold(gate, 'limiter_unavailable', { 'CF-Connecting-IP': address }, { headers });
  });
});

describe('upstreams that fail a gate that refuses by closing', () => {
  const upstream = useRawUpstream((head, socket) => {
    const [, path] = head.split(' ');
    if (path === '/refused') socket.write(acceptance(head, 'Sec-WebSocket-Protocol: own'));
  });
  const gate = useGate({ upstream, vars: { ...vars, UPSTREAM_TIMEOUT: '300ms' } });
  const nobody = useGate(async () => ({
    vars: { ...vars, UPSTREAM_URL: `ws://127.0.0.1:${await deadPort()}` },
  }));
  test('upstream_refused', () => assertTold(gate, 'upstream_refused', {}, { target: '/refused' }));
  test('upstream_timeout', () => assertTold(gate, 'upstream_timeout'));
  test('upstream_unreachable', () => assertTold(nobody, 'upstream_unreachable'));
});

describe('a client that answers the close', () => {
  const gate = useGate({
    vars: { ...vars, UPSTREAM_URL: 'ws://127.0.0.1:1', RATE_LIMIT_IP: 'off' },
  });
  test('is told however often it comes', async () => {
    const evil = { Origin: 'https://evil.example', 'CF-Connecting-IP': freshAddress() };
    await repeat(40, () => assertTold(gate, 'origin_not_allowed', evil));
  });
});

describe('clients that never answer the close', () => {
  const gate = useGate({
    vars: { ...vars, UPSTREAM_URL: 'ws://127.0.0.1:1', RATE_LIMIT_IP: 'off' },
  });
  const evil = { Origin: 'https://evil.example' };
  const knock = (address = freshAddress()) => gate.knock({ ...evil, 'CF-Connecting-IP': address });
  /** So many at once, and how many of them got a socket. */
  async function knockAtOnce(count, address) {
    const answers = await Promise.all(Array.from({ length: count }, () => knock(address)));
    for (const answer of answers) {
      if (answer.status !== 101) assertRefused(answer, 'origin_not_allowed');
    }
    return answers.filter(({ status }) => status === 101).map(({ socket }) => socket);
  }
  const ended = (sockets) =>
    Promise.all(sockets.map((socket) => socket.closed || once(socket.resume(), 'close')));

  test('hold 16 sockets of an address, and are refused by HTTP then', async () => {
    const address = freshAddress();
    const sockets = await knockAtOnce(40, address);
    assert.equal(sockets.length, 16);
    assertRefused(await knock(address), 'origin_not_allowed');
    // Others are told as ever, and so is who hangs up without a close, in either way.
    await assertTold(gate, 'origin_not_allowed', evil);
    sockets.pop().destroy();
    sockets.pop().end();
    let again = 0;
    while (again < 2) if ((await knock(address)).status === 101) again += 1;
    // The gate ends what the client does not.
    await ended(sockets);
    assert.equal((await knock(address)).status, 101);
  });
  test('hold 256 sockets in all, and not for long', async () => {
    const held = await knockAtOnce(400);
    assert.ok(held.length <= 256, `${held.length}`);
    await ended(held);
    await assertTold(gate, 'origin_not_allowed', evil);
  });
});
