// Runs in front of a Worker, and returns what its settings mean. `guard` and the gate export the
// inspection under a symbol. For a Worker that wraps either of them again, the gate itself inspects.
import * as own from './worker.js';
import gate from './portcullis/main.js';

export * from './worker.js';

const INSPECT = Symbol.for('portcullis.inspect');
const inspect = own.default?.[INSPECT] ?? gate[INSPECT];

export default {
  async fetch(request, env) {
    try {
      return new Response(inspect({ ...env, ...(await request.json()) }));
    } catch (error) {
      const errors = [{ setting: 'guard()', problem: error.message }];
      return Response.json({ errors, warnings: [], routes: [], guarded: true });
    }
  },
};
