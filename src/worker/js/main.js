// The Worker's main module. The default export of worker-build makes a class instance, two proxies
// and a copy of its hooks for each request, to renew the WASM instance after a panic; the exported
// functions of wasm-bindgen do that by themselves.
import Entrypoint from './index.js';

export * from './index.js';

const { fetch } = Entrypoint.prototype;

export default {
  /** @type {(request: Request, env: object, ctx: ExecutionContext) => Promise<Response>} */
  fetch: (request, env, ctx) => fetch.call({ env, ctx }, request),
};
