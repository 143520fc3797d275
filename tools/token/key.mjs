// What --key names: a secret, or a file with a private key.
import { createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { Failure } from '../run.mjs';

const HMAC = { HS256: 32, HS384: 48, HS512: 64 };
const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
const CURVES = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };
const MIN_RSA_BITS = 2048;

const fault = (problem) => new Failure(`--key: ${problem}`);

/**
 * Reads a key: `key` to sign with, the `algorithms` it is for with the usual one first, and the
 * `kid` and `alg` that it brings along.
 */
export function readKey(text) {
  if (existsSync(text) && statSync(text).isFile()) {
    const content = readFileSync(text, 'utf8').trim();
    if (content.startsWith('-----BEGIN')) return asymmetric(fromPem(content));
    if (content.startsWith('{')) return fromJwk(content);
    throw fault(`the file ${text} is neither PEM nor a JWK.`);
  }
  if (/\.(pem|json|jwk|key)$/.test(text)) throw fault(`there is no file ${text}.`);
  const encoded = /^base64:(.*)$/s.exec(text)?.[1];
  if (encoded === undefined) return symmetric(Buffer.from(text));
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) {
    throw fault('what follows base64: is not standard base64 with padding.');
  }
  return symmetric(bytes);
}

function symmetric(bytes) {
  const algorithms = Object.keys(HMAC).filter((alg) => bytes.length >= HMAC[alg]);
  if (algorithms.length > 0) return { key: createSecretKey(bytes), algorithms };
  throw fault(
    `as a secret it has ${bytes.length} bytes, and HS256 takes 32 or more; a file of that name there is not.`,
  );
}

function fromPem(content) {
  try {
    return createPrivateKey(content);
  } catch (error) {
    if (isPublic(content)) throw fault('it is a public key; a private one signs.');
    throw fault(`the PEM can't be read: ${error.message}.`);
  }
}

function isPublic(content) {
  try {
    return createPublicKey(content).type === 'public';
  } catch {
    return false;
  }
}

function fromJwk(content) {
  let jwk;
  try {
    jwk = JSON.parse(content);
  } catch (error) {
    throw fault(`the file is no JSON: ${error.message}.`);
  }
  if (Array.isArray(jwk.keys)) {
    throw fault('the file is a set of keys; give one private JWK, {"kty": …}.');
  }
  const more = { kid: jwk.kid, alg: jwk.alg };
  if (jwk.kty === 'oct') {
    return { ...symmetric(Buffer.from(String(jwk.k), 'base64url')), ...more };
  }
  if (!jwk.d) throw fault('the JWK has no private part d; a private key signs.');
  try {
    return { ...asymmetric(createPrivateKey({ key: jwk, format: 'jwk' })), ...more };
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw fault(`the JWK can't be read: ${error.message}.`);
  }
}

function asymmetric(key) {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return { key, algorithms: ['EdDSA'] };
  if (type === 'ec' && CURVES[details.namedCurve]) {
    return { key, algorithms: [CURVES[details.namedCurve]] };
  }
  if (type === 'rsa') {
    if (details.modulusLength >= MIN_RSA_BITS) return { key, algorithms: RSA };
    throw fault(
      `the RSA key has ${details.modulusLength} bits, and the gate takes ${MIN_RSA_BITS} or more.`,
    );
  }
  throw fault(
    `the gate takes no keys of ${details?.namedCurve ?? type}; use RSA, P-256, P-384, P-521 or Ed25519.`,
  );
}
