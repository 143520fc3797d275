// One-time tickets, by real clients: who gets one, and that it opens one socket.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import {
  allowing,
  assertAnswer,
  assertRefused,
  readable,
  reasonOf,
  requestId,
  STAMPS,
} from '../../support/answers.mjs';
import {
  ask as say,
  freshAddress,
  from as fromAddress,
  ORIGIN,
  useGate,
} from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { ask, obtain, use } from '../../support/tickets.mjs';
import { bearer, mint, now, REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const OTHER = 'https://other.example';
const EVIL = 'https://evil.example';
const from = (address, more) => ({ headers: fromAddress(address, more) });

function gateWith(upstream, vars, options) {
  const settings = {
    ...REQUIRED,
    ALLOWED_ORIGINS: `${ORIGIN} ${OTHER}`,
    ...vars,
  };
  return useGate({ upstream, vars: settings, ...options });
}

async function assertSpent(gate, answer, cause) {
  assertRefused(answer, 'token_invalid');
  const record = await gate.log.record(requestId(answer));
  assert.equal(record.cause, cause);
  assert.equal(record.stage, 'counters');
}
const GONE = 'the ticket is unknown, spent or expired';

describe('a ticket', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream);

  test('is issued to a valid token, and told of as a secret', async () => {
    const answer = await ask(gate);
    const { ticket, ...rest } = JSON.parse(answer.body);
    assert.match(ticket, /^[\w-]{43}$/);
    assert.deepEqual(rest, { expires_in: 15 });
    assertAnswer(answer, {
      status: 200,
      headers: {
        ...STAMPS,
        ...readable(ORIGIN),
        'content-type': 'application/json',
        'cache-control': 'no-store',
      },
      body: `{"ticket":"${ticket}","expires_in":15}`,
    });
    const { outcome, stage, reason, subject, alg, route } = await gate.log.record(
      requestId(answer),
    );
    assert.deepEqual(
      { outcome, stage, reason, subject, alg, route },
      {
        outcome: 'issued',
        stage: 'counters',
        reason: null,
        subject: 'alice',
        alg: 'HS256',
        route: '/*',
      },
    );
    assert.doesNotMatch(`${gate.log}`, new RegExp(ticket));
  });
  test('opens a socket for a real client, who is known to the upstream', async () => {
    const address = freshAddress();
    const token = mint({ scope: 'read write' }, { header: { kid: 'k' } });
    const ticket = await obtain(gate, address, { headers: bearer(token) });
    const target = `/chat?a=%2f&ticket=${ticket}&b=+;%zz`;
    const socket = await gate.connect({ target, headers: { 'CF-Connecting-IP': address } });
    assert.equal(await say(socket, 'hello'), 'hello');
    const id = requestId({ headers: socket.answer });
    const { url, headers } = upstream.sent(id);
    assert.equal(url, '/chat?a=%2f&b=+;%zz');
    assert.deepEqual(values(headers, 'portcullis-subject'), ['alice']);
    assert.deepEqual(values(headers, 'portcullis-scopes'), ['read write']);
    assert.doesNotMatch(JSON.stringify(headers), new RegExp(ticket));
    const { outcome, subject, alg, kid } = await gate.log.record(id);
    assert.deepEqual(
      { outcome, subject, alg, kid },
      { outcome: 'admitted', subject: 'alice', alg: 'HS256', kid: 'k' },
    );
    assert.doesNotMatch(`${gate.log}`, new RegExp(ticket));
  });
  test('alone in the query leaves none', async () => {
    const address = freshAddress();
    const answer = await use(gate, await obtain(gate, address), address);
    assert.equal(upstream.sent(requestId(answer)).url, '/');
  });
  test('is good once', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    assert.equal(reasonOf(await use(gate, ticket, address)), 'admitted');
    await assertSpent(gate, await use(gate, ticket, address), GONE);
  });
  test('is as good as another of the same token', async () => {
    const address = freshAddress();
    const headers = withToken();
    const tickets = [
      await obtain(gate, address, { headers }),
      await obtain(gate, address, { headers }),
    ];
    assert.notEqual(tickets[0], tickets[1]);
    for (const ticket of tickets) {
      assert.equal(reasonOf(await use(gate, ticket, address)), 'admitted');
    }
  });
  test('is worth nothing from another address, and then nothing at all', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    const stolen = await use(gate, ticket, freshAddress());
    await assertSpent(gate, stolen, 'the ticket was issued to another address');
    await assertSpent(gate, await use(gate, ticket, address), GONE);
  });
  test('is good from the same /64', async () => {
    const ticket = await obtain(gate, '2001:db8:1:2::3');
    assert.equal(reasonOf(await use(gate, ticket, '2001:db8:1:2:ffff::4')), 'admitted');
  });
  test('is worth nothing from another origin, though that is allowed', async () => {
    const address = freshAddress();
    const answer = await use(gate, await obtain(gate, address), address, {
      headers: { Origin: OTHER },
    });
    await assertSpent(gate, answer, 'the ticket was issued to another origin');
  });
  test('that was never issued is refused as any wrong token', async () => {
    await assertSpent(gate, await use(gate, 'A'.repeat(43), freshAddress()), GONE);
  });
  test('and a token at once are ambiguous, and spend nothing', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    const headers = withToken();
    assertRefused(await use(gate, ticket, address, { headers }), 'ambiguous_token');
    assert.equal(reasonOf(await use(gate, ticket, address)), 'admitted');
  });
  test('is not spent by a handshake that fails before', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    for (const headers of [{ Origin: EVIL }, { 'Sec-WebSocket-Key': 'x' }, { Upgrade: null }]) {
      assert.notEqual(reasonOf(await use(gate, ticket, address, { headers })), 'token_invalid');
    }
    assert.equal(reasonOf(await use(gate, ticket, address)), 'admitted');
  });
});

describe('a ticket that is bound to nothing but its origin', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream, {
    TICKET_BINDING: 'origin',
    ON_TOKEN_CONFLICT: 'first',
    ROUTES: JSON.stringify([
      { path: '/' },
      { path: '/other', required_scopes: 'write' },
      { path: '/foreign', jwt_issuer: 'https://id.example' },
    ]),
  });
  test('is good from another address', async () => {
    const ticket = await obtain(gate, freshAddress());
    assert.equal(reasonOf(await use(gate, ticket, freshAddress())), 'admitted');
  });
  test('is worth nothing from another origin', async () => {
    const address = freshAddress();
    const answer = await use(gate, await obtain(gate, address), address, {
      headers: { Origin: OTHER },
    });
    await assertSpent(gate, answer, 'the ticket was issued to another origin');
  });
  test('meets the scopes of another route', async () => {
    const ticket = await obtain(gate, freshAddress());
    const answer = await use(gate, ticket, freshAddress(), { target: '/other' });
    assert.equal(reasonOf(answer), 'insufficient_scope');
  });
  test('is worth nothing where its token would not be accepted', async () => {
    const ticket = await obtain(gate, freshAddress());
    const answer = await use(gate, ticket, freshAddress(), { target: '/foreign' });
    await assertSpent(gate, answer, 'the ticket was issued for another route');
  });
  test('decides before a token that comes along, and the server sees neither', async () => {
    const ticket = await obtain(gate, freshAddress());
    const headers = withToken({ sub: 'bob' });
    const answer = await use(gate, ticket, freshAddress(), { headers });
    assert.equal(reasonOf(answer), 'admitted');
    const sent = upstream.sent(requestId(answer));
    assert.deepEqual(values(sent.headers, 'portcullis-subject'), ['alice']);
    assert.deepEqual(values(sent.headers, 'authorization'), []);
    assert.equal(sent.url, '/');
  });
});

describe('who gets no ticket', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream, { TOKEN_SOURCES: 'header, subprotocol, query:token' });
  const cors = { headers: readable(ORIGIN) };
  const token = (value) => ({ headers: { Authorization: value && `Bearer ${value}` } });

  for (const [name, request, reason] of [
    ['without a token', token(null), 'token_missing'],
    ['with a wrong one', token('x'), 'token_invalid'],
    ['with an expired one', token(mint({ exp: 1 })), 'token_expired'],
    ['with a token in the query', { ...token(null), query: `?token=${mint()}` }, 'token_missing'],
    ['with a ticket', { ...token(null), query: `?ticket=${'A'.repeat(43)}` }, 'token_missing'],
    [
      'with a subprotocol',
      { headers: { Authorization: null, 'Sec-WebSocket-Protocol': `bearer, ${mint()}` } },
      'token_missing',
    ],
  ]) {
    test(`who comes ${name} is refused, readably`, async () => {
      assertRefused(await ask(gate, request), reason, cors);
    });
  }
  for (const [origin, reason] of [
    [EVIL, 'origin_not_allowed'],
    ['null', 'origin_not_allowed'],
    [null, 'origin_missing'],
  ]) {
    for (const method of ['POST', 'OPTIONS']) {
      test(`${method} from origin ${origin} is refused as usual, unreadably`, async () => {
        assertRefused(await ask(gate, { method, headers: { Origin: origin } }), reason);
      });
    }
  }
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
    test(`${method} is told what is allowed`, async () => {
      assertRefused(await ask(gate, { method }), 'method_not_allowed', {
        title: 'Request a ticket with POST.',
        headers: { allow: 'POST, OPTIONS', ...readable(ORIGIN) },
      });
    });
  }
  test('nothing of it reached the upstream', () => assert.deepEqual(upstream.seen, []));
});

const PREFLIGHT = {
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers': 'authorization',
  'access-control-max-age': '600',
};
const CREDENTIALS = { 'access-control-allow-credentials': 'true' };
const preflight = (origin) => ({
  method: 'OPTIONS',
  headers: {
    Authorization: null,
    Origin: origin,
    'Access-Control-Request-Method': 'POST',
    'Access-Control-Request-Headers': 'authorization',
  },
});

describe('a preflight', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream);

  for (const origin of [ORIGIN, OTHER]) {
    test(`from ${origin} is answered, whole`, async () => {
      const answer = await ask(gate, preflight(origin));
      const headers = { ...STAMPS, ...allowing(origin), ...PREFLIGHT };
      assertAnswer(answer, { status: 204, headers, body: '' });
      const { outcome, stage } = await gate.log.record(requestId(answer));
      assert.deepEqual({ outcome, stage }, { outcome: 'preflight', stage: 'known' });
    });
  }
});

describe('a page whose ticket is refused', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream, { ROUTES: [{ path: '/rooms/{room}' }] });

  test('may ask with any header', async () => {
    const asked = 'authorization,sentry-trace,baggage';
    const answer = await gate.call('OPTIONS', '/_portcullis/ticket?path=/rooms/1', {
      headers: { Origin: ORIGIN, 'Access-Control-Request-Headers': asked },
    });
    assert.equal(answer.status, 204);
    assert.deepEqual(values(answer.headers, 'access-control-allow-headers'), [asked]);
  });
  for (const [name, query] of [
    ['no route', ''],
    ['no route of this path', '?path=/elsewhere'],
    ['an ambiguous path', '?path=/rooms/../rooms/1'],
    ['an encoded slash, once decoded', '?path=/rooms/a%252Fb'],
    ['a malformed query', '?path=/rooms/%zz'],
    ['a path that is more', '?path=/rooms/1?x'],
  ]) {
    test(`reads why: ${name}`, async () => {
      const target = `/_portcullis/ticket${query}`;
      const ask = (method, origin) => gate.call(method, target, { headers: { Origin: origin } });
      const preflight = await ask('OPTIONS', ORIGIN);
      assert.equal(preflight.status, 204);
      assert.deepEqual(values(preflight.headers, 'access-control-allow-origin'), [ORIGIN]);
      assertRefused(await ask('POST', ORIGIN), 'no_route', { headers: readable(ORIGIN) });
      assertRefused(await ask('POST', EVIL), 'no_route');
      assertRefused(await ask('OPTIONS', EVIL), 'no_route');
    });
  }
});

describe('a cookie', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream, { TOKEN_SOURCES: 'cookie:session' });

  test('is enough for a ticket, and the page may send it', async () => {
    const cookie = { Authorization: null, Cookie: `a=1; session=${mint()}` };
    const answer = await ask(gate, { headers: cookie });
    assert.equal(answer.status, 200);
    assert.deepEqual(values(answer.headers, 'access-control-allow-credentials'), ['true']);
    const asked = await ask(gate, preflight(ORIGIN));
    const headers = { ...STAMPS, ...allowing(ORIGIN), ...CREDENTIALS, ...PREFLIGHT };
    assertAnswer(asked, { status: 204, headers, body: '' });
    assertRefused(await ask(gate, { headers: { ...cookie, Origin: EVIL } }), 'origin_not_allowed');
  });
});

describe('every origin', () => {
  const upstream = useUpstream();
  const vars = { ALLOWED_ORIGINS: '*', ORIGIN_MISSING: 'allow' };
  const gate = gateWith(upstream, vars);

  test('is named itself, never as a star', async () => {
    const answer = await ask(gate, { headers: { Origin: EVIL } });
    assert.deepEqual(values(answer.headers, 'access-control-allow-origin'), [EVIL]);
  });
  test('a client without one gets a ticket for no origin', async () => {
    const address = freshAddress();
    const none = { headers: { Origin: null } };
    const answer = await ask(gate, from(address, none.headers));
    assert.deepEqual(values(answer.headers, 'access-control-allow-origin'), []);
    const { ticket } = JSON.parse(answer.body);
    assert.equal(reasonOf(await use(gate, ticket, address, none)), 'admitted');
    const other = await use(gate, await obtain(gate, address, none), address);
    assert.equal(reasonOf(other), 'token_invalid');
  });
});

describe('the life of a ticket', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream, { TICKET_TTL: '1s' });
  const long = gateWith(upstream, { TICKET_TTL: '1h' });

  test('ends after TICKET_TTL', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    await passing(1050);
    await assertSpent(gate, await use(gate, ticket, address), GONE);
  });
  test('ends with its token', async () => {
    const address = freshAddress();
    const exp = now() + 3;
    const headers = withToken({ exp });
    const answer = await ask(long, from(address, headers));
    const { ticket, expires_in } = JSON.parse(answer.body);
    assert.ok(expires_in <= 3, `${expires_in} s`);
    await passing(exp * 1000 - Date.now() + 50);
    await assertSpent(long, await use(long, ticket, address), GONE);
  });
});

describe('the quota', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream, { RATE_LIMIT_IP: '4/1h' });
  const limited = (answer) => reasonOf(answer) === 'rate_limited';

  test('counts tickets and upgrades alike', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    await obtain(gate, address);
    assert.equal(reasonOf(await use(gate, ticket, address)), 'admitted');
    await obtain(gate, address);
    const answer = await ask(gate, from(address));
    assert.ok(limited(answer), answer.body);
    assert.deepEqual(values(answer.headers, 'access-control-allow-origin'), [ORIGIN]);
  });
  test('ends a flood of guesses, and spends nothing then', async () => {
    const address = freshAddress();
    const ticket = await obtain(gate, address);
    const guesses = Array.from({ length: 20 }, () => use(gate, 'A'.repeat(43), address));
    const reasons = (await Promise.all(guesses)).map(reasonOf).sort();
    assert.deepEqual(reasons, [
      ...Array(17).fill('rate_limited'),
      ...Array(3).fill('token_invalid'),
    ]);
    assert.ok(limited(await use(gate, ticket, address)));
  });
  test('counts what is refused, and preflights', async () => {
    const address = freshAddress();
    const headers = { 'CF-Connecting-IP': address, Authorization: null };
    for (const method of ['POST', 'OPTIONS', 'POST', 'GET']) await ask(gate, { method, headers });
    // They are counted behind their answers.
    await until(() => ask(gate, from(address)), limited);
  });
});

describe('permissions and routes', () => {
  const upstream = useUpstream();
  const gate = gateWith(upstream, {
    ROUTES: JSON.stringify([
      { path: '/rooms/{room}', claims: { rooms: { contains: '{room}' } } },
      { path: '/strict', required_scopes: 'chat' },
      { path: '/open', auth: 'off' },
    ]),
  });
  const token = withToken({ rooms: ['7'] });
  const ticketFor = (address, path) =>
    obtain(gate, address, { query: `?path=${encodeURIComponent(path)}`, headers: token });

  for (const [path, target, reason] of [
    ['/rooms/7', '/rooms/7', 'admitted'],
    ['/rooms/8', '/rooms/7', 'admitted'],
    ['/rooms/7', '/rooms/8', 'insufficient_scope'],
    ['/strict', '/strict', 'insufficient_scope'],
    ['/strict', '/rooms/7', 'token_invalid'],
  ]) {
    test(`a ticket for ${path} at ${target}: ${reason}`, async () => {
      const address = freshAddress();
      const answer = await use(gate, await ticketFor(address, path), address, { target });
      assert.equal(reasonOf(answer), reason);
    });
  }
  for (const query of ['', '?path=/other', '?path=/open', '?path=/strict&path=/rooms/7']) {
    test(`there is no ticket for ${query || 'no path'}`, async () => {
      const answer = await ask(gate, { query, headers: token });
      assertRefused(answer, 'no_route', { headers: readable(ORIGIN) });
    });
  }
});

for (const [name, vars] of [
  ['TICKET_TTL=off', { TICKET_TTL: 'off' }],
  ['AUTH=off', { AUTH: 'off' }],
]) {
  describe(name, () => {
    const upstream = useUpstream();
    const gate = gateWith(upstream, vars);

    test('there are no tickets, and the parameter is the upstream’s own', async () => {
      assertRefused(await ask(gate), 'no_route', { headers: readable(ORIGIN) });
      const answer = await gate.knock(withToken(), { target: '/?ticket=mine' });
      assert.equal(upstream.sent(requestId(answer)).url, '/?ticket=mine');
    });
  });
}
