// Signatures, verified by SubtleCrypto.

/**
 * SubtleCrypto's parameters by the name of the algorithm (RFC 7518 §3, RFC 8037 §3.1).
 * @type {Record<string, SubtleCryptoImportKeyAlgorithm & SubtleCryptoSignAlgorithm>}
 */
const ALGORITHMS = Object.fromEntries([
  ['EdDSA', { name: 'Ed25519' }],
  ...[256, 384, 512].flatMap((bits) => {
    const hash = `SHA-${bits}`;
    return [
      [`RS${bits}`, { name: 'RSASSA-PKCS1-v1_5', hash }],
      [`PS${bits}`, { name: 'RSA-PSS', hash, saltLength: bits / 8 }],
      [`ES${bits}`, { name: 'ECDSA', hash, namedCurve: `P-${bits === 512 ? 521 : bits}` }],
    ];
  }),
]);

/**
 * A JWK as SubtleCrypto's own key.
 * @param {string} jwk
 * @param {string} algorithm
 */
export function importKey(jwk, algorithm) {
  return crypto.subtle.importKey('jwk', JSON.parse(jwk), ALGORITHMS[algorithm], false, ['verify']);
}

/**
 * Verifies with SubtleCrypto, which reads the bytes before it returns.
 * @param {CryptoKey} key
 * @param {string} algorithm
 * @param {Uint8Array} signature
 * @param {Uint8Array} signed
 */
export function verifySignature(key, algorithm, signature, signed) {
  return crypto.subtle.verify(ALGORITHMS[algorithm], key, signature, signed);
}
