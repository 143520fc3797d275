// Development tokens, signed by jose.
import { SignJWT } from 'jose';
import { Failure } from '../run.mjs';
import { devVars } from './settings.mjs';
import { readKey } from './key.mjs';

const LIFETIME = '15m';
const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };
// Those that options of their own set.
const RESERVED = ['sub', 'scope', 'iss', 'aud', 'exp'];

/** Seconds of a duration as the gate writes them: a whole number and a unit. */
export function parseDuration(name, written) {
  const [, count, unit] = /^(\d{1,12})(ms|s|m|h|d)$/.exec(written) ?? [];
  if (!unit) throw new Failure(`${name} is ${written}: write a duration such as 30s, 10m or 7d.`);
  return Number(count) * UNITS[unit];
}

export function parseClaim(written) {
  const at = written.indexOf('=');
  const name = written.slice(0, at);
  if (at < 1) {
    throw new Failure(
      `--claim is ${written}: write a name and a value, such as rooms=["kitchen"].`,
    );
  }
  if (RESERVED.includes(name)) {
    const option = name === 'exp' ? 'expires' : name;
    throw new Failure(`--claim sets ${name}: that is what --${option} is for.`);
  }
  const value = written.slice(at + 1);
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

function givenKey(options) {
  const written = options.key ?? devVars().JWT_SECRET;
  if (written) return readKey(written);
  throw new Failure(
    '--key is missing: give a secret of 32 bytes or more, base64:…, or the path of a private JWK or PEM file. JWT_SECRET in .dev.vars would do as well.',
  );
}

function chooseAlgorithm({ algorithms, alg }, wanted = alg ?? algorithms[0]) {
  if (algorithms.includes(wanted) && (alg ?? wanted) === wanted) return wanted;
  const fitting = alg ? `${alg}, as its JWK says` : algorithms.join(', ');
  throw new Failure(`--alg is ${wanted}: the key is for ${fitting}.`);
}

/** A token as the options say. */
export async function mint(options) {
  const key = givenKey(options);
  const alg = chooseAlgorithm(key, options.alg);
  const lifetime = parseDuration('--expires', options.expires ?? LIFETIME);
  const kid = options.kid ?? key.kid;
  const issued = Math.floor(Date.now() / 1000);
  const audiences = options.aud ?? [];
  const claims = {
    ...(options.iss !== undefined && { iss: options.iss }),
    ...(options.sub !== undefined && { sub: options.sub }),
    ...(audiences.length > 0 && { aud: audiences.length > 1 ? audiences : audiences[0] }),
    ...(options.scope !== undefined && { scope: options.scope }),
    iat: issued,
    exp: issued + lifetime,
    ...Object.fromEntries((options.claim ?? []).map(parseClaim)),
  };
  const header = { alg, typ: options.typ ?? 'JWT', ...(kid !== undefined && { kid }) };
  return new SignJWT(claims).setProtectedHeader(header).sign(key.key);
}
