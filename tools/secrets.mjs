// Which settings are secrets, where one is written out, and stand-ins for those that only
// Cloudflare knows. Which they are is read from the schema that the gate's table is written to.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inRoot } from './run.mjs';

/** The names of the settings that are secrets. */
export function secretSettings() {
  const { definitions } = JSON.parse(readFileSync(inRoot('docs/settings.schema.json'), 'utf8'));
  const vars = Object.entries(definitions.vars.properties);
  return vars.filter(([, schema]) => schema.writeOnly).map(([name]) => name);
}

/** The name of the secret that a value refers to, or undefined. */
const referenceOf = (value) =>
  typeof value === 'string' ? /^\s*\{secret:(\w+)\}\s*$/.exec(value)?.[1] : undefined;

const isObject = (value) => value !== null && typeof value === 'object';

/** A variable that may be JSON as text, as the gate reads it. */
function parsed(value) {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** `[place, NAME, value, keys]` of every setting among the variables and in their routes. */
function* settingsOf(vars = {}) {
  for (const [name, value] of Object.entries(vars)) yield [name, name, value, [name]];
  const routes = parsed(vars.ROUTES);
  for (const [at, route] of (Array.isArray(routes) ? routes : []).entries()) {
    for (const [name, value] of Object.entries(isObject(route) ? route : {})) {
      const place = `${name} of the route ${route.path ?? at}`;
      yield [place, name.toUpperCase(), value, ['ROUTES', String(at), name]];
    }
  }
}

/** Whether there is a symmetric or private JWK anywhere in a value. */
function hasSecretKey(value) {
  if (!isObject(value)) return false;
  if ('kty' in value && ('k' in value || 'd' in value)) return true;
  return Object.values(value).some(hasSecretKey);
}

/** Whether a text is or holds a private key in PEM. */
const hasPrivatePem = (value) =>
  typeof value === 'string' && /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(value);

/**
 * Every secret that is written out in wrangler's configuration: `keys`, its path there, and a
 * `message` that says what to do.
 */
export function exposedSecrets(file, { vars, env = {} }) {
  const secrets = secretSettings();
  const sections = [
    ['[vars]', vars, ['vars']],
    ...Object.entries(env).map(([name, section]) => [
      `[env.${name}.vars]`,
      section?.vars,
      ['env', name, 'vars'],
    ]),
  ];
  const exposed = [];
  for (const [section, variables, above] of sections) {
    for (const [place, name, value, keys] of settingsOf(variables)) {
      if (referenceOf(value)) continue;
      const holdsKey = hasSecretKey(parsed(value)) || hasPrivatePem(value);
      if (!secrets.includes(name) && !holdsKey) continue;
      // The members of a route are looked at one by one.
      if (name === 'ROUTES') continue;
      const isGlobal = place === name;
      const message =
        `${place} is in ${file} under ${section}, where everyone with the repository can ` +
        `read it. ${holdsKey ? 'It holds a secret key. ' : ''}Remove it there, make a new one, and ` +
        (isGlobal
          ? `set it with: npx wrangler secret put ${name}`
          : 'set it as a secret with a name of your choice, such as: npx wrangler secret put ' +
            `ROUTE_${name}. Then write "{secret:ROUTE_${name}}" in the route`);
      exposed.push({ keys: [...above, ...keys], message });
    }
  }
  return exposed;
}

/** The first secret that is written out, as a message; or undefined. */
export const exposedSecret = (file, configuration) =>
  exposedSecrets(file, configuration)[0]?.message;

/** The secrets that settings refer to, each with the name of the setting. */
export function referencedSecrets(vars) {
  const named = [];
  for (const [, name, value] of settingsOf(vars)) {
    const reference = referenceOf(value);
    if (reference) named.push([reference, name]);
  }
  return Object.fromEntries(named);
}

/** A value of the right form for a setting that only Cloudflare knows. */
export function standIn(setting) {
  const jwk = (part) => generateKeyPairSync('ed25519')[part].export({ format: 'jwk' });
  switch (setting) {
    case 'JWT_SECRET':
      return `base64:${randomBytes(64).toString('base64')}`;
    case 'SESSION_URL_AUTH':
      return `Bearer ${randomBytes(32).toString('hex')}`;
    case 'ASSERTION_KEY':
      return JSON.stringify(jwk('privateKey'));
    case 'JWT_JWKS':
      return JSON.stringify({ keys: [jwk('publicKey')] });
    default:
      return randomBytes(32).toString('hex');
  }
}
