// What a stranger can see of live sockets and their endpoints, beyond what tests of each part show.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { administer, ADMIN_TOKEN, done, live, WATCHED } from '../../support/admin.mjs';
import { assertRefused, readable, reasonOf, requestId } from '../../support/answers.mjs';
import { closeFrame } from '../../support/closing.mjs';
import { fresh, freshAddress, ORIGIN, UNCOUNTED, useGate } from '../../support/gate.mjs';
import { internet } from '../../support/internet.mjs';
import { useProvider } from '../../support/session_provider.mjs';
import { bearer, mint, now, SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const freshName = () => fresh('stranger');
const listed = async (gate, sub) => (await done(gate, 'GET', `sockets?sub=${sub}`)).sockets;

const refresh = (gate, token) =>
  gate.call('POST', '/_portcullis/refresh', { headers: bearer(token, { Origin: ORIGIN }) });

describe('a refresh with a session', () => {
  const upstream = useUpstream();
  const provider = useProvider();
  const gate = useGate(() => ({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      SESSION_URL: 'https://id.example/introspect',
      SESSION_URL_AUTH: 'Basic Z2F0ZTpvcGVuIHNlc2FtZQ',
      SESSION_CACHE: '5m',
      CLOSE_ON_EXPIRY: 'true',
      ADMIN_TOKEN,
    },
    ...internet({ 'https://id.example': provider.url }),
  }));

  test('moves the end to what its provider says by now', async () => {
    const [id, sub, exp] = [freshName(), freshName(), now() + 60];
    provider.say(id, { active: true, sub, exp });
    await gate.connect({ headers: bearer(id) });
    provider.say(id, { active: true, sub, exp: exp + 600 });
    const answer = await refresh(gate, id);
    assert.equal(answer.status, 200, answer.body);
    const [{ expires }] = await listed(gate, sub);
    assert.equal(expires, exp + 600);
    assert.ok(JSON.parse(answer.body).expires_in > 300, answer.body);
    assert.equal(provider.asked(id).length, 2);
  });
  test('moves it by the whole time that an answer without an end counts', async () => {
    const [id, sub] = [freshName(), freshName()];
    provider.say(id, { active: true, sub });
    await gate.connect({ headers: bearer(id) });
    const answer = await refresh(gate, id);
    assert.equal(JSON.parse(answer.body).sockets, 1, answer.body);
    assert.equal(provider.asked(id).length, 2);
  });
  test('is refused if that ended meanwhile', async () => {
    const [id, sub] = [freshName(), freshName()];
    provider.say(id, { active: true, sub });
    await gate.connect({ headers: bearer(id) });
    provider.say(id, { active: false });
    assert.equal(reasonOf(await refresh(gate, id)), 'token_invalid');
  });
});

describe('live sockets that never expire', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED });

  test('can’t be refreshed', async () => {
    const sub = freshName();
    await live(gate, { sub });
    const answer = await refresh(gate, mint({ sub, exp: now() + 900 }));
    assertRefused(answer, 'no_route', { headers: readable(ORIGIN) });
  });
  test('are listed by their age, the oldest where there are too many', async () => {
    const sub = freshName();
    const oldest = await live(gate, { sub });
    const open = () => live(gate, { sub });
    for (let at = 0; at < 20; at += 1) await Promise.all(Array.from({ length: 50 }, open));
    const { sockets, truncated } = await done(gate, 'GET', 'sockets');
    assert.equal(sockets.length, 1000);
    assert.ok(truncated);
    assert.ok(sockets.some(({ id }) => id === requestId({ headers: oldest.answer })));
    const times = sockets.map(({ since }) => since);
    assert.deepEqual(
      times,
      times.toSorted((one, other) => one - other),
    );
  });
});

describe('what an administrator is answered', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED });

  test('about a revocation that is repeated says how long it lasts in all', async () => {
    const body = { jti: freshName(), for: '10d' };
    const { until } = await done(gate, 'PUT', 'revocations', { body });
    const again = await done(gate, 'PUT', 'revocations', { body: { ...body, for: '1h' } });
    assert.equal(again.until, until);
  });
  for (const network of ['198.51.100.0/24', '2001:db8::%2F48']) {
    test(`about the network ${network} is not that it is banned`, async () => {
      const answer = await administer(gate, 'PUT', `bans/${network}`);
      assert.equal(answer.status, 400);
      assert.match(JSON.parse(answer.body).detail, /is no network that is counted/);
    });
  }
});

/** A Worker that asks an object of the registry to register a socket with this many tags. */
const ASKER = `
export default {
  async fetch(request, { REGISTRY }) {
    const keys = await request.json();
    const socket = {
      id: 'a', sub: null, sid: null, ip: '192.0.2.1', route: '/', origin: null, since: 1,
      expires: null, has_token: false, issued: null, realm: '',
    };
    const entry = JSON.stringify({ socket, keys, owner: keys[0] });
    const query = new URLSearchParams({ entry, again: false, expires: 0 });
    const headers = { Upgrade: 'websocket' };
    const asked = REGISTRY.getByName('0').fetch('https://registry/?' + query, { headers });
    return asked.then(
      (response) => new Response(response.headers.get('answer')),
      (error) => new Response(error.message),
    );
  },
};`;

describe('an object of the registry that can’t take a socket', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: WATCHED,
    workers: [
      {
        name: 'asker',
        modules: true,
        script: ASKER,
        compatibilityDate: '2026-07-15',
        durableObjects: {
          REGISTRY: { className: 'Registry', scriptName: 'gate', useSQLite: true },
        },
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      },
    ],
  });

  test('says so, and others are taken', async () => {
    const url = await gate.miniflare.unsafeGetDirectURL('asker');
    const register = async (count) => {
      const body = JSON.stringify(Array.from({ length: count }, (_, at) => `tag ${at}`));
      return (await fetch(url, { method: 'POST', body })).text();
    };
    // As with more sockets than an object holds, the platform accepts none with so many tags.
    assert.match(await register(11), /more than 10 tags/);
    assert.equal(await register(10), '{"admitted":{"denials_exist":false}}');
  });
});

describe('the slot of a socket is free', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      JWT_SECRET: SECRET,
      ADMIN_TOKEN,
      CLOSE_ON_EXPIRY: 'true',
      MAX_SOCKETS_USER: '1',
      MAX_SOCKETS_IP: '1',
      ROUTES: JSON.stringify([
        { path: '/' },
        { path: '/idle', idle_timeout: '1s' },
        { path: '/brief', max_lifetime: '1s' },
        { path: '/small', max_message_bytes: '5' },
        { path: '/slow', message_rate: '1/1h' },
      ]),
    },
  });
  const lastOfUpstream = () => [...upstream.sockets.clients].at(-1);

  for (const [name, { target = '/', life = 300, end }] of [
    ['its client vanishes', { end: (socket) => socket.terminate() }],
    ['its upstream vanishes', { end: () => lastOfUpstream().terminate() }],
    [
      'its upstream closes with a code that can’t be passed on',
      { end: () => lastOfUpstream()._socket.write(closeFrame(1006)) },
    ],
    ['it is disconnected', { end: (_, sub) => done(gate, 'DELETE', `sockets?sub=${sub}`) }],
    [
      'it is revoked',
      { end: (_, sub) => done(gate, 'PUT', 'revocations', { body: { jti: sub } }) },
    ],
    ['its token expires', { life: 5 }],
    ['nobody speaks', { target: '/idle' }],
    ['its life is over', { target: '/brief' }],
    ['a message is too big', { target: '/small', end: (socket) => socket.send('123456') }],
    [
      'there are too many messages',
      { target: '/slow', end: (socket) => ['1', '2'].forEach((text) => socket.send(text)) },
    ],
  ]) {
    test(`when ${name}`, async () => {
      const sub = freshName();
      const headers = { 'CF-Connecting-IP': freshAddress() };
      const claims = { sub, jti: sub, exp: now() + life };
      const socket = await live(gate, claims, { target, headers });
      const again = () => gate.connect({ headers: { ...headers, ...bearer(mint({ sub })) } });
      // What ends by itself may have ended already on a busy machine.
      if (end) assert.equal(reasonOf(await again()), 'too_many_sockets');
      await end?.(socket, sub);
      await socket.closed;
      let next;
      do {
        next = await again();
      } while (!next.answer && reasonOf(next) === 'too_many_sockets');
      assert.ok(next.answer, next.body);
      next.close();
      await once(next, 'close');
    });
  }
});
