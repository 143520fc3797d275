// npm run check: asks the built gate whether the settings are right, those that would be deployed
// and those of .dev.vars. A gate with a wrong setting refuses every request, so that is better
// known before it is deployed.
import { basename } from 'node:path';
import { readCommandLine, typed } from './commands.mjs';
import { configuration, ready } from './project.mjs';
import { entry, Failure, say } from './run.mjs';
import { referencedSecrets, standIn } from './secrets.mjs';
import { devVars, devVarsFile, parseVar } from './token/settings.mjs';

const HELP = `${typed('check')} [options]    says whether the settings are right

  --config, -c <file>    wrangler's configuration; without it the one in this folder
  --env, -e <name>       one of its environments
  --var <NAME>:<value>   a setting, over those of the file

It checks what would be deployed, and with .dev.vars also what would run on this machine. Errors and
warnings have the file and the line, and the policy is shown by route. It ends with code 0 if no
setting is wrong.

  --explain <request>    walks one request through the checks, such as 'GET /rooms/7', and says
                         which of them decides
  --origin <origin>      of its page; without it an allowed one, and none for no Origin header
  --token <token>        its token, for the keys of the settings and of .dev.vars
  --claims <json>        in place of a token: its claims, such as '{"sub":"alice"}', signed with
                         keys of this run, which the gate then trusts
  --source <source>      where the token is: header, subprotocol, cookie:NAME or query:NAME
  --address <address>    of the client`;

const text = { type: 'string' };
const OPTIONS = {
  config: { type: 'string', short: 'c' },
  env: { type: 'string', short: 'e' },
  var: { type: 'string', multiple: true },
  explain: text,
  origin: text,
  token: text,
  claims: text,
  source: text,
  address: text,
};
const ERRORS = 'portcullis: every request is refused until these settings are right:';

/**
 * The sets of secrets that the Worker may have. Where Cloudflare can't be asked, `JWT_SECRET` may
 * be set or not: it is needed without any other key, and may contradict one. So may `ADMIN_TOKEN`,
 * which some settings need. What the settings call for or refer to counts as set.
 */
function possibleSecrets(known, local, references) {
  if (known) return [known];
  const others = ['ASSERTION_KEY', 'ADMIN_TOKEN'].filter((name) => name in local);
  const needed = [...others, ...Object.keys(references), 'SESSION_URL_AUTH'];
  const possible = [[], ['JWT_SECRET'], ['ADMIN_TOKEN'], ['JWT_SECRET', 'ADMIN_TOKEN']];
  return possible.map((names) => [...new Set([...needed, ...names])]);
}

/**
 * What the gate says of what would be deployed, and `secrets`, stand-ins for those it has. Of the
 * possible verdicts the one with the fewest errors is right.
 */
async function judgeDeployed(inspection, settings, known, local) {
  const references = referencedSecrets(settings);
  let verdict;
  for (const names of possibleSecrets(known, local, references)) {
    const secrets = Object.fromEntries(
      names.map((name) => [name, standIn(references[name] ?? name)]),
    );
    const found = await inspection.ask({ ...secrets, ...settings });
    if (!verdict || found.errors.length < verdict.errors.length) verdict = { ...found, secrets };
    if (found.errors.length === 0) break;
  }
  return verdict;
}

const show = (warnings) =>
  warnings.length > 0 && say(`  Warnings:\n    ${warnings.join('\n    ')}`);

const failure = (head, errors) => new Failure(`${head}\n  ${errors.join('\n  ')}`);

const givenVars = (given) => Object.fromEntries((given.var ?? []).map(parseVar));

/** Asks about one configuration, and stops asking when `work` is done. */
async function inspecting(given, work) {
  const [{ subject }, { startInspection }] = await Promise.all([
    import('./trial.mjs'),
    import('./check/inspection.mjs'),
  ]);
  const checked = await subject(configuration(given.config), given.env);
  const inspection = await startInspection(checked);
  try {
    return await work(checked, inspection);
  } finally {
    await inspection.stop();
  }
}

/**
 * Fails if what would be deployed is wrong; resolves to what the settings say. `secrets`: the names
 * of those that the deployed Worker has, undefined if they can't be known.
 */
async function checkDeployed(checked, inspection, given, secrets) {
  const { inOrder, locator, ofConfiguration, ofGate } = await import('./check/findings.mjs');
  const { path, environment } = checked;
  const vars = givenVars(given);
  const whole = ofConfiguration(path, environment);
  const settings = { ...checked.described.bindings, ...vars };
  const judged = await judgeDeployed(inspection, settings, secrets, devVars(environment));
  const errors = judged.errors.filter(({ setting }) => !whole.lacking.includes(setting));
  const found = ofGate({ ...judged, errors }, locator(path, { environment, given: vars }));
  show(inOrder([...whole.warnings, ...found.warnings]));
  const all = inOrder([...whole.errors, ...found.errors]);
  if (all.length > 0) throw failure(ERRORS, all);
  return judged;
}

/** Checks what `deploy` would deploy; fails if it is wrong. */
export const checkBeforeDeployment = (given, secrets) =>
  inspecting(given, (checked, inspection) => checkDeployed(checked, inspection, given, secrets));

async function checkLocal(checked, inspection, given, local) {
  const { exposedFile, inOrder, locator, ofGate } = await import('./check/findings.mjs');
  const vars = givenVars(given);
  const file = devVarsFile(given.env);
  const where = locator(checked.path, {
    environment: given.env,
    local: { path: file, vars: local },
    given: vars,
  });
  const settings = { ...checked.described.bindings, ...local, ...vars };
  const found = ofGate(await inspection.ask(settings), where);
  show(inOrder([...exposedFile(file), ...found.warnings]));
  if (found.errors.length > 0) {
    throw failure('.dev.vars: on this machine every request is refused:', inOrder(found.errors));
  }
}

async function check(given) {
  await inspecting(given, async (checked, inspection) => {
    const judged = await checkDeployed(checked, inspection, given);
    say(`✓ ${basename(checked.path)}: the settings are right. Secrets count as set.`);
    const local = devVars(given.env);
    if (Object.keys(local).length > 0) {
      await checkLocal(checked, inspection, given, local);
      say('✓ .dev.vars: the settings on this machine are right.');
    }
    const { policyTable } = await import('./check/table.mjs');
    say(`\n${policyTable(judged)}`);
  });
  return 0;
}

/** One request under the settings of this machine; secrets that are nowhere are stood in for. */
async function explainOne(given) {
  const { readRequest, explain } = await import('./check/explain.mjs');
  readRequest(given.explain);
  const local = devVars(given.env);
  const [checked, vars] = await inspecting(given, async (subject, inspection) => {
    const own = { ...local, ...givenVars(given) };
    const settings = { ...subject.described.bindings, ...own };
    const { secrets } = await judgeDeployed(inspection, settings, undefined, local);
    return [subject, { ...secrets, ...own }];
  });
  return explain(checked, vars, given);
}

export async function main(args) {
  const read = readCommandLine(args, { command: typed('check'), help: HELP, options: OPTIONS });
  if (!read) return 0;
  const given = read.values;
  const stray = ['origin', 'token', 'claims', 'source', 'address'].find((name) => name in given);
  if (stray && !given.explain) {
    throw new Failure(`--${stray} is about a request: write --explain 'GET /rooms/7' too.`);
  }
  if (given.token && given.claims) {
    throw new Failure('--token and --claims are both given: write one of them.');
  }
  await ready();
  return given.explain === undefined ? check(given) : explainOne(given);
}

await entry(import.meta.url, main);
