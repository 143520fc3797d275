// The built gate on workerd, as wrangler.toml describes it: for npm start, the check before a
// deployment, and the tests. Needs Node 22 and a build.
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { OWN_CONFIGURATION } from './project.mjs';
import { Failure, inRoot } from './run.mjs';

const require = createRequire(import.meta.url);
// The Miniflare that wrangler itself uses, wherever the package manager put it.
const { convertV4MiniflareOptions, Miniflare } = createRequire(
  require.resolve('wrangler/package.json'),
)('miniflare');
/** Loaded when it is first needed, because that takes most of a second. */
const wrangler = () => require('wrangler');

/** The built gate's modules, the main one first. */
export const MODULES = [
  { type: 'ESModule', path: inRoot('build', 'main.js') },
  { type: 'ESModule', path: inRoot('build', 'index.js') },
  { type: 'CompiledWasm', path: inRoot('build', 'index_bg.wasm') },
];

/** The gate's name among the Workers, for service bindings to it. */
export const NAME = 'gate';

/**
 * The variable in which a process that runs many tests hands `describe()` on to them as JSON, so
 * that they need no wrangler.
 */
export const DESCRIBED = 'PORTCULLIS_DESCRIBED';

/**
 * The gate's options as the configuration at `path` has them for one of its environments; without
 * a path as its own has them, which holds no settings. Without .dev.vars and
 * .env, which are for `wrangler dev` alone: naming other files keeps wrangler from the first, the
 * variable from the second.
 * @param {string} [environment]
 * @param {string} [path]
 * @returns {any} in Miniflare's form
 */
export function describe(environment, path = OWN_CONFIGURATION) {
  const known = environment === undefined && path === OWN_CONFIGURATION && process.env[DESCRIBED];
  if (known) return JSON.parse(known);
  process.env.CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV = 'false';
  return read(path, () => {
    // wrangler's types lack this option.
    const noFiles = /** @type {object} */ ({ envFiles: ['none'] });
    const { workerOptions } = wrangler().unstable_getMiniflareWorkerOptions(
      path,
      environment,
      noFiles,
    );
    const { modulesRules, ...described } = workerOptions;
    return described;
  });
}

/** The configuration at `path` as it is written, all environments included. */
export const readRaw = (path) =>
  read(path, () => wrangler().experimental_readRawConfig({ config: path }).rawConfig);

function read(path, work) {
  try {
    return work();
  } catch (error) {
    const line = error.location?.line;
    throw new Failure(`${basename(path)}${line ? `, line ${line}` : ''}: ${error.message}`);
  }
}

/**
 * Options of Miniflare for the gate.
 *
 * `path` and `environment`: wrangler's configuration and one of its environments, if not the usual.
 * `modules`: a Worker that has the gate in it, in place of the gate as built. `vars`: settings, over those of
 * wrangler.toml; undefined unsets. `services`: service bindings by name, each the name of one of
 * `workers` or a function from request to response. `workers`: further Workers in Miniflare's
 * form. `front`: one more that gets the requests first. `gate`: what else to lay over the gate's
 * own options. `onLine`: gets every line a Worker logs, as `{ level, message }`.
 */
function options({
  path,
  environment,
  modules = { modulesRoot: inRoot('build'), modules: MODULES },
  vars = {},
  services = {},
  workers = [],
  front,
  gate = {},
  onLine,
  host,
  port,
  persist,
  shared,
}) {
  const described = describe(environment, path);
  return convertV4MiniflareOptions({
    host,
    port,
    // Without it Miniflare would ask the network for a sample at its first start.
    cf: { colo: 'LOC', country: 'XX' },
    handleStructuredLogs: onLine,
    resourcePersistencePath: persist,
    ...shared,
    workers: [
      ...(front ? [front] : []),
      {
        ...described,
        name: NAME,
        ...modules,
        // Only Cloudflare has the certificates.
        mtlsCertificates: {},
        ...gate,
        bindings: withoutUnset({ ...described.bindings, ...vars }),
        serviceBindings: { ...described.serviceBindings, ...services },
      },
      ...workers,
    ],
  });
}

const withoutUnset = (vars) =>
  Object.fromEntries(Object.entries(vars).filter(([, value]) => value !== undefined));

/**
 * Starts the gate. Resolves once workerd listens, to its `url` (a URL), `setOptions` to restart
 * it with others on the same port, and `stop`.
 */
export async function startGate(given) {
  const settled = { host: '127.0.0.1', port: 0, ...given };
  const miniflare = new Miniflare(options(settled));
  let url;
  try {
    url = await miniflare.ready;
  } catch (error) {
    // What started of it would keep this process alive.
    await miniflare.dispose();
    throw error;
  }
  return {
    url,
    miniflare,
    setOptions: (changed) =>
      miniflare.setOptions(options({ ...settled, port: Number(url.port), ...changed })),
    stop: () => miniflare.dispose(),
  };
}
