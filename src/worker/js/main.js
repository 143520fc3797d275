// The Worker's main module. The default export of worker-build makes a class instance, two proxies
// and a copy of its hooks for each request, to renew the WASM instance after a panic; the exported
// functions of wasm-bindgen do that by themselves.
import { env as environment } from 'cloudflare:workers';
import Entrypoint, { Ledger, Registry } from './index.js';
import { rehearse } from './rehearsal.js';

export * from './index.js';

const { announce, fetch, inspectSettings, prepare, rehearse: run } = Entrypoint.prototype;

try {
  rehearse(run, { Ledger, Registry });
  prepare(environment);
  // After the modules: one of them may call `guard`, which prepares another environment.
  queueMicrotask(() => announce());
} catch (error) {
  // The first request does without.
  console.warn(`portcullis: the rehearsal failed: ${error}`);
}

/** Under this name tools find out what the settings of a Worker say, as JSON. */
const INSPECT = Symbol.for('portcullis.inspect');

export default {
  /** @type {(env: object) => string} */
  [INSPECT]: (env) => inspectSettings(env),
  /** @type {(request: Request, env: object, ctx: ExecutionContext) => Promise<Response>} */
  fetch: (request, env, ctx) => fetch.call({ env, ctx }, request),
};

/** The name under which the gate finds a guarded handler among the bindings. */
const GUARDED = 'PORTCULLIS_GUARDED_HANDLER';
/** What the runtime may call besides `fetch`; the gate has no part in these. */
const OTHER_EVENTS = ['scheduled', 'queue', 'email', 'tail', 'tailStream', 'trace', 'test'];

/**
 * @typedef {(request: Request, env: any, ctx: ExecutionContext) => Response | Promise<Response>} Fetch
 * @typedef {{ fetch: Fetch } & Record<string | symbol, (...args: any[]) => unknown>} Handlers
 */

/**
 * The environment of a guarded handler as the gate reads it.
 * @param {object} env
 * @param {object} service what the gate sends requests to
 */
function guardedEnvironment(env, service) {
  if ('UPSTREAM_SERVICE' in env) {
    throw new TypeError(
      'UPSTREAM_SERVICE is set, but guard() sends sockets to the handler it wraps; remove the setting',
    );
  }
  return { ...env, UPSTREAM_SERVICE: GUARDED, [GUARDED]: service };
}

/**
 * A Worker's handlers behind the gate: what passes the gate reaches the `fetch` of `handlers`, in
 * the place of a server of its own. All other events go to `handlers` directly.
 * @param {Handlers} handlers
 * @returns {Handlers}
 */
export function guard(handlers) {
  if (typeof handlers?.fetch !== 'function') {
    throw new TypeError('guard() takes an object with a fetch function, such as { fetch }');
  }
  if (!('UPSTREAM_SERVICE' in environment)) prepare(guardedEnvironment(environment, handlers));
  /** @type {Handlers} */
  const guarded = {
    [INSPECT]: (env) => inspectSettings(guardedEnvironment(env, handlers)),
    fetch(request, env, ctx) {
      const service = {
        // Only the `cf` of the original request is not in what the gate forwards.
        /** @type {(url: string, init: RequestInit) => Promise<Response>} */
        fetch: async (url, init) =>
          handlers.fetch(new Request(url, { ...init, cf: request.cf }), env, ctx),
      };
      return fetch.call({ env: guardedEnvironment(env, service), ctx }, request);
    },
  };
  for (const event of OTHER_EVENTS) {
    if (typeof handlers[event] === 'function') {
      guarded[event] = (...args) => handlers[event](...args);
    }
  }
  return guarded;
}
