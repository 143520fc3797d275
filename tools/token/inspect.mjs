// Asks the gate itself: it runs as built, with the given settings, and gets one upgrade with the
// token. What stands behind it and everything that opens sockets is replaced by a stub.
import { describe } from '../gate.mjs';
import { configuration } from '../project.mjs';
import { Failure, say } from '../run.mjs';
import { startTrial, subject } from '../trial.mjs';
import { allowedOrigin, assumptions, devVars, firstSource, parseVar } from './settings.mjs';
import { distance, explain } from './words.mjs';

/** Says what becomes of a token; resolves to the exit code. */
export async function inspect(given, options) {
  const token = given.trim().replace(/^Bearer\s+/i, '');
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new Failure(
      'The token holds characters that no header takes: white space, or not ASCII.',
    );
  }
  const described = describe(options.env, configuration());
  const own = { ...devVars(options.env), ...Object.fromEntries((options.var ?? []).map(parseVar)) };
  const vars = { ...described.bindings, ...own };
  const assumed = assumptions(vars, options.origin);
  const settings = { ...vars, ...assumed };
  const asked = {
    token,
    path: options.path ?? '/',
    origin: options.origin ?? allowedOrigin(settings),
    source: options.source ?? firstSource(settings),
  };
  if (!asked.path.startsWith('/')) throw new Failure(`--path is ${asked.path}: begin it with /.`);

  const [header, claims] = token.split('.').map(decode);
  showToken(header, claims);
  say(`\nSent to   ${asked.path} as ${asked.source}, from ${asked.origin}`);
  if (Object.keys(assumed).length > 0) {
    const words = Object.entries(assumed).map(([name, value]) => `${name}=${value}`);
    say(`Assumed   ${words.join(', ')}, since the settings do not say`);
  }
  const { record, status, remarks } = await askGate(asked, options.env, { ...own, ...assumed });
  for (const remark of remarks) say(`Log       ${remark.replaceAll('\n', '\n          ')}`);
  return showRecord(record, status, { header, claims });
}

async function askGate(asked, environment, vars) {
  const trial = await startTrial(await subject(configuration(), environment), { vars });
  try {
    return { ...(await trial.ask(asked)), remarks: trial.remarks };
  } finally {
    await trial.stop();
  }
}

function showToken(header, claims) {
  const show = (value) => (value ? JSON.stringify(value, null, 2) : 'can’t be read');
  say(`Header    ${show(header)}`);
  say(`Claims    ${show(claims)}`);
  for (const name of ['iat', 'nbf', 'exp']) {
    const seconds = claims?.[name];
    if (typeof seconds !== 'number' || Math.abs(seconds) > 8e12) continue;
    const time = new Date(seconds * 1000).toISOString().replace('.000', '');
    say(`          ${name} is ${time}, ${distance(seconds - Date.now() / 1000)}`);
  }
}

function decode(segment) {
  try {
    const value = JSON.parse(Buffer.from(segment, 'base64url').toString());
    return typeof value === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}

function showRecord(record, status, token) {
  const { outcome, reason, cause, stage, route, subject, alg } = record;
  const where = route ? ` on route ${route}` : '';
  if (outcome === 'admitted') {
    const who = alg === null ? '; AUTH is off there, so nobody looked at the token' : '';
    const name = subject === null ? ' without a subject' : ` as ${subject}`;
    say(`\n✓ Admitted${where}${alg === null ? '' : name}${who}.`);
    if (cause) say(`  ${cause}`);
    return 0;
  }
  say(`\n✗ Refused${where} at the step ${stage}: ${reason}, for the client status ${status}.`);
  say(`  Cause: ${cause}`);
  const more = explain(record, token);
  if (more) say(`  ${more}`);
  return 1;
}
