// Key sets by URL from servers that are down, slow or hostile. Each route of one gate has a URL of
// its own, so that none shares what it knows with another.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ADMITTED, outcome, reasonOf } from '../../support/answers.mjs';
import { handshake, useGate } from '../../support/gate.mjs';
import { requestBytes } from '../../support/http.mjs';
import { internet, useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { bearer } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const SITE = 'https://id.example';
const ELSEWHERE = 'https://elsewhere.example';
const MAX_BYTES = 256 * 1024;
const TIMEOUT = 5_000;

const NO_SET = "the key set can't be had: ";

const good = makeKey('EdDSA', 'good');
const secret = makeKey('HS256', 'secret');
const set = (...keys) => JSON.stringify({ keys });
const rsa = (bits, part = 'publicKey') =>
  generateKeyPairSync('rsa', { modulusLength: bits })[part].export({ format: 'jwk' });

/** Name → how the server answers, and what then is the cause; none: the good key is accepted. */
const ANSWERS = {
  'a set': [set(good.jwk)],
  'a set of another type': [set(good.jwk), null, { headers: { 'Content-Type': 'text/html' } }],
  'members that nobody knows': [JSON.stringify({ keys: [good.jwk], next: 1 })],
  'the longest set': [set(good.jwk).padEnd(MAX_BYTES)],
  'usable keys among others': [
    set({ kty: 'EC' }, { ...good.jwk, use: 'enc' }, rsa(1024), secret.jwk, 7, good.jwk),
  ],
  'a longer set': [
    set(good.jwk).padEnd(MAX_BYTES + 1),
    /^the key set is longer than 262144 bytes$/,
  ],
  'an endless one': [undefined, /^the key set is longer than 262144 bytes$/, { endless: true }],
  nothing: ['', /EOF while parsing/],
  'no JSON': ['<html>', /^the key set is not a JSON object: /],
  'an array': [JSON.stringify([good.jwk]), /it is not an object$/],
  'no keys': ['{}', /^the key set has no array keys$/],
  'keys by name': [JSON.stringify({ keys: { good: good.jwk } }), /^the key set has no array keys$/],
  'an empty list': [set(), /^the key set has no usable key$/],
  'too many keys': [set(...Array(129).fill(good.jwk)), /^the key set has more than 128 keys$/],
  'two lists of keys': [`{"keys":[],${set(good.jwk).slice(1)}`, /a member stands twice/],
  'two values of one member': [
    set(good.jwk).replace('"kty"', '"kty":"oct","kty"'),
    /a member stands twice/,
  ],
  'a key in depth': [`{"keys":${'['.repeat(50_000)}`, /recursion limit exceeded/],
  'no UTF-8': [Buffer.concat([Buffer.from(set(good.jwk)), Buffer.from([0xff])]), /.+/],
  'a published secret': [set(secret.jwk), /key 0 is not used: it is a secret, published$/],
  'a private key': [
    set({ ...good.key.export({ format: 'jwk' }), kid: 'good' }),
    /key 0 is not used: it is a private key/,
  ],
  'a weak key': [set(rsa(1024)), /key 0 is not used: n has 1024 bits/],
  'a key to encrypt with': [set({ ...good.jwk, use: 'enc' }), /use must be "sig"/],
  'a server error': [set(good.jwk), /^the provider answered 500$/, { status: 500 }],
  'not found': [set(good.jwk), /^the provider answered 404$/, { status: 404 }],
  'another success': [set(good.jwk), /^the provider answered 203$/, { status: 203 }],
  'a redirect': [
    set(good.jwk),
    /^the provider answered 302$/,
    { status: 302, headers: { Location: `${ELSEWHERE}/jwks` } },
  ],
  'a permanent redirect': [
    '',
    /^the provider answered 308$/,
    { status: 308, headers: { Location: '/a%20set' } },
  ],
};

function answer(request, response) {
  const [body, , { status = 200, headers = {}, endless } = {}] =
    ANSWERS[decodeURIComponent(request.url.slice(1))];
  response.writeHead(status, { 'Content-Type': 'application/jwk-set+json', ...headers });
  if (!endless) return response.end(body);
  const more = () => {
    while (!response.destroyed && response.write(' '.repeat(16_384)));
  };
  response.on('drain', more);
  return more();
}

describe('a server that answers with', () => {
  const upstream = useUpstream();
  const elsewhere = { fetches: 0 };
  const other = useServer((request, response) => {
    elsewhere.fetches += 1;
    response.end(set(good.jwk));
  });
  const server = useServer(answer);
  const names = Object.keys(ANSWERS);
  const gate = useGate(() => ({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_AUDIENCE: 'any',
      ROUTES: names.map((name, at) => ({
        path: `/${at}`,
        jwt_jwks_url: `${SITE}/${encodeURIComponent(name)}`,
      })),
    },
    ...internet({ [SITE]: server.url, [ELSEWHERE]: other.url }),
  }));
  names.forEach((name, at) => {
    const [, cause] = ANSWERS[name];
    test(`${name}: ${cause ? 'nobody gets in' : 'its key is used'}`, async () => {
      const [reason, told] = await outcome(gate, await sign(good), `/${at}`);
      if (!cause) return assert.deepEqual([reason, told], ADMITTED);
      assert.equal(reason, 'provider_unavailable');
      assert.ok(told.startsWith(NO_SET), told);
      assert.match(told.slice(NO_SET.length), cause);
      // And it is told to the operator as well.
      return gate.log.find(
        ({ level, message }) => level === 'warn' && message.includes(told.slice(NO_SET.length)),
      );
    });
  });
  test('a redirect is not followed', () => assert.equal(elsewhere.fetches, 0));
  test('a secret in a set verifies nothing, beside a good key too', async () => {
    const target = `/${names.indexOf('usable keys among others')}`;
    const cause = 'no key for this alg and kid';
    assert.deepEqual(await outcome(gate, await sign(secret), target), ['token_invalid', cause]);
  });
  test('keys that are not used are told, by their number', async () => {
    const told = await gate.log.find(
      ({ message }) => message.includes('usable%20keys') && message.includes('key 2') && message,
    );
    assert.match(told, /key 2 is not used: n has 1024 bits; RSA keys have 2048 to 8192$/);
  });
});

describe('a provider that is down', () => {
  const upstream = useUpstream();
  let keys = [good.jwk];
  const server = useServer((request, response) => response.end(set(...keys)));
  const gate = useGate(() => ({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_AUDIENCE: 'any',
      ROUTES: [
        { path: '/known', jwt_jwks_url: `${SITE}/known` },
        { path: '/unknown', jwt_jwks_url: `${SITE}/unknown` },
      ],
    },
    ...internet({ [SITE]: server.url }),
  }));
  const admission = (target, token) =>
    until(
      () => outcome(gate, token, target),
      ([reason]) => reason === 'admitted',
    );

  test('the last good set serves, without one nobody gets in, and both recover', async () => {
    const token = await sign(good);
    assert.deepEqual(await outcome(gate, token, '/known'), ADMITTED);
    await server.stop();

    const renewed = makeKey('ES256', 'renewed');
    const newer = await sign(renewed);
    for (let at = 0; at < 5; at += 1) {
      assert.deepEqual(await outcome(gate, token, '/known'), ADMITTED);
      const [unknown, told] = await outcome(gate, newer, '/known');
      assert.equal(unknown, 'provider_unavailable', 'the key may be a newer one');
      assert.ok(told.startsWith(NO_SET), told);
      const [reason, cause] = await outcome(gate, token, '/unknown');
      assert.equal(reason, 'provider_unavailable');
      assert.ok(cause.startsWith(NO_SET) && !cause.endsWith('not fetched yet'), cause);
    }

    keys = [renewed.jwk, good.jwk];
    await server.start();
    await Promise.all([admission('/known', newer), admission('/unknown', token)]);
    assert.deepEqual(await outcome(gate, token, '/known'), ADMITTED);
  });
});

describe('a provider that is slow', () => {
  const upstream = useUpstream();
  const asked = [];
  const server = useServer((request, response) => {
    asked.push(request.url);
    // One says nothing at all, the other begins and never ends.
    if (request.url === '/begins') response.write('{"keys":');
  });
  const gate = useGate(() => ({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_AUDIENCE: 'any',
      ROUTES: ['silent', 'begins'].map((name) => ({
        path: `/${name}`,
        jwt_jwks_url: `${SITE}/${name}`,
      })),
    },
    ...internet({ [SITE]: server.url }),
  }));
  test('keeps an upgrade waiting no longer than the time-out, however many wait', async () => {
    const token = await sign(good);
    const began = performance.now();
    const outcomes = await Promise.all(
      ['/silent', '/begins'].flatMap((target) =>
        Array.from({ length: 5 }, () => outcome(gate, token, target)),
      ),
    );
    const took = performance.now() - began;
    for (const seen of outcomes) {
      assert.deepEqual(seen, ['provider_unavailable', `${NO_SET}timed out`]);
    }
    assert.ok(took >= TIMEOUT - 100, `${took} ms`);
    assert.deepEqual(asked.sort(), ['/begins', '/silent']);
  });
});

describe('a fetch that several wait for', () => {
  const upstream = useUpstream();
  const asked = new EventEmitter();
  let answerNow;
  const server = useServer((request, response) => {
    answerNow = () => response.end(set(good.jwk));
    asked.emit(request.url);
  });
  const gate = useGate(() => ({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_AUDIENCE: 'any',
      ROUTES: ['gone', 'late'].map((name) => ({
        path: `/${name}`,
        jwt_jwks_url: `${SITE}/${name}`,
      })),
    },
    ...internet({ [SITE]: server.url }),
  }));
  const knock = async (target) => gate.knock(bearer(await sign(good)), { target, to: gate.direct });

  test('goes on when the client that began it hangs up', async () => {
    const { hostname: host, port } = gate.direct;
    const client = net.connect({ host, port });
    const begun = once(asked, '/gone');
    const headers = handshake(bearer(await sign(good)));
    client.write(requestBytes({ target: '/gone', headers }));
    await begun;
    client.destroy();
    const waiting = knock('/gone');
    // By the time that another attempt was answered, the gate has seen both.
    await gate.knock(bearer('none'), { target: '/late', to: gate.direct });
    answerNow();
    assert.equal(reasonOf(await waiting), 'admitted');
  });

  test('lets a client that comes late wait for its own time', async () => {
    const begun = once(asked, '/late');
    const early = knock('/late');
    await begun;
    // Time itself is what this is about.
    await pause(TIMEOUT / 2);
    const late = knock('/late');
    assert.equal(reasonOf(await early), 'provider_unavailable');
    answerNow();
    assert.equal(reasonOf(await late), 'admitted');
  });
});
