// npm run deploy: `wrangler deploy` with everything after `--` passed on, once the gate itself
// has found its settings sound. A gate with a wrong setting refuses every request, so that is
// better known before it is deployed.
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { node22, onNode22 } from './node22.mjs';
import { ask, entry, Failure, inRoot, say, show, step } from './run.mjs';
import { exposedSecret, referencedSecrets, standIn } from './secrets.mjs';
import { setup } from './setup.mjs';

// Those of wrangler's options that decide on the settings.
const flags = {
  config: { type: 'string', short: 'c' },
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
function secretNames({ env, config }, environment) {
  const args = [wrangler(), 'secret', 'list', '--format', 'json'];
  if (env) args.push('--env', env);
  if (config) args.push('--config', config);
  const answer = ask(node22(), args, environment);
  return answer && JSON.parse(answer).map(({ name }) => name);
}

/**
 * The sets of secrets that the Worker may have. Where Cloudflare can't be asked, `JWT_SECRET` may
 * be set or not: it is needed without any other key, and may contradict one. What the settings call
 * for or refer to counts as set.
 */
function possibleSecrets(known, vars) {
  if (known) return [known];
  const needed = ['SESSION_URL_AUTH', ...Object.keys(referencedSecrets(vars))];
  return [needed, [...needed, 'JWT_SECRET']];
}

/**
 * Starts the gate with stand-ins for these secrets. Resolves to its remarks, and whether they are
 * errors.
 */
async function remarksWith(secrets, given, described) {
  const { fetchers, startGate } = await import('./gate.mjs');
  const vars = { ...described.bindings, ...varsOf(given.var) };
  const settings = referencedSecrets(vars);
  const remarks = [];
  const recorded = Promise.withResolvers();
  const gate = await startGate({
    config: given.config,
    environment: given.env,
    vars: {
      ...Object.fromEntries(secrets.map((name) => [name, standIn(settings[name] ?? name)])),
      ...vars,
    },
    // Only whether they are bound matters here.
    services: Object.fromEntries(fetchers(described).map((name) => [name, () => new Response()])),
    onLine: ({ message }) => {
      if (message.startsWith('portcullis: ')) remarks.push(message);
      if (message.startsWith('{')) recorded.resolve();
    },
  });
  try {
    const ask = (path) => fetch(new URL(path, gate.url), { redirect: 'manual' });
    const { status } = await ask('/_portcullis/health');
    // The log has the gate's remarks before its first record, which health does not have.
    await ask('/_portcullis/nothing');
    await recorded.promise;
    return { isWrong: status === 503, text: remarks.join('\n') };
  } finally {
    await gate.stop();
  }
}

async function check(given, environment) {
  const { describe, readRaw } = await import('./gate.mjs');
  const exposed = exposedSecret(readRaw(given.config));
  if (exposed) throw new Failure(exposed);
  const described = describe(given.env, given.config);
  const known = given['dry-run'] ? undefined : secretNames(given, environment);
  if (!known) {
    say("  The deployed Worker's secrets can't be read here: those that are needed count as set.");
  }
  let errors;
  const vars = { ...described.bindings, ...varsOf(given.var) };
  for (const secrets of possibleSecrets(known, vars)) {
    const { isWrong, text } = await remarksWith(secrets, given, described);
    if (!isWrong) {
      if (text) say(text);
      return;
    }
    // Of two lists the shorter one has no errors that the guess itself caused.
    if (!errors || text.length < errors.length) errors = text;
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
