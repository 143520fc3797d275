// Tokens at the gate: keys, algorithms and claims as settings, by real clients.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { ed25519, mint, now, SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const knockWith = async (gate, token) =>
  reasonOf(await gate.knock(token ? { Authorization: `Bearer ${token}` } : {}));

/** Runs rows of `[name, token or what makes one, expected reason]`. */
function table(gate, rows) {
  for (const [name, token, reason] of rows) {
    test(`${reason}: ${name}`, async () => {
      assert.equal(await knockWith(gate, typeof token === 'function' ? token() : token), reason);
    });
  }
}

const required = (upstream, vars) => useGate({ upstream, vars: { AUTH: 'required', ...vars } });

describe('JWT_SECRET as text', () => {
  const upstream = useUpstream();
  table(
    required(upstream, { JWT_SECRET: SECRET }),
    ['HS256', 'HS384', 'HS512'].map((alg) => [alg, mint({}, { alg }), 'admitted']),
  );
});

describe('JWT_SECRET in base64, as long as SHA-384', () => {
  const upstream = useUpstream();
  const key = Buffer.from(Array.from({ length: 48 }, (_, at) => 255 - at));
  const gate = required(upstream, { JWT_SECRET: `base64:${base64(key)}` });
  table(gate, [
    ['HS256', mint({}, { key }), 'admitted'],
    ['HS384', mint({}, { key, alg: 'HS384' }), 'admitted'],
    ['HS512, for which it is too short', mint({}, { key, alg: 'HS512' }), 'token_invalid'],
    ['the text itself as key', mint({}, { key: `base64:${base64(key)}` }), 'token_invalid'],
  ]);
});

describe('JWT_ALGORITHMS', () => {
  const upstream = useUpstream();
  table(required(upstream, { JWT_SECRET: SECRET, JWT_ALGORITHMS: 'HS384, HS512' }), [
    ['one of them', mint({}, { alg: 'HS384' }), 'admitted'],
    ['another that the key could be for', mint({}, { alg: 'HS256' }), 'token_invalid'],
  ]);
});

describe('JWT_JWKS', () => {
  const upstream = useUpstream();
  const one = ed25519('one');
  const two = ed25519('two');
  const stranger = ed25519('one');
  const shared = Buffer.alloc(64, 5);
  const keys = [
    one.jwk,
    { ...two.jwk, use: 'sig', alg: 'EdDSA' },
    { kty: 'oct', kid: 'shared', alg: 'HS512', k: shared.toString('base64url') },
  ];
  const eddsa = (pair, kid) =>
    mint({}, { alg: 'EdDSA', key: pair.key, header: kid ? { kid } : {} });
  const hmac = (alg, key, kid) => mint({}, { alg, key, header: { kid } });
  const publicBytes = Buffer.from(one.jwk.x, 'base64url');
  const gate = required(upstream, { JWT_JWKS: JSON.stringify({ keys }) });
  table(gate, [
    ['EdDSA by its kid', eddsa(one, 'one'), 'admitted'],
    ['EdDSA by another kid', eddsa(two, 'two'), 'admitted'],
    ['EdDSA without a kid', eddsa(two), 'admitted'],
    ['HS512 by an oct key', hmac('HS512', shared, 'shared'), 'admitted'],
    ['HS256 by an oct key for HS512', hmac('HS256', shared, 'shared'), 'token_invalid'],
    ['a kid of another key', eddsa(one, 'two'), 'token_invalid'],
    ['a kid that no key has', eddsa(one, 'three'), 'token_invalid'],
    ['another key under a known kid', eddsa(stranger, 'one'), 'token_invalid'],
    ['the public key as HMAC key', hmac('HS256', publicBytes, 'one'), 'token_invalid'],
    [
      'a key that the token brings along',
      mint({}, { alg: 'EdDSA', key: stranger.key, header: { jwk: stranger.jwk } }),
      'token_invalid',
    ],
  ]);
  test('the record tells alg and kid', async () => {
    const answer = await gate.knock({ Authorization: `Bearer ${eddsa(two, 'two')}` });
    const { alg, kid, subject } = await gate.log.record(requestId(answer));
    assert.deepEqual({ alg, kid, subject }, { alg: 'EdDSA', kid: 'two', subject: 'alice' });
  });
});

describe('claims that settings ask for', () => {
  const upstream = useUpstream();
  const gate = required(upstream, {
    JWT_SECRET: SECRET,
    JWT_ISSUER: 'https://id.example https://id2.example',
    JWT_AUDIENCE: 'chat',
    JWT_LEEWAY: '1m',
    JWT_MAX_AGE: '1h',
  });
  const good = () => ({ iss: 'https://id.example', aud: 'chat', iat: now() });
  const with_ = (claims) => () => mint({ ...good(), ...claims() });
  table(gate, [
    ['all right', with_(() => ({})), 'admitted'],
    ['the other issuer', with_(() => ({ iss: 'https://id2.example' })), 'admitted'],
    ['several audiences', with_(() => ({ aud: ['mail', 'chat'] })), 'admitted'],
    ['exp within the leeway', with_(() => ({ exp: now() - 50 })), 'admitted'],
    ['nbf within the leeway', with_(() => ({ nbf: now() + 50 })), 'admitted'],
    ['iat within the leeway', with_(() => ({ iat: now() + 50 })), 'admitted'],
    ['max age within the leeway', with_(() => ({ iat: now() - 3650 })), 'admitted'],
    ['exp beyond the leeway', with_(() => ({ exp: now() - 70 })), 'token_expired'],
    ['older than the max age', with_(() => ({ iat: now() - 3670 })), 'token_expired'],
    ['nbf beyond the leeway', with_(() => ({ nbf: now() + 70 })), 'token_invalid'],
    ['iat beyond the leeway', with_(() => ({ iat: now() + 70 })), 'token_invalid'],
    ['another issuer', with_(() => ({ iss: 'https://id.example.evil' })), 'token_invalid'],
    ['no issuer', with_(() => ({ iss: undefined })), 'token_invalid'],
    ['another audience', with_(() => ({ aud: 'mail' })), 'token_invalid'],
    ['no audience', with_(() => ({ aud: undefined })), 'token_invalid'],
    ['no iat', with_(() => ({ iat: undefined })), 'token_invalid'],
    ['expired and for another audience', with_(() => ({ exp: 1, aud: 'mail' })), 'token_invalid'],
  ]);
});

describe('AUTH=optional', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { AUTH: 'optional', JWT_SECRET: SECRET } });
  table(gate, [
    ['no token', undefined, 'admitted'],
    ['a good one', mint(), 'admitted'],
    ['a bad one', 'x', 'token_invalid'],
    ['an expired one', mint({ exp: 1 }), 'token_expired'],
  ]);
  test('without a token the upstream gets no identity, whatever the client claims', async () => {
    const answer = await gate.knock({ 'Portcullis-Subject': 'root', 'Portcullis-Scopes': 'all' });
    const { headers } = upstream.sent(requestId(answer));
    assert.deepEqual(values(headers, 'portcullis-subject'), []);
    assert.deepEqual(values(headers, 'portcullis-scopes'), []);
  });
});

describe('AUTH=off', () => {
  const upstream = useUpstream();
  table(useGate({ upstream, vars: { AUTH: 'off' } }), [
    ['no token', undefined, 'admitted'],
    ['any token', 'x', 'admitted'],
  ]);
});
