// Asking for tickets and using them.
import assert from 'node:assert/strict';
import { from, ORIGIN } from './gate.mjs';
import { withToken } from './tokens.mjs';

/**
 * Sends a request to the endpoint: with a good token, from an allowed origin and a new address,
 * unless `headers` say else; null removes one.
 */
export const ask = (gate, { method = 'POST', query = '', to, headers } = {}) =>
  gate.call(method, `/_portcullis/ticket${query}`, {
    headers: withToken({}, { Origin: ORIGIN, ...headers }),
    to,
  });

/** A ticket for this address. */
export async function obtain(gate, address, { headers, ...more } = {}) {
  const answer = await ask(gate, { headers: from(address, headers), ...more });
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).ticket;
}

/** Knocks with a ticket. */
export const use = (gate, ticket, address, { headers, target = '/', to } = {}) =>
  gate.knock(from(address, headers), {
    target: `${target}${target.includes('?') ? '&' : '?'}ticket=${ticket}`,
    to,
  });
