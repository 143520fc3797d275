// Stands in for everything behind the gate when a tool asks the gate a question: the server, other
// Workers and their Durable Objects. It opens every socket itself.
import { classNames } from './objects.mjs';

const SCRIPT = `
import { DurableObject } from 'cloudflare:workers';

function answer(request) {
  if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') return undefined;
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  return new Response(null, { status: 101, webSocket: client });
}
export default {
  fetch: (request, { OUTSIDE }) => answer(request) ?? (OUTSIDE ?? globalThis).fetch(request),
};
export class StandIn extends DurableObject {
  fetch(request) {
    return answer(request) ?? new Response();
  }
}`;

/**
 * Options of `startGate` that put the stub behind a gate that is described so. `outside`: a
 * function from request to response that answers plain requests, such as those for key sets;
 * without it they are sent. `isBundled`: the Worker has classes of its own.
 * @param {any} described
 * @param {{ outside?: (request: Request) => unknown, isBundled?: boolean }} [options]
 */
export function withStub(described, { outside, isBundled = false } = {}) {
  const own = classNames();
  const isElsewhere = ({ className, scriptName }) =>
    (scriptName ?? described.name) !== described.name || !(isBundled || own.includes(className));
  const objects = Object.entries(described.durableObjects ?? {}).map(([name, object]) => [
    name,
    isElsewhere(object) ? { className: 'StandIn', scriptName: 'stub' } : object,
  ]);
  const services = Object.keys({ ...described.serviceBindings, ...described.mtlsCertificates });
  return {
    services: Object.fromEntries(services.map((name) => [name, 'stub'])),
    gate: { outboundService: 'stub', durableObjects: Object.fromEntries(objects) },
    workers: [
      {
        name: 'stub',
        modules: true,
        script: SCRIPT,
        compatibilityDate: described.compatibilityDate,
        durableObjects: { STAND_IN: { className: 'StandIn', useSQLite: true } },
        ...(outside && { serviceBindings: { OUTSIDE: outside } }),
      },
    ],
  };
}
