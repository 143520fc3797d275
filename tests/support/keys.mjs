// Key pairs of every algorithm, and tokens that jose signs with them.
import { generateKeyPairSync, randomBytes, createSecretKey } from 'node:crypto';
import { SignJWT } from 'jose';

export const FAMILIES = {
  HS256: () => oct(32),
  HS384: () => oct(48),
  HS512: () => oct(64),
  RS256: () => pair('rsa', { modulusLength: 2048 }),
  RS384: () => pair('rsa', { modulusLength: 2048 }),
  RS512: () => pair('rsa', { modulusLength: 2048 }),
  PS256: () => pair('rsa', { modulusLength: 2048 }),
  PS384: () => pair('rsa', { modulusLength: 2048 }),
  PS512: () => pair('rsa', { modulusLength: 2048 }),
  ES256: () => pair('ec', { namedCurve: 'P-256' }),
  ES384: () => pair('ec', { namedCurve: 'P-384' }),
  ES512: () => pair('ec', { namedCurve: 'P-521' }),
  EdDSA: () => pair('ed25519'),
};
export const ALGORITHMS = Object.keys(FAMILIES);

function oct(length) {
  const bytes = randomBytes(length);
  return { key: createSecretKey(bytes), jwk: { kty: 'oct', k: bytes.toString('base64url') } };
}

function pair(type, options) {
  const { privateKey, publicKey } = generateKeyPairSync(type, options);
  return { key: privateKey, public: publicKey, jwk: publicKey.export({ format: 'jwk' }) };
}

/** A new key for an algorithm: `key` signs, `jwk` is what to publish. */
export function makeKey(alg, kid) {
  const made = FAMILIES[alg]();
  return { ...made, alg, jwk: { ...made.jwk, ...(kid && { kid }), alg } };
}

/** A token of these claims by jose, good for five minutes unless they say else. */
export const sign = ({ alg, key, jwk }, claims = {}, header = {}) =>
  new SignJWT({ sub: 'alice', exp: Math.floor(Date.now() / 1000) + 300, ...claims })
    .setProtectedHeader({ alg, kid: jwk.kid, ...header })
    .sign(key);

/** The three segments of a token with some replaced: texts as they are, bytes and objects encoded. */
export function altered(token, { header, payload, signature }) {
  const encode = (part) =>
    Buffer.isBuffer(part)
      ? part.toString('base64url')
      : Buffer.from(JSON.stringify(part)).toString('base64url');
  const [oldHeader, oldPayload, oldSignature] = token.split('.');
  return [
    header ? encode(header) : oldHeader,
    payload ? encode(payload) : oldPayload,
    signature ? encode(signature) : oldSignature,
  ].join('.');
}

export const headerOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
export const signatureOf = (token) => Buffer.from(token.split('.')[2], 'base64url');
