// The module that wasm-bindgen makes of the Worker.
export default class Entrypoint {
  fetch(this: { env: object; ctx: ExecutionContext }, request: Request): Promise<Response>;
}
