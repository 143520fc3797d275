// npm run check: asks the built gate whether the settings are right, those that would be deployed
// and those of .dev.vars. A gate with a wrong setting refuses every request, so that is better
// known before it is deployed.
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { configuration, ready } from './project.mjs';
import { entry, Failure, say } from './run.mjs';
import { exposedSecret, referencedSecrets, standIn } from './secrets.mjs';
import { devVars, parseVar } from './token/settings.mjs';

const HELP = `portcullis check [options]    says whether the settings are right

  --config, -c <file>    wrangler's configuration; without it the one in this folder
  --env, -e <name>       one of its environments
  --var <NAME>:<value>   a setting, over those of the file

It checks what would be deployed, and with .dev.vars also what would run on this machine. It ends
with code 0 if no setting is wrong.`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  env: { type: 'string', short: 'e' },
  var: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
};
const ERRORS = 'portcullis: every request is refused until these settings are right:';
const WARNINGS = 'portcullis: warnings:';

/**
 * The sets of secrets that the Worker may have. Where Cloudflare can't be asked, `JWT_SECRET` may
 * be set or not: it is needed without any other key, and may contradict one. What the settings call
 * for or refer to counts as set.
 */
function possibleSecrets(known, local, references) {
  if (known) return [known];
  const others = ['ASSERTION_KEY', 'ADMIN_TOKEN'].filter((name) => name in local);
  const needed = [...others, ...Object.keys(references), 'SESSION_URL_AUTH'];
  return [needed, [...needed, 'JWT_SECRET']];
}

/** What the gate says of these settings: `errors` and `warnings`, each a list. */
async function judge(subject, vars) {
  const { startTrial } = await import('./trial.mjs');
  const trial = await startTrial(subject, { vars });
  try {
    // Refused in any case, and recorded after what the gate says of its settings.
    await trial.ask({ path: '/', headers: { 'Sec-WebSocket-Key': undefined } });
    const after = (head) =>
      trial.remarks
        .filter((remark) => remark.startsWith(head))
        .flatMap((remark) =>
          remark
            .slice(head.length)
            .split(/\n {2}/)
            .slice(1),
        );
    return { errors: after(ERRORS), warnings: after(WARNINGS) };
  } finally {
    await trial.stop();
  }
}

/** The verdict on what would be deployed. Of two possible ones that with fewer errors is right. */
async function judgeDeployed(subject, vars, known, local) {
  const settings = { ...subject.described.bindings, ...vars };
  const references = referencedSecrets(settings);
  let verdict;
  for (const names of possibleSecrets(known, local, references)) {
    const given = names.map((name) => [name, standIn(references[name] ?? name)]);
    const found = await judge(subject, { ...Object.fromEntries(given), ...settings });
    if (found.errors.length === 0) return found;
    if (!verdict || found.errors.length < verdict.errors.length) verdict = found;
  }
  return verdict;
}

function show(warnings) {
  if (warnings.length > 0) say(`  Warnings:\n    ${warnings.join('\n    ')}`);
}

const failure = (head, errors) => new Failure(`${head}\n  ${errors.join('\n  ')}`);

/**
 * Fails if what would be deployed is wrong. `secrets`: the names of those that the deployed Worker
 * has, undefined if they can't be known.
 */
export async function checkDeployed(given, secrets) {
  const { readRaw } = await import('./gate.mjs');
  const { subject } = await import('./trial.mjs');
  const { exposedHeaders, missing } = await import('./init/update.mjs');
  const path = configuration(given.config);
  const exposed = exposedSecret(basename(path), readRaw(path));
  if (exposed) throw new Failure(exposed);
  const lacking = missing(path, given.env);
  if (lacking.length > 0) {
    throw new Failure(
      `${basename(path)} lacks what this version of Portcullis needs:\n  ` +
        `${lacking.map(({ what }) => what).join('\n  ')}\n` +
        'npx portcullis init --update writes it.',
    );
  }
  const checked = await subject(path, given.env);
  const vars = Object.fromEntries((given.var ?? []).map(parseVar));
  const { errors, warnings } = await judgeDeployed(checked, vars, secrets, devVars(given.env));
  show([...exposedHeaders(path, given.env), ...warnings]);
  if (errors.length > 0) throw failure(ERRORS, errors);
  return checked;
}

async function checkLocal(checked, given, local) {
  const vars = Object.fromEntries((given.var ?? []).map(parseVar));
  const { errors, warnings } = await judge(checked, { ...local, ...vars });
  show(warnings);
  if (errors.length > 0)
    throw failure('.dev.vars: on this machine every request is refused:', errors);
}

export async function main(args) {
  let given;
  try {
    given = parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new Failure(`${error.message.split('. ')[0]}.\n\n${HELP}`);
  }
  if (given.help) {
    say(HELP);
    return;
  }
  await ready();
  const checked = await checkDeployed(given);
  say(`✓ ${basename(checked.path)}: the settings are right. Secrets count as set.`);
  const local = devVars(given.env);
  if (Object.keys(local).length === 0) return;
  await checkLocal(checked, given, local);
  say('✓ .dev.vars: the settings on this machine are right.');
}

await entry(import.meta.url, main);
