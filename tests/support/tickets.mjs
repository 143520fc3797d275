// Asking for tickets and using them, and a second gate beside the first.
import assert from 'node:assert/strict';
import { describe as describeGate, MODULES } from '../../tools/gate.mjs';
import { inRoot } from '../../tools/run.mjs';
import { freshAddress, ORIGIN } from './gate.mjs';
import { mint } from './tokens.mjs';

/**
 * Sends a request to the endpoint: with a good token, from an allowed origin and a new address,
 * unless `headers` say else; null removes one.
 */
export function ask(gate, { method = 'POST', query = '', to, headers = {} } = {}) {
  const all = {
    Host: 'gate.example',
    Origin: ORIGIN,
    'CF-Connecting-IP': freshAddress(),
    'Content-Length': '0',
    Authorization: `Bearer ${mint()}`,
    ...headers,
  };
  const pairs = Object.entries(all).filter(([, value]) => value !== null);
  return gate.send({ method, target: `/_portcullis/ticket${query}`, headers: pairs, to });
}

/** A ticket for this address. */
export async function obtain(gate, address, { headers, ...more } = {}) {
  const answer = await ask(gate, { headers: { 'CF-Connecting-IP': address, ...headers }, ...more });
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).ticket;
}

/** Knocks with a ticket. */
export const use = (gate, ticket, address, { headers, target = '/', to } = {}) =>
  gate.knock(
    { 'CF-Connecting-IP': address, ...headers },
    { target: `${target}${target.includes('?') ? '&' : '?'}ticket=${ticket}`, to },
  );

/**
 * Options of `openGate` for two gates in isolates of their own that share all objects. `vars`:
 * settings of the second; the first takes its own.
 */
export function withSecondGate(vars) {
  const described = describeGate();
  const classes = Object.entries(described.durableObjects);
  const shared = classes.map(([name, object]) => [
    name,
    { className: object.className ?? object, scriptName: 'gate' },
  ]);
  return {
    workers: [
      {
        ...described,
        name: 'second',
        modulesRoot: inRoot('build'),
        modules: MODULES,
        durableObjects: Object.fromEntries(shared),
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
        bindings: vars,
      },
    ],
  };
}

/** Both gates' URLs. */
export const bothGates = async (gate) => [
  gate.direct,
  await gate.miniflare.unsafeGetDirectURL('second'),
];
