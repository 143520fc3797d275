// Tokens and keys as they come in the field: several sources of keys, PEM, newer names of algorithms,
// nested claims, long tokens, and two services that know nothing of each other.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADMITTED, outcome, reasonOf, requestId } from '../../support/answers.mjs';
import { certificate } from '../../support/certificate.mjs';
import { fresh, UNCOUNTED, useGate } from '../../support/gate.mjs';
import { useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { useProvider } from '../../support/session_provider.mjs';
import { bearer, mint, now, SECRET } from '../../support/tokens.mjs';
import { values } from '../../support/http.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const spki = ({ public: key }) => key.export({ type: 'spki', format: 'pem' });

describe('keys', () => {
  const upstream = useUpstream();
  const [pasted, byUrl, stranger] = ['pasted', 'by-url', 'by-url'].map((kid) =>
    makeKey('ES256', kid),
  );
  const server = useServer((request, response) =>
    response.end(JSON.stringify({ keys: [byUrl.jwk] })),
  );
  const gate = useGate(() => ({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      JWT_AUDIENCE: 'any',
      JWT_SECRET: SECRET,
      JWT_JWKS: JSON.stringify({ keys: [pasted.jwk], public_certs: [] }),
      // On this machine, so without TLS.
      JWT_JWKS_URL: `${server.url}/jwks`,
    },
  }));
  for (const [name, make] of [
    ['of the secret', () => mint()],
    ['pasted', () => sign(pasted)],
    ['by URL', () => sign(byUrl)],
  ]) {
    test(`${name} hold together with the others`, async () => {
      assert.deepEqual(await outcome(gate, await make()), ADMITTED);
    });
  }
  test('of strangers do not', async () => {
    const [reason] = await outcome(gate, await sign(stranger));
    assert.equal(reason, 'token_invalid');
    assert.equal((await outcome(gate, mint({}, { key: `${SECRET}x` })))[0], 'token_invalid');
  });
});

describe('keys in PEM', () => {
  const upstream = useUpstream();
  const keys = ['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA'].map((alg) => makeKey(alg));
  const certified = makeKey('RS256');
  const gate = useGate(() => ({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      JWT_JWKS: [...keys.map(spki), certificate(certified)].join('\n'),
    },
  }));
  for (const key of keys) {
    test(`verify ${key.alg}`, async () => {
      assert.deepEqual(await outcome(gate, await sign(key)), ADMITTED);
      const [reason] = await outcome(gate, await sign(makeKey(key.alg)));
      assert.equal(reason, 'token_invalid');
    });
  }
  test('come in certificates too', async () => {
    assert.deepEqual(await outcome(gate, await sign(certified)), ADMITTED);
  });
});

describe('Ed25519', () => {
  const upstream = useUpstream();
  const key = makeKey('EdDSA', 'ed');
  const jwk = { ...key.jwk, alg: 'Ed25519' };
  const gate = useGate({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      JWT_JWKS: JSON.stringify({ keys: [jwk] }),
      JWT_ALGORITHMS: 'Ed25519',
    },
  });
  for (const alg of ['Ed25519', 'EdDSA']) {
    test(`is EdDSA in a token whose alg is ${alg}`, async () => {
      assert.deepEqual(await outcome(gate, await sign(key, {}, { alg })), ADMITTED);
    });
  }
});

describe('claims', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      JWT_SECRET: SECRET,
      SUBJECT_CLAIM: '/user/id',
      ROUTES: [
        { path: '/admin', claims: { '/realm_access/roles': { contains: 'admin' } } },
        { path: '/*' },
      ],
    },
  });
  test('are found by JSON Pointer', async () => {
    const token = (roles) => mint({ realm_access: { roles } });
    assert.deepEqual(await outcome(gate, token(['member', 'admin']), '/admin'), ADMITTED);
    assert.deepEqual(await outcome(gate, token(['member']), '/admin'), [
      'insufficient_scope',
      'the claim /realm_access/roles does not fit',
    ]);
  });
  test('name the subject as SUBJECT_CLAIM says', async () => {
    const answer = await gate.knock(bearer(mint({ user: { id: 'u-7' } })));
    assert.equal(reasonOf(answer), 'admitted');
    const { headers } = upstream.sent(requestId(answer));
    assert.deepEqual(values(headers, 'portcullis-subject'), ['u-7']);
  });
});

describe('a long token', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      JWT_SECRET: SECRET,
      ROUTES: [{ path: '/short', token_max_bytes: 1000 }, { path: '/*' }],
    },
  });
  const padded = (length) => mint({ roles: 'r'.repeat(length) });
  test('of 16 KiB is admitted', async () => {
    const token = padded(12_000);
    assert.ok(token.length > 16_000 && token.length <= 16_384, `${token.length}`);
    assert.deepEqual(await outcome(gate, token), ADMITTED);
  });
  test('is refused beyond TOKEN_MAX_BYTES', async () => {
    assert.deepEqual(await outcome(gate, padded(12_500)), [
      'token_invalid',
      'longer than the 16384 bytes of TOKEN_MAX_BYTES',
    ]);
    assert.deepEqual(await outcome(gate, padded(900), '/short'), [
      'token_invalid',
      'longer than the 1000 bytes of TOKEN_MAX_BYTES',
    ]);
  });
});

describe('the subprotocol bearer', () => {
  const upstream = useUpstream();
  const vars = { ...UNCOUNTED, AUTH: 'optional', JWT_SECRET: SECRET };
  const gate = useGate({ upstream, vars });
  for (const spelling of ['bearer', 'Bearer', 'BEARER']) {
    test(`is recognised as ${spelling}, and the server sees neither it nor the token`, async () => {
      const offer = ['chat', spelling, mint()].join(', ');
      const answer = await gate.knock({ 'Sec-WebSocket-Protocol': offer });
      assert.equal(reasonOf(answer), 'admitted');
      const { headers } = upstream.sent(requestId(answer));
      assert.deepEqual(values(headers, 'sec-websocket-protocol'), ['chat']);
      assert.deepEqual(values(headers, 'portcullis-subject'), ['alice']);
    });
    test(`is answered as ${spelling} where the server chooses nothing`, async () => {
      const answer = await gate.knock({ 'Sec-WebSocket-Protocol': `${spelling}, ${mint()}` });
      assert.equal(reasonOf(answer), 'admitted');
      assert.deepEqual(values(answer.headers, 'sec-websocket-protocol'), [spelling]);
    });
  }
});

describe('two services that name no issuer', () => {
  const upstream = useUpstream();
  const other = `${SECRET} of another service`;
  const gate = useGate({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_SECRET: SECRET,
      RATE_LIMIT_USER: '1/1h',
      JWT_REPLAY: 'reject',
      ROUTES: [{ path: '/one' }, { path: '/other', jwt_secret: other }],
    },
  });
  test('share neither the quota nor the token ids of a subject', async () => {
    const sub = fresh('subject');
    const jti = fresh('jti');
    const one = (id) => mint({ sub, jti: id });
    assert.deepEqual(await outcome(gate, one(jti), '/one'), ADMITTED);
    assert.deepEqual(await outcome(gate, mint({ sub, jti }, { key: other }), '/other'), ADMITTED);
    assert.equal((await outcome(gate, one(fresh('jti')), '/one'))[0], 'rate_limited');
  });
});

describe('a session whose provider writes out what it does not have', () => {
  const upstream = useUpstream();
  const provider = useProvider();
  const gate = useGate(() => ({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      SESSION_URL: `${provider.url}/introspect`,
      SESSION_URL_AUTH: 'Bearer gate',
    },
  }));
  test('is admitted, and lasts as long as the answer', async () => {
    provider.say('s-1', { active: true, sub: 'alice', exp: null, scope: null, aud: null });
    assert.deepEqual(await outcome(gate, 's-1'), ADMITTED);
  });
});

describe('clocks that differ', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...UNCOUNTED, AUTH: 'required', JWT_SECRET: SECRET, JWT_LEEWAY: undefined },
  });
  for (const [name, claims] of [
    ['an iat in the future', () => ({ iat: now() + 5 })],
    ['an nbf in the future', () => ({ nbf: now() + 5 })],
    ['an exp that has just passed', () => ({ exp: now() - 2 })],
  ]) {
    test(`by some seconds are no reason to refuse ${name}`, async () => {
      assert.deepEqual(await outcome(gate, mint(claims())), ADMITTED);
    });
  }
});
