// npm run deploy: `wrangler deploy` with everything after `--` passed on, once the gate itself
// has found its settings sound. A gate with a wrong setting refuses every request, so that is
// better known before it is out.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { node22, onNode22 } from './node22.mjs';
import { ask, entry, Failure, inRoot, say, show, step } from './run.mjs';
import { setup } from './setup.mjs';

// Of what wrangler takes, that which decides on the settings.
const flags = {
  env: { type: 'string', short: 'e' },
  var: { type: 'string', multiple: true },
  'dry-run': { type: 'boolean' },
};

const wrangler = () => inRoot('node_modules/wrangler/bin/wrangler.js');

/** Settings given as `--var NAME:value`. */
function varsOf(given = []) {
  return Object.fromEntries(
    given.map((pair) => {
      const colon = pair.indexOf(':');
      if (colon < 1) throw new Failure(`--var ${pair}: write --var NAME:value`);
      return [pair.slice(0, colon), pair.slice(colon + 1)];
    }),
  );
}

/** The names of the secrets that the deployed Worker has, or undefined if they can't be known. */
function secretNames({ env }, environment) {
  const args = [wrangler(), 'secret', 'list', '--format', 'json', ...(env ? ['--env', env] : [])];
  const answer = ask(node22(), args, environment);
  return answer && JSON.parse(answer).map(({ name }) => name);
}

/** A value of the right form for a secret that only Cloudflare knows. */
export function standIn(name) {
  switch (name) {
    case 'JWT_SECRET':
      return `base64:${randomBytes(64).toString('base64')}`;
    case 'SESSION_URL_AUTH':
      return `Bearer ${randomBytes(32).toString('hex')}`;
    case 'ASSERTION_KEY':
      return JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
    default:
      return randomBytes(32).toString('hex');
  }
}

/**
 * The sets of secrets that the Worker may have. Where Cloudflare can't be asked, `JWT_SECRET` may
 * be set or not: with a key set by URL it is an error, without any other key it is needed.
 */
const possibleSecrets = (known) =>
  known ? [known] : [['SESSION_URL_AUTH'], ['SESSION_URL_AUTH', 'JWT_SECRET']];

/** Starts the gate with these secrets; resolves to its list of errors, or undefined. */
async function errorsWith(secrets, given, { bindings, serviceBindings }) {
  const { startGate } = await import('./gate.mjs');
  const remarks = Promise.withResolvers();
  const gate = await startGate({
    environment: given.env,
    vars: {
      ...Object.fromEntries(secrets.map((name) => [name, standIn(name)])),
      ...bindings,
      ...varsOf(given.var),
    },
    // Only whether they are bound matters here.
    services: Object.fromEntries(
      Object.keys(serviceBindings).map((name) => [name, () => new Response()]),
    ),
    onLine: ({ message }) => message.startsWith('portcullis: ') && remarks.resolve(message),
  });
  try {
    const health = new URL('/_portcullis/health', gate.url);
    const { status } = await fetch(health, { redirect: 'manual' });
    return status === 503 ? await remarks.promise : undefined;
  } finally {
    await gate.stop();
  }
}

async function check(given, environment) {
  const { describe } = await import('./gate.mjs');
  const described = describe(given.env);
  const exposed = ['JWT_SECRET', 'SESSION_URL_AUTH', 'ASSERTION_KEY', 'ADMIN_TOKEN'].find(
    (name) => name in described.bindings,
  );
  if (exposed) {
    throw new Failure(
      `${exposed} is in wrangler.toml, where everyone with the repository can read it. ` +
        `Remove it there, make a new one, and set it with: npx wrangler secret put ${exposed}`,
    );
  }
  const known = given['dry-run'] ? undefined : secretNames(given, environment);
  if (!known) {
    say("  The deployed Worker's secrets can't be read here: those that are needed count as set.");
  }
  let errors;
  for (const secrets of possibleSecrets(known)) {
    const found = await errorsWith(secrets, given, described);
    if (!found) return;
    // Of two lists the shorter one has no errors that the guess itself caused.
    if (!errors || found.length < errors.length) errors = found;
  }
  throw new Failure(
    `${errors}\nNothing was deployed. Settings belong in wrangler.toml under [vars].`,
  );
}

await entry(import.meta.url, async () => {
  const args = process.argv.slice(2);
  const { values } = parseArgs({ args, options: flags, strict: false });
  const environment = await setup();
  await onNode22(environment);
  await build();
  await step('check of the configuration', () => check(values, environment));
  return show(node22(), [wrangler(), 'deploy', ...args], { env: environment });
});
