// The Workers that are compared, each started in a process of its own.
import { buildSync } from 'esbuild';
import { describe } from '../tools/gate.mjs';
import { inRoot, step } from '../tools/run.mjs';
import { forWasm } from '../tools/rust.mjs';
import { RELEASE, workerBuild } from '../tools/worker-build.mjs';
import { SECRET } from '../tests/support/tokens.mjs';
import { ORIGIN } from './browser.mjs';
import { checkBuilt, startGate, startWorker } from './workers.mjs';

const COMPATIBILITY_DATE = '2026-07-15';
const NEVER_REACHED = '1000000/1m';
const NAIVE = inRoot('build', 'bench', 'naive');

/** Bundles a script of `contenders/`; resolves to its path. */
function bundle(name, { contender, external = [], as = name } = {}) {
  const outfile = inRoot('build', 'bench', `${as}.js`);
  buildSync({
    entryPoints: [inRoot('benches', 'contenders', `${name}.js`)],
    outfile,
    bundle: true,
    format: 'esm',
    minify: true,
    conditions: ['workerd', 'worker', 'browser'],
    alias: contender ? { contender } : {},
    external: ['cloudflare:workers', ...external],
  });
  return outfile;
}

const startJavaScript = (name, vars, objects) =>
  startWorker({ modules: [bundle(name)], compatibilityDate: COMPATIBILITY_DATE, vars, objects });

/** Compiles the gate as one would write it with workers-rs. */
export const buildNaive = (environment) =>
  step('naive workers-rs gate', () =>
    workerBuild('naive workers-rs gate', {
      cwd: inRoot('benches', 'contenders', 'naive'),
      env: forWasm(environment),
      out: '../../../build/bench/naive',
      profile: RELEASE,
    }),
  );

/** Starts each contender in front of a server, by its name. */
export function starters(UPSTREAM) {
  const common = { ALLOWED_ORIGINS: ORIGIN, JWT_SECRET: SECRET };
  const team = (COUNT, LIMIT = '1000000') => startJavaScript('team', ...ofTeam(COUNT, LIMIT));
  const ofTeam = (COUNT, LIMIT) => [
    { ...common, UPSTREAM, LIMIT, COUNT },
    { WINDOWS: 'Window', MEMORY: 'MemoryWindow' },
  ];
  const settings = (counters) => ({
    ...common,
    REQUIRE_TLS: 'false',
    UPSTREAM_URL: UPSTREAM,
    ...counters,
  });
  const gate = (counters) => startGate(settings(counters));
  return {
    bare: () => startJavaScript('bare', { UPSTREAM }, { HOPS: 'Hop' }),
    'team, sql': () => team('sql'),
    'team, memory': () => team('memory'),
    'team, binding': () => team('binding'),
    'team at its limit': () => team('sql', '0'),
    naive: () =>
      startWorker({
        modules: ['index.js', 'index_bg.wasm'].map((file) => `${NAIVE}/${file}`),
        compatibilityDate: COMPATIBILITY_DATE,
        vars: { ...common, UPSTREAM, LIMIT: '1000000' },
        objects: { WINDOWS: 'Window' },
      }),
    'no counter': () => gate({ RATE_LIMIT_IP: 'off', KEY_REPLAY_WINDOW: 'off' }),
    'one counter': () => gate({ RATE_LIMIT_IP: NEVER_REACHED }),
    'two counters': () => gate({ RATE_LIMIT_IP: NEVER_REACHED, RATE_LIMIT_USER: NEVER_REACHED }),
    'busy address': () => gate({ RATE_LIMIT_IP: NEVER_REACHED, KEY_REPLAY_WINDOW: 'off' }),
    'at its limit': () => gate({ RATE_LIMIT_IP: '1/1h' }),
    'team, counted': () => startCountedTeam(...ofTeam('sql', '1000000')),
    'gate, counted': () => startCountedGate(settings()),
    'gate, two counters, counted': () => startCountedGate(settings({ RATE_LIMIT_USER: '60/1m' })),
  };
}

const startCountedTeam = (vars, objects) =>
  startWorker({
    modules: [
      bundle('counted', { contender: inRoot('benches/contenders/team.js'), as: 'counted-team' }),
    ],
    compatibilityDate: COMPATIBILITY_DATE,
    vars,
    objects: { ...objects, PROBES: 'Probe' },
  });

function startCountedGate(vars) {
  checkBuilt();
  const built = ['main.js', 'index.js', 'index_bg.wasm'];
  const external = built.map((file) => `./${file}`);
  const { compatibilityDate, durableObjects } = describe();
  const objects = Object.entries(durableObjects).map(([name, { className }]) => [name, className]);
  return startWorker({
    modules: [
      bundle('counted', { contender: './main.js', external, as: 'counted-gate' }),
      ...built.map((file) => inRoot('build', file)),
    ],
    compatibilityDate,
    vars,
    objects: { ...Object.fromEntries(objects), PROBES: 'Probe' },
  });
}
