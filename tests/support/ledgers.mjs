// Durable Objects in place of one of the gate's own: ones that fail in every way, and one that
// counts the calls it passes on.
import { createHash } from 'node:crypto';
import { worker } from './gate.mjs';
import { SECRET } from './tokens.mjs';

const SCRIPT = `
import { DurableObject } from 'cloudflare:workers';

const plan = new Map();
const calls = new Map();

export class Double extends DurableObject {
  async fetch(request) {
    const name = this.ctx.id.name;
    calls.set(name, [...(calls.get(name) ?? []), new URL(request.url).pathname]);
    const behaviour = plan.get(name) ?? plan.get('*') ?? 'real';
    switch (behaviour) {
      case 'real': return this.env.LEDGER.getByName(name).fetch(request);
      case 'hang': return scheduler.wait(3_600_000);
      case 'stall': return new Promise(() => {});
      case 'throw': throw new Error('thrown on purpose');
      case 'abort': return this.ctx.abort('aborted on purpose');
      case 'status 500': return new Response('', { status: 500 });
      // It does as it was told, and nobody learns of it.
      case 'mute':
        await this.env.LEDGER.getByName(name).fetch(request);
        throw new Error('muted on purpose');
      // The same once the plan is another, when nobody may wait for it any more.
      case 'late': {
        while (plan.get(name) === 'late') await scheduler.wait(10);
        const response = await this.env.LEDGER.getByName(name).fetch(request);
        calls.get(name).push('late');
        return response;
      }
      // A ledger answers in a header, others in the body; who refuses a channel says in another
      // what becomes of its socket.
      default: {
        const [answer, message] = behaviour.split('\\n');
        const headers = message?.startsWith('end ') ? { answer, message } : { answer };
        return new Response(behaviour, { headers });
      }
    }
  }
}

export class Unbuilt extends DurableObject {
  constructor() {
    throw new Error('not built on purpose');
  }
}

export default {
  async fetch(request) {
    if (request.method === 'PUT') {
      for (const [name, behaviour] of Object.entries(await request.json())) plan.set(name, behaviour);
    }
    return Response.json(Object.fromEntries(calls));
  },
};
`;

/** The gate's own objects by their bindings. */
const OWN = {
  LEDGER: { className: 'Ledger', useSQLite: true },
  ONE_TIME: { className: 'OneTime', useSQLite: true },
  REGISTRY: { className: 'Registry', useSQLite: true },
  ROUTE_QUOTA: { className: 'RouteQuota', useSQLite: true },
};

/** Options of `useGate` that put the class `Double` or `Unbuilt` in the ledger's place. */
export const withLedger = (className) => inPlaceOf('LEDGER', className);
/** The same for the quota of a route. */
export const withRouteQuota = (className) => inPlaceOf('ROUTE_QUOTA', className);
/** The same for the registry of live sockets. */
export const withRegistry = (className) => inPlaceOf('REGISTRY', className);
/** The same for what can be used once. */
export const withOneTime = (className) => inPlaceOf('ONE_TIME', className);

const inPlaceOf = (binding, className) => ({
  gate: {
    durableObjects: { ...OWN, [binding]: { className, scriptName: 'ledgers' } },
    additionalUnboundDurableObjects: [OWN[binding]],
  },
  workers: [
    worker('ledgers', SCRIPT, {
      durableObjects: {
        DOUBLE: 'Double',
        UNBUILT: 'Unbuilt',
        LEDGER: { className: OWN[binding].className, scriptName: 'gate' },
      },
    }),
  ],
});

/** A SHA-256 digest of parts, each behind its length; undefined is not an empty part. */
function digestOf(...parts) {
  const hash = createHash('sha256');
  for (const text of parts) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(text === undefined ? 0xffff_ffff_ffff_ffffn : BigInt(text.length));
    hash.update(length).update(text ?? '');
  }
  return hash.digest('hex');
}

/** The trust domain of tokens that name no issuer and are signed with the tests' secret. */
const OF_THE_SECRET = digestOf('secret', SECRET);

/** The names of ledgers. */
export const ofAddress = (address) => `ip ${address}`;
export const ofUser = (subject, issuer) =>
  `user ${issuer === undefined ? digestOf(undefined, OF_THE_SECRET, subject) : digestOf(issuer, subject)}`;

/** The name of the registry's object that keeps the sockets of a subject. */
export function registryOf(subject, issuer) {
  const parts = issuer === undefined ? ['', OF_THE_SECRET, subject] : [issuer, subject];
  const key = `sub ${parts.map((part) => `${part.length}:${part}`).join(' ')}`;
  return String(createHash('sha256').update(key).digest()[0] % 16);
}

/** Says what the double does by the names of objects (`*`: for all others). */
export async function plan(gate, behaviours) {
  const worker = await gate.miniflare.getWorker('ledgers');
  await worker.fetch('http://ledgers/', { method: 'PUT', body: JSON.stringify(behaviours) });
}

/** The paths of the calls that the double got, by name; with a name, those for it. */
export async function calls(gate, name) {
  const worker = await gate.miniflare.getWorker('ledgers');
  const all = await (await worker.fetch('http://ledgers/')).json();
  return name === undefined ? all : (all[name] ?? []);
}
