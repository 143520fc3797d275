// Development tokens. Their key is made at every start and lives in memory alone: what could
// not be written down can't be deployed.
import { createHmac, randomBytes, randomUUID } from 'node:crypto';

export const ISSUER = 'portcullis-playground';
export const AUDIENCE = 'portcullis-demo';
export const KINDS = ['valid', 'expired', 'tampered'];

const LIFETIME = 15 * 60;

export const developmentKey = () => randomBytes(32);

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const sign = (key, signed) => createHmac('sha256', key).update(signed).digest('base64url');

/** A token of HS256: a valid one, one whose time has passed, or one changed after signing. */
export function mint(key, kind = 'valid', now = Math.floor(Date.now() / 1000)) {
  const issued = kind === 'expired' ? now - LIFETIME - 120 : now;
  const header = encode({ alg: 'HS256', typ: 'JWT' });
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'ada',
    // A refresh moves the sockets of one session.
    sid: 'playground',
    scope: 'chat:read chat:write',
    iat: issued,
    exp: issued + LIFETIME,
    jti: randomUUID(),
  };
  const signature = sign(key, `${header}.${encode(claims)}`);
  if (kind === 'tampered') claims.sub = 'admin';
  return `${header}.${encode(claims)}.${signature}`;
}
