// The module that wasm-bindgen makes of the Worker.
export default class Entrypoint {
  /** Returns what the settings say, as JSON. */
  inspectSettings(env: object): string;
  fetch(this: { env: object; ctx: ExecutionContext }, request: Request): Promise<Response>;
}
