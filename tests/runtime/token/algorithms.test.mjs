// Every signature algorithm from JWT_JWKS, signed by jose and verified on workerd, and every way
// a signature or a key can be wrong. The record's cause tells which check it was that refused.
import assert from 'node:assert/strict';
import { constants, createPublicKey, generateKeyPairSync, sign as signRaw } from 'node:crypto';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { UNCOUNTED, useGate } from '../../support/gate.mjs';
import {
  altered,
  ALGORITHMS,
  claimsOf,
  headerOf,
  makeKey,
  sign,
  signatureOf,
} from '../../support/keys.mjs';
import { seal } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';
import { VECTORS } from '../../support/vectors.mjs';

const SIGNATURE = 'the signature does not verify';
const NO_KEY = 'no key for this alg and kid';
const ALG = 'alg is not one that is verified here';

const trusting = (upstream, keys, vars) =>
  useGate({
    upstream,
    vars: { ...UNCOUNTED, AUTH: 'required', JWT_JWKS: JSON.stringify({ keys }), ...vars },
  });

/** What the client is told, and what the record has as the cause. */
async function outcome(gate, token) {
  const answer = await gate.knock({ Authorization: `Bearer ${token}` });
  const record = await gate.log.record(requestId(answer));
  return [reasonOf(answer), record.cause, record.subject];
}

const admitted = ['admitted', null, 'alice'];
const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** An RSA signature by this algorithm (RFC 7518 §3.3 and §3.5). */
function signAs(alg, signed, key) {
  const bits = Number(alg.slice(2));
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 };
  return signRaw(`sha${bits}`, signed, { key, ...(alg.startsWith('P') && pss) });
}
const invalid = (cause) => ['token_invalid', cause, null];

describe('every algorithm', () => {
  const upstream = useUpstream();
  const keys = ALGORITHMS.map((alg) => makeKey(alg, `key for ${alg}`));
  const gate = trusting(
    upstream,
    keys.map(({ jwk }) => jwk),
  );
  for (const key of keys) {
    test(`${key.alg}: right by kid, without kid, and again from memory`, async () => {
      const token = await sign(key);
      assert.deepEqual(await outcome(gate, token), admitted);
      assert.deepEqual(await outcome(gate, token), admitted);
      assert.deepEqual(await outcome(gate, await sign(key, {}, { kid: undefined })), admitted);
    });
    test(`${key.alg}: tampered with, before and after the right one was seen`, async () => {
      const token = await sign(key, { role: 'guest' });
      const flipped = (at) => {
        const bytes = signatureOf(token);
        bytes[at < 0 ? bytes.length + at : at] ^= 1;
        return altered(token, { signature: bytes });
      };
      const bytes = signatureOf(token);
      const wrong = {
        'other claims': altered(token, { payload: { ...claimsOf(token), role: 'admin' } }),
        'another header': altered(token, { header: { ...headerOf(token), typ: 'x' } }),
        'first bit': flipped(0),
        'last bit': flipped(-1),
        'a byte less': altered(token, { signature: bytes.subarray(0, -1) }),
        'a byte more': altered(token, { signature: Buffer.concat([bytes, Buffer.alloc(1)]) }),
        'twice as long': altered(token, { signature: Buffer.concat([bytes, bytes]) }),
        'all zero': altered(token, { signature: Buffer.alloc(bytes.length) }),
        empty: `${token.split('.').slice(0, 2).join('.')}.`,
        'another key': await sign({ ...makeKey(key.alg), jwk: key.jwk }),
      };
      for (const round of ['before', 'after']) {
        for (const [name, forged] of Object.entries(wrong)) {
          assert.deepEqual(await outcome(gate, forged), invalid(SIGNATURE), `${name}, ${round}`);
        }
        assert.deepEqual(await outcome(gate, token), admitted);
      }
    });
    test(`${key.alg}: under any other alg it is no token`, async () => {
      const token = await sign(key);
      for (const alg of ALGORITHMS.filter((other) => other !== key.alg)) {
        const other = altered(token, { header: { ...headerOf(token), alg } });
        assert.deepEqual(await outcome(gate, other), invalid(NO_KEY), alg);
      }
      for (const alg of ['none', 'NONE', '']) {
        const unsigned = altered(token, { header: { ...headerOf(token), alg } });
        assert.deepEqual(await outcome(gate, unsigned), invalid(ALG), alg);
      }
    });
  }
});

describe('ECDSA signatures that no signer makes', () => {
  const upstream = useUpstream();
  const orders = {
    ES256: 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
    ES384:
      'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
    ES512: `01${'ff'.repeat(32)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`,
  };
  const keys = Object.keys(orders).map((alg) => makeKey(alg));
  const gate = trusting(
    upstream,
    keys.map(({ jwk }) => jwk),
  );
  for (const key of keys) {
    test(`${key.alg}: zero, out of range, DER, wrong length`, async () => {
      const token = await sign(key);
      const good = signatureOf(token);
      const half = good.length / 2;
      const [r, s] = [good.subarray(0, half), good.subarray(half)];
      const order = Buffer.from(orders[key.alg], 'hex');
      assert.equal(order.length, half);
      const zero = Buffer.alloc(half);
      const one = Buffer.from(zero).fill(1, half - 1);
      const most = Buffer.alloc(half, 255);
      const signed = Buffer.from(token.split('.').slice(0, 2).join('.'));
      const hash = `sha${key.alg.slice(2)}`;
      const wrong = {
        'r = s = 0': [zero, zero],
        'r = 0': [zero, s],
        's = 0': [r, zero],
        'r = s = 1': [one, one],
        'r = n': [order, s],
        's = n': [r, order],
        'r = s = n': [order, order],
        'all bits set': [most, most],
        's and r': [s, r],
        DER: [signRaw(hash, signed, key.key)],
        'r padded by a zero': [Buffer.alloc(1), r, Buffer.alloc(1), s],
        'only r': [r],
      };
      for (const [name, parts] of Object.entries(wrong)) {
        const forged = altered(token, { signature: Buffer.concat(parts) });
        assert.deepEqual(await outcome(gate, forged), invalid(SIGNATURE), name);
      }
      assert.deepEqual(await outcome(gate, token), admitted);
    });
  }
});

describe('published examples', () => {
  for (const { name, jwk, token, says } of VECTORS) {
    describe(name, () => {
      const upstream = useUpstream();
      const gate = trusting(upstream, [jwk]);
      test('verifies, and is refused by the check behind the signature', async () => {
        const [reason, cause] = await outcome(gate, token);
        assert.equal(reason, says[0]);
        assert.match(cause, says[1]);
      });
      test('does not verify when one bit of it is another', async () => {
        const bytes = signatureOf(token);
        bytes[bytes.length >> 1] ^= 1;
        const forged = altered(token, { signature: bytes });
        assert.deepEqual(await outcome(gate, forged), invalid(SIGNATURE));
      });
    });
  }
});

describe('algorithm confusion', () => {
  const upstream = useUpstream();
  const keys = ['RS256', 'ES256', 'EdDSA'].map((alg) => makeKey(alg, alg));
  const secret = makeKey('HS256', 'secret');
  const forms = ({ public: key, jwk }) => {
    const pem = key.export({ type: 'spki', format: 'pem' });
    const { kid, alg, ...bare } = jwk;
    return {
      PEM: pem,
      'PEM without its last line break': pem.trimEnd(),
      DER: key.export({ type: 'spki', format: 'der' }),
      'the JWK as published': JSON.stringify(jwk),
      'the JWK with only its key': JSON.stringify(bare),
      'the modulus or point': Buffer.from(jwk.n ?? jwk.x, 'base64url'),
      'the same in base64url': jwk.n ?? jwk.x,
      nothing: '',
    };
  };
  for (const [with_, more] of [
    ['alone', []],
    ['beside an HMAC key', [secret.jwk]],
  ]) {
    describe(`public keys ${with_}`, () => {
      const gate = trusting(upstream, [...keys.map(({ jwk }) => jwk), ...more]);
      for (const key of keys) {
        test(`that of ${key.alg} is no HMAC secret, in any form`, async () => {
          const rows = [];
          for (const [form, bytes] of Object.entries(forms(key))) {
            for (const kid of [key.jwk.kid, undefined, 'secret']) {
              const header = JSON.stringify({ alg: 'HS256', kid });
              const claims = JSON.stringify({ sub: 'alice', exp: 4e9 });
              const forged = seal(header, claims, { key: bytes });
              const reaches = more.length > 0 && kid !== key.jwk.kid;
              rows.push([form, await outcome(gate, forged), invalid(reaches ? SIGNATURE : NO_KEY)]);
            }
          }
          for (const [form, is, mustBe] of rows) assert.deepEqual(is, mustBe, form);
          assert.deepEqual(await outcome(gate, await sign(key)), admitted);
        });
      }
    });
  }
});

describe('JWT_ALGORITHMS', () => {
  const upstream = useUpstream();
  const key = makeKey('RS256', 'one');
  const { alg, ...anyRsa } = key.jwk;
  const gate = trusting(upstream, [anyRsa], { JWT_ALGORITHMS: 'RS256, PS512' });
  test('decides what a key without alg is for', async () => {
    const rows = await Promise.all(
      ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map(async (name) => [
        name,
        await outcome(gate, await sign({ ...key, alg: name })),
      ]),
    );
    for (const [name, seen] of rows) {
      const isListed = name === 'RS256' || name === 'PS512';
      assert.deepEqual(seen, isListed ? admitted : invalid(NO_KEY), name);
    }
    assert.equal(alg, 'RS256');
  });
});

describe('an RSA key that is for all of its algorithms', () => {
  const upstream = useUpstream();
  const key = makeKey('RS256', 'any');
  const { alg, ...anyAlg } = key.jwk;
  const gate = trusting(upstream, [anyAlg]);
  test('verifies no padding and no hash but those that alg names', async () => {
    const names = ALGORITHMS.filter((name) => /^[RP]S/.test(name));
    for (const name of names) {
      const token = await sign({ ...key, alg: name });
      assert.deepEqual(await outcome(gate, token), admitted, name);
      const [, payload] = token.split('.');
      for (const other of names.filter((one) => one !== name)) {
        // Signed over the very bytes that it claims to be.
        const header = encode({ alg: name, kid: 'any' });
        const signed = Buffer.from(`${header}.${payload}`);
        const forged = `${signed}.${signAs(other, signed, key.key).toString('base64url')}`;
        assert.deepEqual(await outcome(gate, forged), invalid(SIGNATURE), `${other} as ${name}`);
      }
    }
    assert.equal(alg, 'RS256');
  });
});

describe('keys that are configuration errors', () => {
  const upstream = useUpstream();
  const rsa = (modulusLength, publicExponent = 65537) =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent });
  const published = ({ publicKey }) => publicKey.export({ format: 'jwk' });
  const private_ = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const ec = createPublicKey(private_).export({ format: 'jwk' });
  const keys = [
    published(rsa(1024)),
    published(rsa(2040)),
    private_.export({ format: 'jwk' }),
    { ...ec, use: 'enc' },
    { ...ec, key_ops: ['sign'] },
    { ...ec, alg: 'ES384' },
    { ...ec, crv: 'P-384' },
    { ...ec, crv: 'secp256k1' },
    { ...published(rsa(2048)), e: 'AQ' },
  ];
  const gate = trusting(upstream, keys);
  test('are told all at once, each by its number, without a private part', async () => {
    assert.equal(reasonOf(await gate.knock()), 'misconfigured');
    const { message } = await gate.log.find(
      ({ level, message }) => level === 'error' && { message },
    );
    const told = message.split('\n').slice(1);
    const expected = [
      /^ {2}JWT_JWKS: key 0: n has 1024 bits; RSA keys have 2048 to 8192$/,
      /^ {2}JWT_JWKS: key 1: n has 2040 bits; /,
      /^ {2}JWT_JWKS: key 2: it is a private key \(it has d\); /,
      /^ {2}JWT_JWKS: key 3: use must be "sig"/,
      /^ {2}JWT_JWKS: key 4: key_ops must hold "verify"$/,
      /^ {2}JWT_JWKS: key 5: alg "ES384" does not fit the key$/,
      /^ {2}JWT_JWKS: key 6: x must have 48 bytes on this curve$/,
      /^ {2}JWT_JWKS: key 7: crv must be "P-256", "P-384" or "P-521"$/,
      /^ {2}JWT_JWKS: key 8: e is not a sound public exponent/,
    ];
    assert.equal(told.length, expected.length, message);
    told.forEach((line, at) => assert.match(line, expected[at]));
    assert.ok(!message.includes(private_.export({ format: 'jwk' }).d));
  });
});

describe('a key of the right form that is no key', () => {
  const upstream = useUpstream();
  const key = makeKey('ES256', 'off the curve');
  const gate = trusting(upstream, [{ ...key.jwk, y: key.jwk.x }]);
  test('verifies nothing, and the cause says that it is the key', async () => {
    const [reason, cause] = await outcome(gate, await sign(key));
    assert.equal(reason, 'token_invalid');
    assert.match(cause, /^the key can't be used: /);
  });
});
