// The module that wasm-bindgen makes of the Worker.
export default class Entrypoint {
  /** Logs what is wrong with the settings that `prepare` read. */
  announce(): void;
  /** Returns what the settings say, as JSON. */
  inspectSettings(env: object): string;
  fetch(this: { env: object; ctx: ExecutionContext }, request: Request): Promise<Response>;
  prepare(env: object): void;
  rehearse(requests: Request[], env: object, ctx: object): void;
}

export class Ledger {
  constructor(state: object, env: object);
  fetch(request: Request): Response;
}

export class Registry {
  constructor(state: object);
  fetch(request: Request): Response | Promise<Response>;
}
