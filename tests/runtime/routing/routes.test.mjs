// ROUTES on workerd: each route with settings, upstream, keys, permissions, headers and limits of
// its own.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, reasonOf, requestId, STAMPS } from '../../support/answers.mjs';
import { ask, freshAddress, useGate, worker } from '../../support/gate.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { REQUIRED, withToken as bearer } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const ELSEWHERE = 'https://other.example';
const ECHO = `
export default {
  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', ({ data }) => server.send('service: ' + data));
    return new Response(null, { status: 101, webSocket: client });
  },
};`;

describe('routes', () => {
  const named = (name) => (socket) => {
    socket.on('message', (data) => socket.send(`${name}: ${data}`));
  };
  const global = useUpstream({ onSocket: named('global') });
  const chat = useUpstream({ onSocket: named('chat') });
  const partner = makeKey('ES256', 'partner');
  const gate = useGate(() => ({
    upstream: global,
    vars: {
      ...REQUIRED,
      ROUTES: [
        { path: '/chat', upstream_url: chat.url, required_scopes: 'chat:read chat:write' },
        { path: '/rooms/{room}', claims: { rooms: { contains: '{room}' } } },
        { path: '/users/{id}', claims: { sub: '{id}', role: { one_of: ['user', 'admin'] } } },
        { path: '/public/*', auth: 'off', upstream_service: 'ECHO' },
        { path: '/public/members', claims: { member: true } },
        {
          path: '/partner',
          jwt_jwks: { keys: [partner.jwk] },
          jwt_algorithms: ['ES256'],
          security_headers: { 'X-Frame-Options': 'SAMEORIGIN', 'Referrer-Policy': null },
        },
        { path: '/scarce', rate_limit_ip: '2/1m' },
        { path: '/elsewhere', allowed_origins: ELSEWHERE },
      ],
    },
    services: { ECHO: 'echo' },
    workers: [worker('echo', ECHO)],
  }));
  const at = async (target, headers) => reasonOf(await gate.knock(headers, { target }));

  test('lead to their upstreams: one’s own, a service binding, or the global one', async () => {
    for (const [target, headers, answer] of [
      ['/chat', bearer({ scope: 'chat:read chat:write' }), 'chat: hello'],
      ['/public/anything', {}, 'service: hello'],
      ['/rooms/kitchen', bearer({ rooms: ['kitchen'] }), 'global: hello'],
    ]) {
      const socket = await gate.connect({ target, headers });
      assert.equal(await ask(socket, 'hello'), answer);
    }
  });

  test('what none matches is not there, as a whole and always the same', async () => {
    for (const target of ['/', '/chat/', '/chat/x', '/Chat', '/rooms', '/rooms/', '/rooms/a/b']) {
      assertRefused(await gate.knock(bearer(), { target }), 'no_route');
    }
    const { stage, route } = await gate.log.record(
      requestId(await gate.knock(bearer(), { target: '/nowhere' })),
    );
    assert.deepEqual([stage, route], ['route', null]);
  });

  test('REQUIRED_SCOPES that are not held are a whole 403 that names them', async () => {
    for (const claims of [{}, { scope: 'chat:read' }, { scope: 'chat:reader chat:write' }]) {
      const answer = await gate.knock(bearer(claims), { target: '/chat' });
      assertRefused(answer, 'insufficient_scope', {
        headers: {
          'www-authenticate': 'Bearer error="insufficient_scope", scope="chat:read chat:write"',
        },
      });
    }
    for (const claims of [
      { scope: 'chat:write other chat:read' },
      { scp: ['chat:read', 'chat:write'] },
      { permissions: ['chat:read'], scope: 'chat:write' },
    ]) {
      assert.equal(await at('/chat', bearer(claims)), 'admitted');
    }
    const answer = await gate.knock(bearer({ scope: 'chat:read' }), { target: '/chat' });
    const { cause, stage, subject } = await gate.log.record(requestId(answer));
    assert.deepEqual(
      [stage, cause, subject],
      ['permission', 'the token lacks the scope chat:write', 'alice'],
    );
  });

  test('a room opens to whose claims hold it', async () => {
    const rooms = ['kitchen', 'a b', 'ä', 'x/y'];
    for (const [target, claims, reason] of [
      ['/rooms/kitchen', { rooms }, 'admitted'],
      ['/rooms/kitchen', { rooms: 'hall kitchen' }, 'admitted'],
      ['/rooms/a%20b', { rooms }, 'admitted'],
      ['/rooms/%C3%A4', { rooms }, 'admitted'],
      ['/rooms/kitche%6E', { rooms }, 'admitted'],
      ['/rooms/x%2Fy', { rooms }, 'no_route'],
      ['/rooms/kitchen?room=hall', { rooms }, 'admitted'],
      ['/rooms/hall', { rooms }, 'insufficient_scope'],
      ['/rooms/Kitchen', { rooms }, 'insufficient_scope'],
      ['/rooms/kitchen%00', { rooms }, 'no_route'],
      ['/rooms/%6Bitche', { rooms }, 'insufficient_scope'],
      ['/rooms/kitchen', {}, 'insufficient_scope'],
      ['/rooms/kitchen', { rooms: { kitchen: true } }, 'insufficient_scope'],
      ['/rooms/kitchen', { rooms: [['kitchen']] }, 'insufficient_scope'],
      ['/rooms/{room}', { rooms }, 'insufficient_scope'],
    ]) {
      assert.equal(await at(target, bearer(claims)), reason, `${target} ${JSON.stringify(claims)}`);
    }
    const answer = await gate.knock(bearer({ rooms }), { target: '/rooms/hall' });
    const { route, cause } = await gate.log.record(requestId(answer));
    assert.deepEqual([route, cause], ['/rooms/{room}', 'the claim rooms does not fit']);
  });

  test('all of a route’s claims must fit', async () => {
    assert.equal(await at('/users/alice', bearer({ role: 'user' })), 'admitted');
    assert.equal(await at('/users/bob', bearer({ role: 'admin' })), 'insufficient_scope');
    assert.equal(await at('/users/alice', bearer({ role: 'guest' })), 'insufficient_scope');
    assert.equal(await at('/users/alice', bearer()), 'insufficient_scope');
    assert.equal(await at('/users/7', bearer({ sub: '7', role: 'user' })), 'admitted');
  });

  test('the most specific route wins, however its path is written', async () => {
    for (const target of ['/public/members', '/public/%6dembers', '/%70ublic/member%73']) {
      assert.equal(await at(target, {}), 'token_missing', target);
      assert.equal(await at(target, bearer()), 'insufficient_scope', target);
      assert.equal(await at(target, bearer({ member: true })), 'admitted', target);
    }
    for (const target of ['/public/', '/public/memberships', '/public/members/x']) {
      assert.equal(await at(target, {}), 'admitted', target);
    }
  });

  test('keys, origins and headers are the route’s own, in place of the global ones', async () => {
    const token = await sign(partner);
    const answer = await gate.knock({ Authorization: `Bearer ${token}` }, { target: '/partner' });
    assert.equal(reasonOf(answer), 'admitted');
    const headers = new Map(answer.headers);
    assert.equal(headers.get('x-frame-options'), 'SAMEORIGIN');
    assert.ok(!headers.has('referrer-policy'));
    assert.equal(headers.get('x-content-type-options'), STAMPS['x-content-type-options']);
    assert.equal(await at('/partner', bearer()), 'token_invalid');
    assert.equal(
      await at('/elsewhere', { Authorization: `Bearer ${token}`, Origin: ELSEWHERE }),
      'token_invalid',
    );
    const other = await gate.knock(bearer({ rooms: ['a'] }), { target: '/rooms/a' });
    assert.equal(new Map(other.headers).get('x-frame-options'), 'DENY');

    assert.equal(await at('/elsewhere', bearer()), 'origin_not_allowed');
    const there = { ...bearer(), Origin: ELSEWHERE };
    assert.equal(await at('/elsewhere', there), 'admitted');
  });

  test('a limit of its own counts apart from the others', async () => {
    const headers = () => ({ ...bearer({ rooms: ['a'] }), 'CF-Connecting-IP': address });
    const address = freshAddress();
    const seen = [];
    for (const target of ['/scarce', '/rooms/a', '/scarce', '/scarce', '/rooms/a']) {
      seen.push(await at(target, headers()));
    }
    assert.deepEqual(seen, ['admitted', 'admitted', 'admitted', 'rate_limited', 'admitted']);
  });
});

describe('ROUTES that make no sense', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ROUTES: [
        { path: 'chat' },
        { path: '/a', allowed_origin: 'https://x.example' },
        { path: '/rooms/{room}', auth: 'off', claims: { rooms: { contains: '{house}' } } },
        { path: '/rooms/{other}' },
        { path: '/b', rate_limit_ip: 'many' },
      ],
    },
  });
  test('are told all at once, each by its path', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    const told = await gate.log.find(({ level, message }) => level === 'error' && message);
    for (const part of [
      'ROUTES[0]: "chat" does not begin with a slash',
      'ROUTES /a: "allowed_origin" is not a setting of a route',
      'ROUTES /rooms/{room}: claim "rooms": the path has no parameter {house}',
      'ROUTES /b rate_limit_ip: ',
    ]) {
      assert.ok(told.includes(part), `${part}\n${told}`);
    }
  });
});
