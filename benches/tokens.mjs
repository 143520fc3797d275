// What verifying a token costs, algorithm by algorithm, beside a Worker in JavaScript with jose:
// µs of CPU time of the workerd process per upgrade, above the same upgrade without a token.
// `cold`: a token never seen before; `again`: one token over and over. Both are refused for a
// scope in the end, so that nothing is measured of an upstream.
import { writeFileSync } from 'node:fs';
import { buildSync } from 'esbuild';
import { readCommandLine, typed } from '../tools/commands.mjs';
import { describe } from '../tools/gate.mjs';
import { entry, inRoot, say } from '../tools/run.mjs';
import { ALGORITHMS, makeKey, sign } from '../tests/support/keys.mjs';
import { checkBuilt, quartiles, startWorker } from './workers.mjs';

const HELP = `${typed('tokens')} [options]    measures what verifying a token costs

  --algorithms <list>   such as RS256,EdDSA; all without it
  --rounds <count>      in each both contenders have a turn; 40 without it
  --requests <count>    of a turn; 250 without it
  --raw <file>          for the raw figures as JSON`;

const OPTIONS = {
  algorithms: { type: 'string', default: ALGORITHMS.join() },
  rounds: { type: 'string', default: '40' },
  requests: { type: 'string', default: '250' },
  raw: { type: 'string' },
};
/** Until V8 has compiled what is hot. */
const WARM_UP = 10;
const NAMES = ['jose', 'gate'];

/** The Worker of `contender` under `storm.js`. */
function start(name, contender, external, vars) {
  const { compatibilityDate } = describe();
  const outfile = inRoot('build', 'bench', `${name}.js`);
  buildSync({
    entryPoints: [inRoot('benches', 'contenders', 'storm.js')],
    outfile,
    bundle: true,
    format: 'esm',
    minify: true,
    conditions: ['workerd', 'worker', 'browser'],
    alias: { contender },
    external,
  });
  return startWorker({
    modules: [outfile, ...external.map((module) => inRoot('build', module))],
    compatibilityDate,
    vars,
  });
}

async function startBoth(JWT_JWKS) {
  checkBuilt();
  const vars = { JWT_JWKS, REQUIRED_SCOPES: 'open' };
  const settings = {
    ALLOWED_ORIGINS: 'https://app.example.com',
    UPSTREAM_URL: 'wss://upstream.example.com',
    RATE_LIMIT_IP: 'off',
    KEY_REPLAY_WINDOW: 'off',
    TICKET_TTL: 'off',
  };
  const jose = inRoot('benches', 'contenders', 'jose.js');
  return {
    jose: await start('jose', jose, [], vars),
    gate: await start('gate', './main.js', ['./main.js', './index.js', './index_bg.wasm'], {
      ...vars,
      ...settings,
    }),
  };
}

/** µs of CPU time for each of these tokens. */
async function measure({ url, cpu }, tokens, status) {
  const before = cpu();
  const answer = await fetch(url, { method: 'POST', body: JSON.stringify(tokens) });
  const [found, ...others] = await answer.json();
  const cost = (cpu() - before) / tokens.length;
  if (found !== status || others.length > 0) throw new Error(`answered ${[found, ...others]}`);
  return cost;
}

async function costs(worker, tokens) {
  const requests = tokens.length;
  const base = await measure(worker, Array(requests).fill(null), 401);
  const cold = await measure(worker, tokens, 403);
  const again = await measure(worker, Array(requests).fill(tokens[0]), 403);
  return { base, cold: cold - base, again: again - base };
}

const cell = (rounds, name, way) => {
  const { median, low, high } = quartiles(rounds.map((round) => round[name][way]));
  return `${median.toFixed(0)} (${low.toFixed(0)}–${high.toFixed(0)})`.padEnd(18);
};
const row = (title, rounds, ways) =>
  say(
    title.padEnd(8) + ways.flatMap((way) => NAMES.map((name) => cell(rounds, name, way))).join(''),
  );

await entry(import.meta.url, async (args) => {
  const read = readCommandLine(args, { command: typed('tokens'), help: HELP, options: OPTIONS });
  if (!read) return;
  const given = read.values;
  const [rounds, requests] = [Number(given.rounds), Number(given.requests)];
  const keys = given.algorithms.split(',').map((algorithm) => makeKey(algorithm, algorithm));
  const workers = await startBoth(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  say(
    `µs      ${['cold: jose', 'gate', 'again: jose', 'gate'].map((name) => name.padEnd(18)).join('')}`,
  );
  const raw = {};
  let jti = 0;
  for (const key of keys) {
    const mint = () => sign(key, { jti: `${(jti += 1)}`, exp: 4_000_000_000 });
    raw[key.alg] = [];
    for (let turn = -WARM_UP; turn < rounds; turn += 1) {
      const tokens = await Promise.all(Array.from({ length: requests }, mint));
      const round = {};
      for (const name of turn % 2 === 0 ? NAMES : NAMES.toReversed()) {
        round[name] = await costs(workers[name], tokens);
      }
      if (turn >= 0) raw[key.alg].push(round);
    }
    row(key.alg, raw[key.alg], ['cold', 'again']);
  }
  row('base', Object.values(raw).flat(), ['base']);
  if (given.raw) writeFileSync(given.raw, `${JSON.stringify(raw, null, 2)}\n`);
  for (const worker of Object.values(workers)) await worker.stop();
});
