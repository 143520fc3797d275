// Walks one request through the checks: the Worker itself decides, and its record says how far the
// request came and what ended it.
import { Failure, say } from '../run.mjs';
import { allowedOrigin, firstSource } from '../token/settings.mjs';

/** The steps of the journey, by the stages of a record. */
const STEPS = [
  ['configuration', ['configuration'], 'every setting is right'],
  ['transport', ['transport'], 'over TLS'],
  ['route', ['route'], ({ route }) => route ?? 'an endpoint of the gate'],
  ['handshake', ['handshake'], 'by RFC 6455'],
  ['origin', ['origin'], ({ origin }) => origin ?? 'none, which is allowed'],
  ['known', ['known'], 'not known to be banned or at a limit'],
  ['token', ['token'], ({ subject, alg }) => tokenOf(subject, alg)],
  ['permission', ['permission'], 'holds what the route asks for'],
  ['counters', ['counters', 'registry'], 'within the limits, and not revoked'],
  ['forward', ['forward'], 'to the server'],
];

function tokenOf(subject, alg) {
  const user = subject === null ? '' : `${subject}, `;
  return alg === null && subject === null
    ? 'none is needed'
    : `${user}signed with ${alg ?? 'a session'}`;
}

/** A method and a path, such as `GET /rooms/7`. */
export function readRequest(written) {
  const [, method = 'GET', path] = /^(?:([A-Z]+)\s+)?(\/\S*)$/.exec(written.trim()) ?? [];
  if (path) return { method, path };
  throw new Failure(`--explain is ${written}: write a method and a path, such as 'GET /rooms/7'.`);
}

function readClaims(written) {
  try {
    const claims = JSON.parse(written);
    if (claims !== null && typeof claims === 'object' && !Array.isArray(claims)) return claims;
  } catch {
    // Explained below, together with JSON that is not an object.
  }
  throw new Failure(`--claims is ${written}: write a JSON object, such as '{"sub":"alice"}'.`);
}

function show(record, status) {
  const reached = STEPS.findIndex(([, stages]) => stages.includes(record.stage));
  const isRefused = record.outcome === 'refused';
  STEPS.forEach(([name, , passed], at) => {
    const isLast = at === reached && isRefused;
    const mark = isLast ? '✗' : at <= reached ? '✓' : ' ';
    const words = isLast
      ? `${record.reason}: ${record.cause}`
      : at > reached
        ? ''
        : typeof passed === 'function'
          ? passed(record)
          : passed;
    say(`  ${mark} ${String(at + 1).padStart(2)} ${name.padEnd(14)}${words}`.trimEnd());
  });
  if (!isRefused) {
    say(
      `\n✓ ${record.outcome}, for the client status ${status}.${record.cause ? ` ${record.cause}` : ''}`,
    );
    return 0;
  }
  say(
    `\n✗ Step ${reached + 1}, ${STEPS[reached][0]}, decided: for the client status ${status} ${record.reason}.`,
  );
  return 1;
}

/**
 * Sends the request that the options describe to the gate of a subject, under these settings.
 * Resolves to the exit code: 0 if it passes.
 */
export async function explain(subject, vars, options) {
  const { method, path } = readRequest(options.explain);
  const settings = { ...subject.described.bindings, ...vars };
  const [{ startTrial }, { makeIdentities }, { inspect }] = await Promise.all([
    import('../trial.mjs'),
    import('../policy/identities.mjs'),
    import('./inspection.mjs'),
  ]);
  const { routes } = await inspect(subject, vars);
  // With claims the gate gets keys of this run, which sign for every route, and needs no network.
  const claims = options.claims && readClaims(options.claims);
  const identities = await makeIdentities(settings, routes);
  const trial = await startTrial(subject, {
    vars: { ...vars, ...(claims && identities.vars) },
    outside: claims && identities.answer,
  });
  try {
    const realm = identities.of(await trial.routeOf(path));
    const origin = options.origin ?? allowedOrigin(realm.settings);
    const source = options.source ?? firstSource(realm.settings);
    const token = claims
      ? await realm.token({ number: 1, token: claims })
      : options.token?.trim().replace(/^Bearer\s+/i, '');
    const from = origin === 'none' ? 'no page' : origin;
    const what = token ? `with a token in ${source}` : 'without a token';
    say(`\n${method} ${path} from ${from}, ${what}\n`);
    const { record, status } = await trial.ask({
      method,
      path,
      origin: origin === 'none' ? undefined : origin,
      source,
      token,
      address: options.address,
    });
    for (const remark of trial.remarks.filter((one) => !one.startsWith('portcullis: warnings:'))) {
      say(`  ${remark}\n`);
    }
    return show(record, status);
  } finally {
    await trial.stop();
  }
}
