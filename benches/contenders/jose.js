// What the gate is compared with: a Worker in JavaScript that verifies a token with jose, with
// keys imported once, and asks for a scope.
import { importJWK, jwtVerify } from 'jose';

const HASHES = { HS256: 'SHA-256', HS384: 'SHA-384', HS512: 'SHA-512' };
let keys;

async function importKeys(json) {
  const entries = JSON.parse(json).keys.map(async (jwk) => {
    const hash = HASHES[jwk.alg];
    // jose would import the bytes of a secret for every token.
    const key = hash
      ? await crypto.subtle.importKey('jwk', jwk, { name: 'HMAC', hash }, false, ['verify'])
      : await importJWK(jwk, jwk.alg);
    return [jwk.kid, key];
  });
  return Object.fromEntries(await Promise.all(entries));
}

const refuse = (status) => new Response(null, { status });

export default {
  async fetch(request, env) {
    keys ??= await importKeys(env.JWT_JWKS);
    const authorization = request.headers.get('authorization');
    if (!authorization) return refuse(401);
    try {
      const token = authorization.slice('Bearer '.length);
      const { payload } = await jwtVerify(token, ({ kid }) => keys[kid]);
      return payload.scope === env.REQUIRED_SCOPES ? fetch(request) : refuse(403);
    } catch {
      return refuse(401);
    }
  },
};
