// Types of `portcullis/worker`. They fit `@cloudflare/workers-types` and what `wrangler types`
// writes, and depend on neither.

/** The handlers of a Worker, such as `{ fetch }` or an app of hono. */
export interface Handlers {
  fetch(request: any, env: any, ctx: any): unknown;
}

/**
 * Puts the gate in front of a Worker's handlers. A request that the gate lets through reaches the
 * `fetch` of `handlers`, with the headers that the gate sets. Other events, such as `scheduled`,
 * reach `handlers` directly.
 */
export function guard<H extends Handlers>(handlers: H): H;

/** The gate as a Worker of its own, configured by its environment. */
declare const gate: {
  fetch(request: Request, env: unknown, ctx: unknown): Promise<Response>;
};
export default gate;

/** A Durable Object of the gate. Export it from the Worker's main module and bind it. */
declare class GateObject {
  constructor(state: unknown, env: unknown);
  fetch(request: Request): Promise<Response>;
}
export class Ledger extends GateObject {}
export class OneTime extends GateObject {}
export class Registry extends GateObject {}
export class RouteQuota extends GateObject {}
