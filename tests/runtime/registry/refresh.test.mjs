// A newer token moves the end of live sockets, in whichever isolate they are.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { done, echoes, live as open, WATCHED } from '../../support/admin.mjs';
import {
  assertAnswer,
  assertRefused,
  readable,
  reasonOf,
  requestId,
  STAMPS,
} from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import { fresh, freshAddress, ORIGIN, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { registryOf } from '../../support/ledgers.mjs';
import { obtain } from '../../support/tickets.mjs';
import { mint, now, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const EXPIRED = [4401, 'token_expired'];
const REVOKED = [4401, 'revoked'];
const { ADMIN_TOKEN: _, RELAY: __, ...unwatched } = WATCHED;
const vars = { ...unwatched, CLOSE_ON_EXPIRY: 'true' };

const freshSubject = () => fresh('user');

/** Claims of one session, unless they say otherwise. */
const inSession = (claims) => ({ sid: 'one', ...claims });
const live = (gate, claims, options) => open(gate, inSession(claims), options);

const refresh = (gate, claims, { method = 'POST', query = '', headers, to } = {}) =>
  gate.call(method, `/_portcullis/refresh${query}`, {
    headers: withToken(inSession(claims), { Origin: ORIGIN, ...headers }),
    to,
  });

async function refreshed(...request) {
  const answer = await refresh(...request);
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}

const evict = (gate, sub, webSockets) =>
  gate.miniflare.unsafeEvictDurableObject('gate', 'Registry', {
    name: registryOf(sub),
    webSockets,
  });

describe('a refresh, in two isolates', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars, twin: true });

  test('keeps a socket past its first expiry, and others end at theirs', async () => {
    const [first, second] = gate.both;
    const [sub, other] = [freshSubject(), freshSubject()];
    const exp = now() + 8;
    const sid = 'a';
    const kept = [
      await live(gate, { sub, exp, sid }, { to: first }),
      await live(gate, { sub, exp, sid }, { to: second }),
    ];
    const left = await live(gate, { sub: other, exp, sid }, { to: first });
    const answer = await refresh(gate, { sub, exp: exp + 300, sid }, { to: second });
    const { expires_in: life, ...rest } = JSON.parse(answer.body);
    assert.deepEqual(rest, { sockets: 2 });
    assert.ok(life > 250 && life <= 308, life);
    assertAnswer(answer, {
      status: 200,
      headers: {
        ...STAMPS,
        ...readable(ORIGIN),
        'content-type': 'application/json',
        'cache-control': 'no-store',
      },
      body: answer.body,
    });
    assert.deepEqual(await left.closed, EXPIRED);
    for (const socket of kept) assert.ok(await echoes(socket));
    const { outcome, stage, subject } = await gate.log.record(requestId(answer));
    assert.deepEqual(
      { outcome, stage, subject },
      { outcome: 'refreshed', stage: 'registry', subject: sub },
    );
  });

  test('of one session leaves the others of its subject', async () => {
    const sub = freshSubject();
    const exp = now() + 8;
    const one = await live(gate, { sub, exp, sid: 'one' });
    const two = await live(gate, { sub, exp, sid: 'two' });
    const none = await live(gate, { sub, exp, sid: undefined });
    const { sockets } = await refreshed(gate, { sub, exp: exp + 300, sid: 'one' });
    assert.equal(sockets, 1);
    for (const { closed } of [two, none]) assert.deepEqual(await closed, EXPIRED);
    assert.ok(await echoes(one));
  });

  test('of another subject or issuer moves nothing', async () => {
    const sub = freshSubject();
    const exp = now() + 5;
    const socket = await live(gate, { sub, exp, iss: 'one' });
    for (const claims of [{ sub, iss: 'two' }, { sub }, { sub: freshSubject(), iss: 'one' }]) {
      assert.equal((await refreshed(gate, claims)).sockets, 0);
    }
    assert.deepEqual(await socket.closed, EXPIRED);
  });

  test('never shortens', async () => {
    const sub = freshSubject();
    const socket = await live(gate, { sub, exp: now() + 300 });
    const exp = now() + 3;
    assert.equal((await refreshed(gate, { sub, exp })).sockets, 1);
    const other = await live(gate, { sub: freshSubject(), exp });
    assert.deepEqual(await other.closed, EXPIRED);
    assert.ok(await echoes(socket));
  });

  test('outlasts an object that is evicted', async () => {
    const sub = freshSubject();
    const exp = now() + 10;
    const socket = await live(gate, { sub, exp });
    assert.equal((await refreshed(gate, { sub, exp: exp + 300 })).sockets, 1);
    await evict(gate, sub, 'close');
    await until(async () => (await refreshed(gate, { sub, exp: exp - 5 })).sockets);
    const other = await live(gate, { sub: freshSubject(), exp });
    assert.deepEqual(await other.closed, EXPIRED);
    assert.ok(await echoes(socket));
  });

  test('without a session moves only the sockets of the token that it shows', async () => {
    const [first, second] = gate.both;
    const sub = freshSubject();
    const exp = now() + 10;
    const device = (jti, more = 0) => ({ sub, exp: exp + more, jti, sid: undefined });
    const phone = [
      await live(gate, device('phone'), { to: first }),
      await live(gate, device('phone'), { to: second }),
    ];
    const laptop = await live(gate, device('laptop'), { to: first });
    const show = (claims) => ({ headers: { 'Portcullis-Previous-Token': mint(claims) } });
    const moved = async (claims, previous) =>
      (await refreshed(gate, claims, { ...show(previous), to: second })).sockets;
    assert.equal(await moved(device('p2', 100), device('phone')), 2);
    // The token that moved them last, the one that opened them, and one in between.
    assert.equal(await moved(device('p3', 200), device('p2', 100)), 2);
    assert.equal(await moved(device('p4', 300), device('phone')), 2);
    assert.equal(await moved(device('p5', 400), device('p3', 200)), 0);
    const other = { ...device('x', 500), sub: freshSubject() };
    assert.equal(await moved(other, device('phone')), 0);
    await evict(gate, sub, 'close');
    await until(
      () => moved(device('p4', 300), device('p4', 300)),
      (count) => count === 2,
    );
    assert.deepEqual(await laptop.closed, EXPIRED);
    for (const socket of phone) assert.ok(await echoes(socket));
  });

  test('moves a socket that was opened with a ticket for the token that it shows', async () => {
    const claims = { sub: freshSubject(), exp: now() + 8, sid: undefined };
    const address = freshAddress();
    const ticket = await obtain(gate, address, { headers: withToken(claims) });
    const socket = await gate.connect({
      target: `/?ticket=${ticket}`,
      headers: { Origin: ORIGIN, 'CF-Connecting-IP': address },
    });
    assert.ok(socket.answer, socket.body);
    socket.closed = closing(socket);
    const left = await live(gate, claims);
    const headers = { 'Portcullis-Previous-Token': mint(claims) };
    const newer = { ...claims, exp: claims.exp + 300 };
    assert.equal((await refreshed(gate, newer, { headers })).sockets, 2);
    const other = await live(gate, { ...claims, sub: freshSubject() });
    assert.deepEqual(await other.closed, EXPIRED);
    for (const kept of [socket, left]) assert.ok(await echoes(kept));
  });

  test('without a session and the previous token is refused, and says what to show', async () => {
    const answer = await refresh(gate, { sub: freshSubject(), sid: undefined });
    assert.equal(answer.status, 400, answer.body);
    const { reason, detail } = JSON.parse(answer.body);
    assert.equal(reason, 'bad_request');
    assert.equal(
      detail,
      "the token names no session, so it is not known which of the subject's sockets are meant; show the token that opened them or moved them last in the header Portcullis-Previous-Token",
    );
  });

  test('is refused as any other token is', async () => {
    const cors = { headers: readable(ORIGIN) };
    assertRefused(await refresh(gate, {}, { headers: { Authorization: null } }), 'token_missing', {
      headers: { 'www-authenticate': 'Bearer', ...cors.headers },
    });
    assertRefused(await refresh(gate, { exp: now() - 1 }), 'token_expired', cors);
    assertRefused(
      await refresh(gate, {}, { headers: { Origin: 'https://evil.example' } }),
      'origin_not_allowed',
    );
    assertRefused(await refresh(gate, {}, { method: 'GET' }), 'method_not_allowed', {
      title: 'Request a refresh with POST.',
      headers: { allow: 'POST, OPTIONS', ...cors.headers },
    });
    const nameless = await refresh(gate, { sub: undefined });
    assert.equal(nameless.status, 400);
    assert.equal(reasonOf(nameless), 'bad_request');
    const preflight = await refresh(
      gate,
      {},
      { method: 'OPTIONS', headers: { Authorization: null } },
    );
    assert.equal(preflight.status, 204);
    assert.deepEqual(values(preflight.headers, 'access-control-allow-methods'), ['POST']);
  });
});

describe('a refresh under several rules', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...vars,
      ROUTES: JSON.stringify([
        { path: '/' },
        { path: '/again' },
        { path: '/strict', required_scopes: 'chat' },
        { path: '/rooms/{room}', claims: { rooms: { contains: '{room}' } } },
        { path: '/once', jwt_replay: 'reject' },
        { path: '/native', close_on_expiry: 'false' },
      ]),
    },
  });
  const to = (path) => ({ query: `?path=${encodeURIComponent(path)}` });

  test('moves what the token would open, and nothing else', async () => {
    const sub = freshSubject();
    const exp = now() + 12;
    const claims = { sub, exp, scope: 'chat', rooms: ['a', 'b'] };
    const open = (target) => live(gate, claims, { target });
    const [root, again, strict] = [await open('/'), await open('/again'), await open('/strict')];
    const [a, b] = [await open('/rooms/a'), await open('/rooms/b')];
    const newer = { ...claims, exp: exp + 300 };
    assert.equal((await refreshed(gate, newer)).sockets, 2);
    assert.equal((await refreshed(gate, newer, to('/rooms/a'))).sockets, 1);
    const lesser = await refresh(gate, { ...newer, scope: 'x' }, to('/strict'));
    assert.equal(reasonOf(lesser), 'insufficient_scope');
    for (const { closed } of [strict, b]) assert.deepEqual(await closed, EXPIRED);
    for (const socket of [root, again, a]) assert.ok(await echoes(socket));
  });
  test('uses its token up where that counts once', async () => {
    const claims = { sub: freshSubject(), jti: freshSubject() };
    assert.equal((await refreshed(gate, claims, to('/once'))).sockets, 0);
    assertRefused(
      await gate.knock(withToken(inSession(claims)), { target: '/once' }),
      'token_invalid',
    );
    assert.equal(reasonOf(await refresh(gate, claims, to('/once'))), 'token_invalid');
  });
  test('is no endpoint where nothing expires, or no route is', async () => {
    for (const path of ['/native', '/none']) {
      const answer = await refresh(gate, {}, to(path));
      assertRefused(answer, 'no_route', { headers: readable(ORIGIN) });
    }
  });
});

describe('a refresh under an administrator', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...WATCHED, CLOSE_ON_EXPIRY: 'true' } });

  test('is refused to who is revoked or banned', async () => {
    const claims = { sub: freshSubject(), jti: freshSubject(), iat: now() - 10 };
    await done(gate, 'PUT', 'revocations', { body: { jti: claims.jti } });
    assert.equal(reasonOf(await refresh(gate, claims)), 'revoked');
    const banned = { sub: freshSubject() };
    await done(gate, 'PUT', `bans/${banned.sub}`);
    assert.equal(reasonOf(await refresh(gate, banned)), 'banned');
  });
  test('is seen in the list', async () => {
    const sub = freshSubject();
    await live(gate, { sub, exp: now() + 100 });
    const exp = now() + 500;
    await refreshed(gate, { sub, exp });
    const { sockets } = await done(gate, 'GET', `sockets?sub=${sub}`);
    assert.deepEqual(
      sockets.map(({ expires }) => expires),
      [exp],
    );
  });
});

describe('a live socket that a newer token moved', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...WATCHED, CLOSE_ON_EXPIRY: 'true', LIMITER_TIMEOUT: '20s' },
    twin: true,
  });

  /** Claims of a new party's token that opens sockets, and of one that moves their end. */
  const party = ({ iss } = {}) => {
    const who = { iss, sub: freshSubject(), jti: freshSubject(), iat: now() - 10 };
    const exp = now() + 100;
    return [
      { ...who, exp },
      { ...who, jti: `a newer one, ${freshSubject()} Ж`, exp: exp + 200 },
    ];
  };
  /** Revokes; resolves to how many sockets that ended. */
  const revoke = async (body) => {
    const ascii = JSON.stringify(body).replaceAll('Ж', '\\u0416');
    return (await done(gate, 'PUT', 'revocations', { body: ascii })).disconnected;
  };
  const moved = async (opener, newer, options) => {
    const socket = await live(gate, opener, options);
    assert.ok((await refreshed(gate, newer)).sockets >= 1);
    return socket;
  };

  for (const [name, iss, of] of [
    ['jti', undefined, ({ jti }) => ({ jti })],
    ['jti of an issuer', 'https://id', ({ iss, jti }) => ({ iss, jti })],
  ]) {
    test(`ends with that, by ${name}, and others of its subject do not`, async () => {
      const [first, second] = gate.both;
      const [opener, newer] = party({ iss });
      const long = await live(gate, { ...opener, exp: newer.exp + 1 }, { to: first });
      const sockets = [
        await live(gate, opener, { to: first }),
        await moved(opener, newer, { to: second }),
      ];
      const young = await live(gate, opener);
      for (const body of [{ jti: freshSubject() }, { iss: 'https://other', jti: newer.jti }]) {
        assert.equal(await revoke(body), 0);
      }
      for (const socket of sockets) assert.ok(await echoes(socket));
      assert.equal(await revoke(of(newer)), 2);
      for (const { closed } of sockets) assert.deepEqual(await closed, REVOKED);
      for (const socket of [long, young]) assert.ok(await echoes(socket));
      assert.equal(reasonOf(await refresh(gate, newer)), 'revoked');
      assert.equal(await revoke(of(newer)), 0);
    });
  }

  test('ends with the one that opened it too, and with the last of several', async () => {
    const [opener, newer] = party();
    const last = { ...newer, jti: freshSubject(), exp: newer.exp + 100 };
    const socket = await moved(opener, newer);
    await refreshed(gate, last);
    // It came too late to move anything.
    await refreshed(gate, { ...last, jti: 'no later', exp: last.exp });
    for (const jti of [newer.jti, 'no later']) {
      assert.equal(await revoke({ jti }), 0);
    }
    assert.ok(await echoes(socket));
    assert.equal(await revoke({ jti: last.jti }), 1);
    assert.deepEqual(await socket.closed, REVOKED);
    const again = await moved(opener, { ...newer, jti: freshSubject() });
    assert.equal(await revoke({ jti: opener.jti }), 1);
    assert.deepEqual(await again.closed, REVOKED);
  });

  test('by a token of the same jti is ended once', async () => {
    const [opener, newer] = party();
    const socket = await moved(opener, { ...newer, jti: opener.jti });
    assert.equal(await revoke({ jti: opener.jti }), 1);
    assert.deepEqual(await socket.closed, REVOKED);
  });

  for (const webSockets of ['hibernate', 'close']) {
    test(`ends with that after its object was evicted (${webSockets})`, async () => {
      const [opener, newer] = party();
      const socket = await moved(opener, newer);
      const young = await live(gate, opener);
      await evict(gate, opener.sub, webSockets);
      const listed = async () => (await done(gate, 'GET', `sockets?sub=${opener.sub}`)).sockets;
      await until(listed, ({ length }) => length === 2);
      assert.equal(await revoke({ jti: newer.jti }), 1);
      assert.deepEqual(await socket.closed, REVOKED);
      assert.ok(await echoes(young));
    });
  }

  test('ends with that where it was revoked while its channel was lost', async () => {
    const [opener, newer] = party();
    const socket = await moved(opener, newer);
    const young = await live(gate, opener);
    await evict(gate, opener.sub, 'close');
    await revoke({ jti: newer.jti });
    assert.deepEqual(await socket.closed, REVOKED);
    assert.ok(await echoes(young));
  });
});
