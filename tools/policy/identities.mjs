// Keys and providers in place of those that the settings name, so that a test can sign what it
// needs. What the settings expect of a token, such as its aud, stays as it is.
import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, generateSecret, SignJWT } from 'jose';
import { Failure } from '../run.mjs';
import { referencedSecrets, standIn } from '../secrets.mjs';
import { parseDuration } from '../token/mint.mjs';
import { list } from '../token/settings.mjs';

const LIFETIME = 15 * 60;
const TIMES = ['exp', 'nbf', 'iat', 'auth_time'];
const SESSION_AUTH = 'Bearer a provider of this test';

const objectOf = (name, value) => {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch (error) {
    throw new Failure(`${name} is not JSON: ${error.message}.`);
  }
};

let made = 0;
/** Keys for these algorithms: what signs, and the set that verifies. */
async function makeKeys(algorithms) {
  const keys = [];
  for (const alg of algorithms.length > 0 ? algorithms : ['ES256']) {
    made += 1;
    const kid = `test-${alg}-${made}`;
    const pair = alg.startsWith('HS')
      ? { privateKey: await generateSecret(alg, { extractable: true }) }
      : await generateKeyPair(alg, { extractable: true });
    const jwk = await exportJWK(pair.publicKey ?? pair.privateKey);
    keys.push({ alg, kid, sign: pair.privateKey, jwk: { ...jwk, alg, kid } });
  }
  return keys;
}

const jwks = (keys) => ({ keys: keys.map(({ jwk }) => jwk) });

/** An issuer whose tokens the settings trust: its keys, and what its tokens have. */
async function fromKeySet(settings) {
  const keys = await makeKeys(list(settings.JWT_ALGORITHMS));
  const issuer = {
    keys,
    iss: list(settings.JWT_ISSUER)[0],
    aud: list(settings.JWT_AUDIENCE)[0],
    url: settings.JWT_JWKS_URL,
  };
  return { issuers: [issuer], vars: issuer.url ? {} : { JWT_JWKS: JSON.stringify(jwks(keys)) } };
}

function fromSecret(settings) {
  const secret = randomBytes(64);
  const alg = list(settings.JWT_ALGORITHMS)[0] ?? 'HS256';
  const issuer = {
    keys: [{ alg, sign: secret }],
    iss: list(settings.JWT_ISSUER)[0],
    aud: list(settings.JWT_AUDIENCE)[0],
  };
  return { issuers: [issuer], vars: { JWT_SECRET: `base64:${secret.toString('base64')}` } };
}

async function fromIssuers(written) {
  const entries = objectOf('ISSUERS', written);
  if (!Array.isArray(entries)) throw new Failure('ISSUERS is not an array.');
  const issuers = [];
  const replaced = [];
  for (const entry of entries) {
    const keys = await makeKeys(list(entry.algorithms));
    issuers.push({ keys, iss: entry.issuer, aud: list(entry.audience)[0], url: entry.jwks_url });
    replaced.push(entry.jwks_url ? entry : { ...entry, jwks: jwks(keys) });
  }
  return { issuers, vars: { ISSUERS: JSON.stringify(replaced) } };
}

function source(settings) {
  if ('ISSUERS' in settings) return fromIssuers(settings.ISSUERS);
  if ('JWT_JWKS_URL' in settings || 'JWT_JWKS' in settings) return fromKeySet(settings);
  if ('SESSION_URL' in settings) return { issuers: [], vars: {} };
  return fromSecret(settings);
}

const seconds = (name, written) => {
  const [, sign, length] = /^([+-]?)(.*)$/s.exec(written);
  const distance = Math.floor(parseDuration(name, length));
  return Math.floor(Date.now() / 1000) + (sign === '-' ? -distance : distance);
};

/** The claims of a row's token: what fits the settings, under what the row says. */
function claimsOf(row, { iss, aud }) {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss, aud, sub: `user-${row.number}`, jti: `token-${row.number}`, iat: now };
  const claims = { ...usual, exp: now + LIFETIME, ...row.token };
  return Object.fromEntries(
    Object.entries(claims)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) =>
        TIMES.includes(name) && typeof value === 'string'
          ? [name, seconds(name, value)]
          : [name, value],
      ),
  );
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (text) => JSON.parse(Buffer.from(text, 'base64url').toString());

/** What a provider of sessions says of one (RFC 7662). */
async function introspect(request) {
  try {
    const token = new URLSearchParams(await request.text()).get('token');
    return Response.json({ active: true, token_type: 'access_token', ...decode(token) });
  } catch {
    return Response.json({ active: false });
  }
}

/** Settings by which a route has keys or sessions of its own. */
const OWN = ['jwt_secret', 'jwt_jwks', 'jwt_jwks_url', 'issuers', 'session_url'];

/** Whose tokens count under these settings: what signs them, and settings to lay over them. */
async function makeRealm(settings) {
  const isOff = settings.AUTH === 'off';
  const { issuers, vars } = isOff ? { issuers: [], vars: {} } : await source(settings);
  const sessions = settings.SESSION_URL === 'off' ? undefined : settings.SESSION_URL;
  return {
    settings,
    issuers,
    sessions,
    vars: { ...vars, ...(sessions && { SESSION_URL_AUTH: SESSION_AUTH }) },
    async token(row) {
      if (row.token === null) return undefined;
      if (typeof row.token === 'string') return row.token;
      if (isOff) return undefined;
      const issuer = issuers.find(({ iss }) => iss === row.token?.iss) ?? issuers[0];
      if (!issuer) {
        const expected = {
          iss: list(settings.JWT_ISSUER)[0],
          aud: list(settings.JWT_AUDIENCE)[0],
        };
        return encode(claimsOf(row, expected));
      }
      const [{ alg, kid, sign }] = issuer.keys;
      return new SignJWT(claimsOf(row, issuer))
        .setProtectedHeader({ alg, typ: list(settings.JWT_TYP)[0] ?? 'JWT', ...(kid && { kid }) })
        .sign(sign);
    },
  };
}

const lowerCase = (vars) =>
  Object.fromEntries(Object.entries(vars).map(([name, value]) => [name.toLowerCase(), value]));

/** The settings of a route, as they hold there, without those that only say a default. */
const held = ({ settings }) =>
  Object.fromEntries(
    Object.entries(settings)
      .filter(([, { from }]) => from !== 'default')
      .map(([name, { value }]) => [name, value]),
  );

/**
 * Identities for a test under these settings. `routes`: what holds on each route, as the inspection
 * of the settings has it. Resolves to `vars`, settings to lay over them; `of`, which returns the
 * realm of a route by its pattern: its `settings`, and `token`, the credential of a row there,
 * undefined for none; and `answer`, which stands in for the providers.
 */
export async function makeIdentities(settings, routes = []) {
  const whole = await makeRealm(settings);
  const written = 'ROUTES' in settings ? objectOf('ROUTES', settings.ROUTES) : [];
  const realms = new Map();
  const replaced = [];
  for (const route of written) {
    const effective = routes.find(({ path }) => path === route.path);
    const realm =
      effective && OWN.some((name) => name in route) ? await makeRealm(held(effective)) : undefined;
    const own = { ...(effective && held(effective)) };
    realms.set(route.path, realm ?? { ...whole, settings: { ...settings, ...own } });
    replaced.push({ ...route, ...(realm && lowerCase(realm.vars)) });
  }
  const all = [whole, ...realms.values()];
  const issuers = [...new Set(all.flatMap((realm) => realm.issuers))];
  const secrets = Object.entries(referencedSecrets(settings)).map(([name, setting]) => [
    name,
    standIn(setting),
  ]);
  return {
    vars: {
      ...Object.fromEntries(secrets),
      ...whole.vars,
      ...(replaced.length > 0 && { ROUTES: JSON.stringify(replaced) }),
    },
    of: (route) => realms.get(route) ?? whole,
    async answer(request) {
      const keys = issuers.filter(({ url }) => url === request.url).flatMap((one) => one.keys);
      if (keys.length > 0) return Response.json(jwks(keys));
      const isSession = ({ sessions }) => sessions && request.url === new URL(sessions).href;
      if (all.some(isSession)) return introspect(request);
      return new Response('Nothing answers here in a test.', { status: 404 });
    },
  };
}
