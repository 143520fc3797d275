// The assertion sent upstream, checked by servers that have only the gate's public key.
import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import {
  assertAnswer,
  assertRefused,
  reasonOf,
  requestId,
  STAMPS,
} from '../../support/answers.mjs';
import { openAsserted } from '../../support/asserted.mjs';
import { useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { now, SECRET, withToken as bearer } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

const pair = (kid) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { jwk: { ...privateKey.export({ format: 'jwk' }), kid }, publicKey };
};
const signing = pair('gate-1');
const vars = {
  AUTH: 'optional',
  JWT_SECRET: SECRET,
  ASSERTION_KEY: JSON.stringify(signing.jwk),
};

/** Header and claims of the one assertion that the upstream got for this answer's request. */
function assertionOf(upstream, answer, isSigned) {
  assert.equal(reasonOf(answer), 'admitted');
  const sent = values(upstream.sent(requestId(answer)).headers, 'portcullis-assertion');
  assert.equal(sent.length, 1);
  const [header, claims, signature] = sent[0].split('.');
  const bytes = Buffer.from(signature, 'base64url');
  assert.ok(isSigned(Buffer.from(`${header}.${claims}`), bytes), 'it is signed');
  const read = (part) => JSON.parse(Buffer.from(part, 'base64url'));
  return { header: read(header), claims: read(claims) };
}
const byEd25519 = (signed, bytes) => verify(null, signed, signing.publicKey, bytes);

const readKeys = (gate, more = {}) =>
  gate.send({
    target: '/_portcullis/jwks.json',
    headers: [['Host', 'gate.example']],
    ...more,
  });

describe('an Ed25519 key', () => {
  const upstream = useUpstream();
  const gate = useGate(() => ({ upstream, vars: { ...vars, PLAIN_HTTP: 'proxy' } }));

  test('signs who asks, whence and for whom', async () => {
    const answer = await gate.knock({
      ...bearer({ sub: 'alice', scope: 'read write' }),
      'CF-Connecting-IP': '2001:db8::7',
    });
    const { header, claims } = assertionOf(upstream, answer, byEd25519);
    assert.deepEqual(header, { typ: 'JWT', alg: 'EdDSA', kid: 'gate-1' });
    const { iat, exp, ...rest } = claims;
    assert.ok(Math.abs(iat - now()) < 60 && exp === iat + 60, `${iat} ${exp}`);
    assert.deepEqual(rest, {
      iss: 'portcullis',
      aud: upstream.url.replace('ws:', 'http:'),
      sub: 'alice',
      scope: 'read write',
      ip: '2001:db8::7',
      route: '/*',
      jti: requestId(answer),
    });
  });

  test('signs for nobody too, whatever the client claims', async () => {
    const forged = { 'Portcullis-Assertion': 'x.y.z', 'CF-Connecting-IP': '192.0.2.7' };
    const { claims } = assertionOf(upstream, await gate.knock(forged), byEd25519);
    assert.deepEqual(Object.keys(claims), ['iss', 'aud', 'ip', 'route', 'jti', 'iat', 'exp']);
  });

  test('signs no plain request', async () => {
    const headers = [
      ['Host', 'gate.example'],
      ['Portcullis-Assertion', 'x.y.z'],
    ];
    const answer = await gate.send({ target: '/', headers });
    assert.equal(answer.status, 200);
    const { headers: sent } = upstream.sent(requestId(answer));
    assert.deepEqual(values(sent, 'portcullis-assertion'), []);
  });

  test('is published without its private part', async () => {
    const { d, ...published } = signing.jwk;
    const answer = await readKeys(gate);
    const { keys } = JSON.parse(answer.body);
    assert.deepEqual(keys, [{ ...published, alg: 'EdDSA', use: 'sig' }]);
    assert.ok(!answer.body.includes(d));
    assertAnswer(answer, {
      status: 200,
      headers: {
        ...STAMPS,
        'content-type': 'application/jwk-set+json',
        'cache-control': 'public, max-age=300',
      },
      body: answer.body,
    });
    assert.ok(createPublicKey({ key: keys[0], format: 'jwk' }).equals(signing.publicKey));
    assert.ok(!gate.log.toString().includes(requestId(answer)), 'it is no attempt');
  });

  test('is published to readers alone', async () => {
    const before = upstream.seen.length;
    assertRefused(await readKeys(gate, { method: 'POST' }), 'no_route');
    assertRefused(await readKeys(gate, { target: '/_portcullis/jwks.json/' }), 'no_route');
    assert.equal(upstream.seen.length, before);
  });
});

for (const [alg, hash, bytes] of [
  ['HS256', 'sha256', 32],
  ['HS512', 'sha512', 64],
]) {
  describe(`a key for ${alg}`, () => {
    const upstream = useUpstream();
    const secret = Buffer.alloc(bytes, 7);
    const jwk = { kty: 'oct', alg, k: secret.toString('base64url') };
    const gate = useGate(() => ({
      upstream,
      vars: { ...vars, ASSERTION_KEY: JSON.stringify(jwk) },
    }));
    test('signs, and is not published', async () => {
      const isSigned = (signed, bytes) =>
        createHmac(hash, secret).update(signed).digest().equals(bytes);
      const answer = await gate.knock(bearer({ sub: 'alice' }));
      const { header, claims } = assertionOf(upstream, answer, isSigned);
      assert.deepEqual([header.alg, claims.sub], [alg, 'alice']);
      assertRefused(await readKeys(gate), 'no_route');
    });
  });
}

describe('without a key', () => {
  const upstream = useUpstream();
  const gate = useGate(() => ({ upstream, vars: { ...vars, ASSERTION_KEY: undefined } }));
  test('there is no assertion, not even a client’s own, and no key set', async () => {
    const answer = await gate.knock({ 'Portcullis-Assertion': 'x.y.z' });
    const { headers } = upstream.sent(requestId(answer));
    assert.deepEqual(values(headers, 'portcullis-assertion'), []);
    assertRefused(await readKeys(gate), 'no_route');
  });
});

describe('routes', () => {
  const upstream = useUpstream();
  const other = pair('gate-2');
  const gate = useGate(() => ({
    upstream,
    vars: { ...vars, ROUTES: [{ path: '/a' }, { path: '/b', assertion_key: other.jwk }] },
  }));
  test('may each have a key, and all are published', async () => {
    const { keys } = JSON.parse((await readKeys(gate)).body);
    assert.deepEqual(
      keys.map(({ kid }) => kid),
      ['gate-1', 'gate-2'],
    );
    const answer = await gate.knock({}, { target: '/b' });
    const { header } = assertionOf(upstream, answer, (signed, bytes) =>
      verify(null, signed, other.publicKey, bytes),
    );
    assert.equal(header.kid, 'gate-2');
  });
});

describe('a key that is none', () => {
  const gate = useGate(() => ({
    vars: {
      ...vars,
      UPSTREAM_URL: 'ws://127.0.0.1:1',
      ASSERTION_KEY: JSON.stringify({ ...signing.jwk, x: pair().jwk.x }),
    },
  }));
  test('lets nobody through, and is not logged', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    assertRefused(await readKeys(gate), 'misconfigured');
    await gate.log.find(({ message }) => /ASSERTION_KEY: x does not belong to d/.test(message));
    assert.ok(!gate.log.toString().includes(signing.jwk.d));
  });
});

describe('the server of docs/headers.md', () => {
  let port;
  let server;
  const gate = useGate(async () => {
    port = await deadPort();
    return { vars: { ...vars, UPSTREAM_URL: `ws://127.0.0.1:${port}` } };
  });
  before(async () => {
    const self = `http://127.0.0.1:${port}`;
    server = await openAsserted({ gate: gate.url.origin, self });
    await server.listen(port);
  });
  after(() => server?.stop());

  test('greets who comes through the gate', async () => {
    const { Authorization } = bearer({ sub: 'alice' });
    const url = new URL(gate.url);
    url.protocol = 'ws:';
    const headers = { Authorization };
    const socket = new WebSocket(url, { origin: 'https://app.example', headers });
    const [greeting] = await once(socket, 'message');
    socket.terminate();
    assert.equal(String(greeting), 'hello alice');
  });

  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = encode({ typ: 'JWT', alg: 'EdDSA', kid: 'gate-1' });
  const rows = [
    ['without an assertion', undefined],
    ['with one that is unsigned', `${header}.${encode({ sub: 'root' })}.`],
    ['with one of no algorithm', `${encode({ alg: 'none' })}.${encode({ sub: 'root' })}.`],
  ];
  for (const [name, assertion] of rows) {
    test(`turns away who comes past it ${name}`, async () => {
      const headers = assertion ? { 'Portcullis-Assertion': assertion } : {};
      const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers });
      const [request, { statusCode }] = await once(socket, 'unexpected-response');
      request.destroy();
      assert.equal(statusCode, 403);
    });
  }
});
