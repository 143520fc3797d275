// npm run deploy: `wrangler deploy` with everything after `--` passed on, once the gate itself
// has found its settings sound.
import { parseArgs } from 'node:util';
import { checkDeployed } from './check.mjs';
import { inProject, ready } from './project.mjs';
import { ask, entry, Failure, say, show, step } from './run.mjs';

// Of what wrangler takes, that which decides on the settings.
const flags = {
  config: { type: 'string', short: 'c' },
  env: { type: 'string', short: 'e' },
  var: { type: 'string', multiple: true },
  'dry-run': { type: 'boolean' },
};

/** The names of the secrets that the deployed Worker has, or undefined if they can't be known. */
function secretNames({ config, env }, wrangler, environment) {
  const args = [wrangler, 'secret', 'list', '--format', 'json'];
  if (env) args.push('--env', env);
  if (config) args.push('--config', config);
  const answer = ask(process.execPath, args, environment, inProject());
  return answer && JSON.parse(answer).map(({ name }) => name);
}

async function check(given, wrangler, environment) {
  const known = given['dry-run'] ? undefined : secretNames(given, wrangler, environment);
  if (!known) {
    say("  The deployed Worker's secrets can't be read here: those that are needed count as set.");
  }
  try {
    await checkDeployed(given, known);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(
      `${error.message}\nNothing was deployed. Settings belong in wrangler.toml under [vars].`,
    );
  }
}

export async function main(args) {
  const { values } = parseArgs({ args, options: flags, strict: false });
  const environment = await ready();
  const wrangler = (await import('./trial.mjs')).wrangler();
  await step('check of the configuration', () => check(values, wrangler, environment));
  return show(process.execPath, [wrangler, 'deploy', ...args], {
    cwd: inProject(),
    env: environment,
  });
}

await entry(import.meta.url, main);
