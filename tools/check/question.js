// Runs in front of a Worker, and says what its settings say. What `guard` or the gate exports under
// the symbol inspects them; a Worker that wraps either of them once more is judged by the gate alone.
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
