// Opaque sessions at the gate, verified by a real introspection endpoint.
import assert from 'node:assert/strict';
import net from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { handshake, useGate } from '../../support/gate.mjs';
import { requestBytes, values } from '../../support/http.mjs';
import { internet } from '../../support/internet.mjs';
import { sendJson, useProvider } from '../../support/session_provider.mjs';
import { bearer, mint, now, SECRET } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

const reaching = (url) => internet({ 'https://id.example': url });
const PASSWORD = 'Z2F0ZTpvcGVuIHNlc2FtZQ';
const vars = {
  AUTH: 'required',
  SESSION_URL: 'https://id.example/introspect?realm=a',
  SESSION_URL_AUTH: `Basic ${PASSWORD}`,
  TOKEN_SOURCES: 'header,subprotocol,cookie:sid,query:sid',
};

let sessions = 0;
/** A session id that no test used before, with what a form must escape. */
const freshId = () => `session+${(sessions += 1)}/&=`;
const cookie = (id) => ({ Cookie: `sid=${id}` });

const useAll = (more = {}) => {
  const upstream = useUpstream();
  const provider = useProvider();
  const gate = useGate(() => ({
    upstream,
    vars: { ...vars, ...more },
    ...reaching(provider.url),
  }));
  return { upstream, provider, gate };
};

const causeOf = async (gate, answer) => (await gate.log.record(requestId(answer))).cause;
const RETRY = { headers: { 'retry-after': '5' } };
const UNVERIFIED = "the session can't be verified: ";

describe('a session', () => {
  const { upstream, provider, gate } = useAll();

  test('that is active is admitted, with its identity for the upstream', async () => {
    const id = freshId();
    provider.say(id, { active: true, sub: 'zo\u00eb', scope: 'read write', exp: now() + 60 });
    const answer = await gate.knock(bearer(id));
    assert.equal(reasonOf(answer), 'admitted');
    const { headers } = upstream.sent(requestId(answer));
    assert.deepEqual(values(headers, 'portcullis-subject'), ['zo%C3%AB']);
    assert.deepEqual(values(headers, 'portcullis-scopes'), ['read write']);
    const { subject, alg, kid, outcome } = await gate.log.record(requestId(answer));
    assert.deepEqual(
      { subject, alg, kid, outcome },
      { subject: 'zo\u00eb', alg: null, kid: null, outcome: 'admitted' },
    );
  });

  test('is asked about as RFC 7662 says', async () => {
    const id = freshId();
    await gate.knock(bearer(id));
    const [{ method, url, headers, body }] = provider.asked(id);
    assert.deepEqual(
      [method, url, headers.accept, headers['content-type'], headers.authorization, body],
      [
        'POST',
        '/introspect?realm=a',
        'application/json',
        'application/x-www-form-urlencoded',
        `Basic ${PASSWORD}`,
        `token=${encodeURIComponent(id)}&token_type_hint=access_token`,
      ],
    );
  });

  test('that is not active is refused', async () => {
    const id = freshId();
    const before = upstream.seen.length;
    const answer = await gate.knock(bearer(id));
    assertRefused(answer, 'token_invalid');
    assert.equal(await causeOf(gate, answer), 'the session is not active');
    assert.equal(upstream.seen.length, before);
  });

  test('that a form can’t tell apart is another', async () => {
    provider.say('a&token=b', { active: true, sub: 'a' });
    provider.say('b', { active: true, sub: 'b' });
    const subject = async (id) =>
      (await gate.log.record(requestId(await gate.knock(bearer(id))))).subject;
    assert.deepEqual([await subject('a&token=b'), await subject('b')], ['a', 'b']);
  });

  test('that has expired is refused as such, whatever its provider says', async () => {
    const id = freshId();
    provider.say(id, { active: true, sub: 'alice', exp: now() - 1 });
    assertRefused(await gate.knock(bearer(id)), 'token_expired');
  });

  test('JWTs are sessions where no keys are set', async () => {
    const token = mint();
    provider.say(token, { active: true, sub: 'bob' });
    const { subject, alg } = await gate.log.record(requestId(await gate.knock(bearer(token))));
    assert.deepEqual([subject, alg], ['bob', null]);
  });

  const places = [
    ['header', bearer, () => '/a?b=1', { url: '/a?b=1' }],
    ['cookie', (id) => ({ Cookie: `a=1; sid=${id}` }), () => '/', { cookie: 'a=1' }],
    ['subprotocol', (id) => ({ 'Sec-WebSocket-Protocol': `bearer, ${id}` }), () => '/', {}],
    ['query', () => ({}), (id) => `/a?b=1&sid=${id}`, { url: '/a?b=1' }],
  ];
  for (const [name, headers, target, left] of places) {
    test(`never reaches the upstream: ${name}`, async () => {
      const id = `opaque-${(sessions += 1)}-0123456789abcdef`;
      provider.say(id, { active: true, sub: 'alice' });
      const answer = await gate.knock(headers(id), { target: target(id) });
      assert.equal(reasonOf(answer), 'admitted');
      const sent = upstream.sent(requestId(answer));
      assert.ok(!JSON.stringify([sent, answer.headers]).includes(id));
      assert.equal(sent.url, left.url ?? '/');
      assert.deepEqual(values(sent.headers, 'cookie'), [left.cookie].filter(Boolean));
    });
  }

  test('nothing of it or of the gate’s password stands in the log', async () => {
    const id = 'secret-session-fedcba9876543210';
    provider.say(id, (response) => sendJson(response, `{"active":true,"x":"${id}"`));
    const answer = await gate.knock(cookie(id));
    assertRefused(answer, 'provider_unavailable', RETRY);
    await gate.log.record(requestId(answer));
    const log = gate.log.toString();
    assert.ok(!log.includes(id) && !log.includes(PASSWORD));
  });
});

describe('one question serves', () => {
  const { provider, gate } = useAll();
  /** A session whose provider says nothing until `answerNow`. */
  const held = (id) => {
    let answer;
    const isAllowed = new Promise((resolve) => (answer = resolve));
    provider.say(id, async (response) => {
      await isAllowed;
      sendJson(response, { active: true, sub: 'alice' });
    });
    return { answerNow: answer };
  };
  /** Later requests were answered there, so what came before them was taken in. */
  const othersWereServed = (to) =>
    Promise.all(Array.from({ length: 10 }, () => gate.knock(bearer(freshId()), { to })));

  test('every request for a while', async () => {
    const id = freshId();
    provider.say(id, { active: true, sub: 'alice' });
    assert.equal(reasonOf(await gate.knock(bearer(id))), 'admitted');
    // What it says later is not heard, nor that it fails.
    for (const later of [{ active: false }, (response) => response.destroy()]) {
      provider.say(id, later);
      assert.equal(reasonOf(await gate.knock(cookie(id))), 'admitted');
    }
    assert.equal(provider.asked(id).length, 1);
  });

  test('the inactive as well', async () => {
    const id = freshId();
    for (let at = 0; at < 3; at += 1) {
      assert.equal(reasonOf(await gate.knock(bearer(id))), 'token_invalid');
    }
    assert.equal(provider.asked(id).length, 1);
  });

  test('a storm of 50 clients', async () => {
    const id = freshId();
    const { answerNow } = held(id);
    const headers = { headers: cookie(id) };
    const clients = Array.from({ length: 50 }, () => gate.connect(headers));
    await provider.wasAsked(id);
    await othersWereServed();
    answerNow();
    const sockets = await Promise.all(clients);
    assert.deepEqual([...new Set(sockets.map((socket) => socket.readyState))], [1]);
    assert.equal(provider.asked(id).length, 1);
  });

  test('those who wait when the client that asked first is gone', async () => {
    const id = freshId();
    const { answerNow } = held(id);
    // Straight to workerd, which then notices that the client is gone.
    const { hostname: host, port } = gate.direct;
    const client = net.connect({ host, port });
    client.write(requestBytes({ headers: handshake(cookie(id)) }));
    await provider.wasAsked(id);
    client.destroy();
    await othersWereServed(gate.direct);
    const waiting = gate.knock(cookie(id), { to: gate.direct });
    await othersWereServed(gate.direct);
    answerNow();
    assert.equal(reasonOf(await waiting), 'admitted');
    assert.equal(provider.asked(id).length, 1);
  });
});

describe('SESSION_CACHE=0s', () => {
  const { provider, gate } = useAll({ SESSION_CACHE: '0s' });
  test('each request is a question', async () => {
    const id = freshId();
    provider.say(id, { active: true, sub: 'alice' });
    assert.equal(reasonOf(await gate.knock(bearer(id))), 'admitted');
    provider.say(id, { active: false });
    assert.equal(reasonOf(await gate.knock(bearer(id))), 'token_invalid');
    assert.equal(provider.asked(id).length, 2);
  });
});

describe('a session that ends', () => {
  const { provider, gate } = useAll();
  test('is over at its exp, cached or not, unless it was prolonged', async () => {
    const [ends, lasts] = [freshId(), freshId()];
    const exp = now() + 3;
    for (const id of [ends, lasts]) {
      provider.say(id, { active: true, sub: 'alice', exp });
      assert.equal(reasonOf(await gate.knock(bearer(id))), 'admitted');
    }
    provider.say(lasts, { active: true, sub: 'alice', exp: exp + 60 });
    await wait(exp * 1000 - Date.now() + 50);
    assert.equal(reasonOf(await gate.knock(bearer(ends))), 'token_expired');
    assert.equal(reasonOf(await gate.knock(bearer(lasts))), 'admitted');
  });
});

describe('a provider that', () => {
  const { upstream, provider, gate } = useAll();
  const active = { active: true, sub: 'alice' };
  const send = (status, headers, body) => (response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
  const typed = { 'Content-Type': 'application/json' };
  const rows = [
    ['answers 500', send(500, typed, JSON.stringify(active)), 'the provider answered 500'],
    ['answers 401', send(401, {}, ''), 'the provider answered 401'],
    [
      'redirects',
      send(307, { Location: 'https://id.example/elsewhere' }, ''),
      'the provider answered 307',
    ],
    [
      'answers with a page',
      send(200, { 'Content-Type': 'text/html' }, JSON.stringify(active)),
      "the provider's answer is not of type application/json",
    ],
    ['says no JSON', send(200, typed, 'true!'), /^the provider's answer: /],
    ['says nothing', send(200, typed, ''), /^the provider's answer: EOF/],
    ['says it twice', send(200, typed, '{"active":false,"active":true}'), /a member stands twice/],
    [
      'says "true"',
      send(200, typed, '{"active":"true"}'),
      "the provider's answer has no boolean active",
    ],
    ['says it in no UTF-8', send(200, typed, Buffer.from([0x7b, 0xff, 0x7d])), /./],
    [
      'does not stop',
      (response) => {
        response.writeHead(200, typed);
        const more = setInterval(() => response.write(' '.repeat(8192)), 1);
        response.on('close', () => clearInterval(more));
      },
      "the provider's answer is longer than 65536 bytes",
    ],
    ['hangs up', (response) => response.destroy(), /./],
    [
      'hangs up midway',
      (response) => {
        response.writeHead(200, { ...typed, 'Content-Length': 100 });
        response.write('{"active":true,');
        setTimeout(() => response.destroy(), 50);
      },
      /./,
    ],
    ['is silent', () => {}, 'timed out'],
    [
      'stops midway',
      (response) => {
        response.writeHead(200, typed);
        response.write('{"active":true,');
      },
      'timed out',
    ],
  ];
  for (const [name, answer, expected] of rows) {
    test(`${name} vouches for nobody`, async () => {
      const id = freshId();
      provider.say(id, answer);
      const before = upstream.seen.length;
      const refused = await gate.knock(bearer(id));
      assertRefused(refused, 'provider_unavailable', RETRY);
      const cause = await causeOf(gate, refused);
      assert.ok(cause.startsWith(UNVERIFIED), cause);
      const failure = cause.slice(UNVERIFIED.length);
      if (typeof expected === 'string') assert.equal(failure, expected);
      else assert.match(failure, expected);
      assert.deepEqual([provider.asked(id).length, upstream.seen.length], [1, before]);
      // The failure said nothing of the session.
      provider.say(id, active);
      assert.equal(reasonOf(await gate.knock(bearer(id))), 'admitted');
    });
  }
});

describe('a provider that is down', () => {
  const upstream = useUpstream();
  const gate = useGate(async () => ({
    upstream,
    vars,
    ...reaching(`http://127.0.0.1:${await deadPort()}`),
  }));
  test('vouches for nobody', async () => {
    const refused = await gate.knock(cookie(freshId()));
    assertRefused(refused, 'provider_unavailable', RETRY);
    assert.ok((await causeOf(gate, refused)).startsWith(UNVERIFIED));
  });
});

describe('sessions beside keys', () => {
  const { provider, gate } = useAll({ JWT_SECRET: SECRET, JWT_AUDIENCE: 'chat' });
  const rows = [
    ['a JWT by its key', () => mint({ aud: 'chat' }), undefined, 'admitted', 0],
    ['a forged one', () => `${mint({ aud: 'chat' })}AAAA`, { active: true }, 'token_invalid', 0],
    ['a session', freshId, { active: true, aud: ['chat'] }, 'admitted', 1],
    ['a session for another audience', freshId, { active: true, aud: 'x' }, 'token_invalid', 1],
    ['a session for no audience', freshId, { active: true }, 'token_invalid', 1],
  ];
  for (const [name, credential, says, expected, asked] of rows) {
    test(`${expected}: ${name}`, async () => {
      const id = credential();
      if (says) provider.say(id, says);
      assert.equal(reasonOf(await gate.knock(bearer(id))), expected);
      assert.equal(provider.asked(id).length, asked);
    });
  }
});
