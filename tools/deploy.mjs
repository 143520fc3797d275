// npm run deploy: `wrangler deploy` with everything after `--` passed on, once the gate itself
// has found its settings sound. A gate with a wrong setting refuses every request, so that is
// better known before it is out.
import { randomBytes } from 'node:crypto';
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

/**
 * What the gate is told in place of a secret that only Cloudflare knows: this check is about
 * whether it is there.
 */
function standIn(name) {
  if (name === 'JWT_SECRET') return `base64:${randomBytes(64).toString('base64')}`;
  return randomBytes(32).toString('hex');
}

async function check(given, environment) {
  const { describe, startGate } = await import('./gate.mjs');
  const { bindings, serviceBindings } = describe(given.env);
  if ('JWT_SECRET' in bindings) {
    throw new Failure(
      'JWT_SECRET stands in wrangler.toml, where everyone with the repository reads it. ' +
        'Remove it there, make a new one, and set it with: npx wrangler secret put JWT_SECRET',
    );
  }
  const known = given['dry-run'] ? undefined : secretNames(given, environment);
  if (!known)
    say('  The secrets of the deployed Worker are not known here: taking JWT_SECRET as set.');
  const secrets = Object.fromEntries(
    (known ?? ['JWT_SECRET']).map((name) => [name, standIn(name)]),
  );
  const remarks = Promise.withResolvers();
  const gate = await startGate({
    environment: given.env,
    vars: { ...secrets, ...bindings, ...varsOf(given.var) },
    // Only whether they are bound matters here.
    services: Object.fromEntries(
      Object.keys(serviceBindings).map((name) => [name, () => new Response()]),
    ),
    onLine: ({ message }) => message.startsWith('portcullis: ') && remarks.resolve(message),
  });
  const { status } = await fetch(new URL('/_portcullis/health', gate.url), { redirect: 'manual' });
  const found = status === 503 ? await remarks.promise : undefined;
  await gate.stop();
  if (found)
    throw new Failure(
      `${found}\nNothing was deployed. Settings stand in wrangler.toml under [vars].`,
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
