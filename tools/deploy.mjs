// npm run deploy: `wrangler deploy` with everything after `--` passed on, once the gate itself
// has found its settings sound.
import { parseArgs } from 'node:util';
import { checkBeforeDeployment } from './check.mjs';
import { typed } from './commands.mjs';
import { inProject, ready, wrangler } from './project.mjs';
import { ask, entry, Failure, say, show, step } from './run.mjs';

const HELP = `${typed('deploy')} [options]    checks the settings, then deploys

It takes every option of wrangler deploy. These decide which settings are checked:
  --config, -c <file>    wrangler's configuration; without it the one in this folder
  --env, -e <name>       one of its environments
  --var <NAME>:<value>   a setting, over those of the file
  --dry-run              deploys nothing

npx wrangler deploy --help lists the others.`;

// Of what wrangler takes, that which decides on the settings.
const flags = {
  config: { type: 'string', short: 'c' },
  env: { type: 'string', short: 'e' },
  var: { type: 'string', multiple: true },
  'dry-run': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
};

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Every option of wrangler deploy; none where it can't be asked. */
function optionsOfWrangler() {
  let help;
  try {
    help = ask(process.execPath, [wrangler(), 'deploy', '--help'], process.env, inProject());
  } catch {
    // Not installed yet.
  }
  const found = (help ?? '').matchAll(/(?<=^|[\s,])--?([a-z][a-z0-9-]*)/gm);
  return new Set([...found].map(([, name]) => name));
}

/** Refuses options that neither this nor wrangler has, before anything is done. */
function refuseUnknown(tokens) {
  const known = optionsOfWrangler();
  const isKnown = (name) => known.has(kebab(name).replace(/^no-/, ''));
  const unknown = tokens.find(({ kind, name }) => kind === 'option' && !isKnown(name));
  if (known.size === 0 || !unknown) return;
  throw new Failure(
    `Unknown option '${unknown.rawName}'. Neither ${typed('deploy')} nor wrangler deploy has it.\n` +
      `${typed('deploy')} --help lists what there is.`,
  );
}

/** The names of the secrets that the deployed Worker has, or undefined if they can't be known. */
function secretNames({ config, env }, environment) {
  const args = [wrangler(), 'secret', 'list', '--format', 'json'];
  if (env) args.push('--env', env);
  if (config) args.push('--config', config);
  const answer = ask(process.execPath, args, environment, inProject());
  return answer && JSON.parse(answer).map(({ name }) => name);
}

async function check(given, environment) {
  const known = given['dry-run'] ? undefined : secretNames(given, environment);
  if (!known) {
    say("  The deployed Worker's secrets can't be read here: those that are needed count as set.");
  }
  try {
    await checkBeforeDeployment(given, known);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(
      `${error.message}\nNothing was deployed. Settings belong in wrangler.toml under [vars].`,
    );
  }
}

export async function main(args) {
  const { values, tokens } = parseArgs({ args, options: flags, strict: false, tokens: true });
  if (values.help) {
    say(HELP);
    return 0;
  }
  refuseUnknown(tokens);
  const environment = await ready();
  await step('check of the configuration', () => check(values, environment));
  return show(process.execPath, [wrangler(), 'deploy', ...args], {
    cwd: inProject(),
    env: environment,
  });
}

await entry(import.meta.url, main);
