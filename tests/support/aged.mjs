// The gate with objects whose alarm a test can ring as if time had passed.
import { MODULES } from '../../tools/gate.mjs';
import { inRoot } from '../../tools/run.mjs';

const SCRIPT = `
import gate, { Ledger as OneLedger, RouteQuota as OneQuota } from './main.js';

export * from './main.js';
export default gate;

const { now } = Date;
const aged = (Base) =>
  class extends Base {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (!pathname.startsWith('/ring/')) return super.fetch(request);
      const passed = Number(pathname.slice('/ring/'.length));
      Date.now = () => now() + passed;
      try {
        await super.alarm();
      } finally {
        Date.now = now;
      }
      return new Response();
    }
  };

export class Ledger extends aged(OneLedger) {}
export class RouteQuota extends aged(OneQuota) {}
`;

/** Options of `useGate` for such a gate. */
export const AGED = {
  modules: {
    modulesRoot: inRoot('build'),
    modules: [{ type: 'ESModule', path: inRoot('build', 'aged.js'), contents: SCRIPT }, ...MODULES],
  },
};

/** Rings the alarm of an object of the class `binding` names, as if so much time had passed. */
export async function ring(gate, binding, name, milliseconds) {
  const objects = await gate.miniflare.getDurableObjectNamespace(binding, 'gate');
  const object = objects.get(objects.idFromName(name));
  await object.fetch(`http://object/ring/${milliseconds}`);
}
