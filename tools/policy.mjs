// portcullis test: sends the requests of policy.test.json to the built gate, under the settings
// that would be deployed, and compares its decisions with those expected. Keys and providers are
// replaced by its own, so it needs no secret and no network.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { readCommandLine, typed } from './commands.mjs';
import { readRows } from './policy/rows.mjs';
import { configuration, inProject, ready } from './project.mjs';
import { entry, Failure, say, seconds } from './run.mjs';
import { allowedOrigin, firstSource } from './token/settings.mjs';

const HELP = `${typed('policy')} [file] [options]    asks the gate what a table of requests expects

The file is policy.test.json without another. Each row of its array is one request:
  name      what the row says of the policy
  path      of the request; / without it
  origin    of the page; without it an allowed origin, null for none
  token     claims, over iss, aud, sub and exp that fit; null for no token, a text for any other
            credential. A time may be a distance from now, such as "-10m"; null removes a claim
  source    where the token is: header, subprotocol, cookie:NAME or query:NAME
  address   of the client; without it a new one
  headers   further headers; null removes one
  times     how often it is sent; the last answer counts
  expect    "admitted", a reason such as "origin_not_allowed", or an object with any of outcome,
            reason, status, stage, route and subject

Options:
  --config, -c <file>    wrangler's configuration; without it the one in this folder
  --env, -e <name>       one of its environments`;

const OPTIONS = {
  config: { type: 'string', short: 'c' },
  env: { type: 'string', short: 'e' },
};

/** What the gate decided, in the form of `expect`. */
const decision = ({ status, record }) => ({
  outcome: record.outcome,
  reason: record.reason,
  status,
  stage: record.stage,
  route: record.route,
  subject: record.subject,
});

/** Sends a row's request as often as it says; resolves to the last answer. */
async function ask(trial, identities, row) {
  const realm = identities.of(await trial.routeOf(row.path));
  const request = {
    path: row.path,
    address: row.address,
    origin: row.origin === null ? undefined : (row.origin ?? allowedOrigin(realm.settings)),
    source: row.source ?? firstSource(realm.settings),
    headers: row.headers,
  };
  let answer;
  for (let time = 0; time < row.times; time += 1) {
    answer = await trial.ask({ ...request, token: await realm.token(row) });
  }
  return answer;
}

/** What the gate decided otherwise than a row expects, as lines; empty if nothing. */
function differences(row, answer) {
  const decided = decision(answer);
  const lines = Object.keys(row.expect)
    .filter((name) => decided[name] !== row.expect[name])
    .map((name) => {
      const [expected, found] = [row.expect[name], decided[name]].map((one) => JSON.stringify(one));
      return `${name}: expected ${expected}, and it is ${found}`;
    });
  const { cause } = answer.record;
  return lines.length > 0 && cause ? [...lines, `cause: ${cause}`] : lines;
}

/**
 * Asks the gate of a `subject` each row; `onRow` gets the row and the lines that `differences` has
 * for it.
 */
export async function judge(tested, rows, onRow) {
  const [{ startTrial }, { makeIdentities }, { inspect }] = await Promise.all([
    import('./trial.mjs'),
    import('./policy/identities.mjs'),
    import('./check/inspection.mjs'),
  ]);
  const settings = tested.described.bindings;
  const routes = 'ROUTES' in settings ? (await inspect(tested)).routes : [];
  const identities = await makeIdentities(settings, routes);
  const trial = await startTrial(tested, { vars: identities.vars, outside: identities.answer });
  try {
    for (const row of rows) {
      const answer = await ask(trial, identities, row);
      if (answer.record.reason === 'misconfigured') throw await misconfigured(tested, identities);
      onRow(row, differences(row, answer));
    }
  } finally {
    await trial.stop();
  }
}

/** The configuration errors of a subject, each with its place. */
async function misconfigured(tested, identities) {
  const [{ inspect }, { locator, ofGate }] = await Promise.all([
    import('./check/inspection.mjs'),
    import('./check/findings.mjs'),
  ]);
  const { path, environment } = tested;
  const found = ofGate(await inspect(tested, identities.vars), locator(path, { environment }));
  return new Failure(
    `Every request is refused until these settings are right:\n  ${found.errors.join('\n  ')}`,
  );
}

export async function main(args) {
  const known = { command: typed('policy'), help: HELP, options: OPTIONS, most: 1 };
  const read = readCommandLine(args, known);
  if (!read) return 0;
  const { values: given, positionals } = read;
  const file = positionals[0] ?? inProject('policy.test.json');
  if (!existsSync(file)) throw new Failure(`There is no file ${relative(process.cwd(), file)}.`);
  const rows = readRows(readFileSync(file, 'utf8'), relative(process.cwd(), file));
  await ready();
  const began = performance.now();
  const { subject } = await import('./trial.mjs');
  let passed = 0;
  await judge(await subject(configuration(given.config), given.env), rows, (row, lines) => {
    if (lines.length === 0) passed += 1;
    say([`${lines.length === 0 ? '✓' : '✗'} ${row.name}`, ...lines].join('\n    '));
  });
  say(`\n${passed} passed, ${rows.length - passed} failed (${seconds(began)})`);
  return passed === rows.length ? 0 : 1;
}

await entry(import.meta.url, main);
