// JSON Web Tokens, right and wrong.
import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';

export const SECRET = 'a secret of the tests, long enough for SHA-512: 0123456789abcdefghij';
const HASHES = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

const encode = (text) => Buffer.from(text).toString('base64url');
export const now = () => Math.floor(Date.now() / 1000);

/** An Ed25519 key pair: `key` to sign with, `jwk` to publish. */
export function ed25519(kid) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { key: privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid } };
}

/** Signs texts as they are, well-formed or not. */
export function seal(header, payload, { alg = 'HS256', key = SECRET } = {}) {
  const signed = `${encode(header)}.${encode(payload)}`;
  const signature =
    alg === 'EdDSA'
      ? signWith(null, Buffer.from(signed), key)
      : createHmac(HASHES[alg], key).update(signed).digest();
  return `${signed}.${signature.toString('base64url')}`;
}

/** A token of these claims, good for five minutes unless they say else; undefined removes one. */
export function mint(claims = {}, { alg = 'HS256', key = SECRET, header = {} } = {}) {
  const payload = { sub: 'alice', exp: now() + 300, ...claims };
  return seal(JSON.stringify({ alg, typ: 'JWT', ...header }), JSON.stringify(payload), {
    alg,
    key,
  });
}

/** Headers with this token. */
export const bearer = (token, more) => ({ Authorization: `Bearer ${token}`, ...more });
/** Headers with a token of these claims. */
export const withToken = (claims, more) => bearer(mint(claims), more);

/** Settings by which such a token is required. */
export const REQUIRED = { AUTH: 'required', JWT_SECRET: SECRET };
