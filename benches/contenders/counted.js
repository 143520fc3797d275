// A Worker that counts what Cloudflare would bill of its Durable Objects: requests to them, alarms
// that will run among these, and rows written. `/counted` returns the counts and begins anew.
// `contender` is the Worker counted.
import { DurableObject } from 'cloudflare:workers';
import worker, * as exported from 'contender';

export * from 'contender';

const counts = { requests: 0, rows: 0 };
/** Storages with an alarm to come, which is one request however often it is set. */
let withAlarm = new WeakSet();

function wrap(prototype, name, before) {
  const method = prototype[name];
  prototype[name] = function (...args) {
    before?.(this);
    return method.apply(this, args);
  };
}

for (const { prototype } of Object.values(exported)) {
  for (const name of ['fetch', 'admit']) {
    if (prototype && name in prototype) wrap(prototype, name, () => (counts.requests += 1));
  }
}

/** An object whose storage shows the prototypes of every object's. */
export class Probe extends DurableObject {
  constructor(state, env) {
    super(state, env);
    const { storage } = state;
    const row = () => (counts.rows += 1);
    for (const name of ['put', 'delete']) wrap(Object.getPrototypeOf(storage.kv), name, row);
    wrap(Object.getPrototypeOf(storage), 'setAlarm', (of) => {
      row();
      if (!withAlarm.has(of)) counts.requests += 1;
      withAlarm.add(of);
    });
    const sql = Object.getPrototypeOf(storage.sql);
    const { exec } = sql;
    sql.exec = function (...args) {
      const cursor = exec.apply(this, args);
      counts.rows += cursor.rowsWritten;
      return cursor;
    };
  }

  fetch() {
    return new Response(null);
  }
}

export default {
  async fetch(request, env, context) {
    if (new URL(request.url).pathname !== '/counted') return worker.fetch(request, env, context);
    await env.PROBES.getByName('probe').fetch('https://probe/');
    const seen = Response.json(counts);
    Object.assign(counts, { requests: 0, rows: 0 });
    withAlarm = new WeakSet();
    return seen;
  },
};
