// An administrator's requests, and live sockets to do them to.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closing } from './closing.mjs';
import { UNCOUNTED } from './gate.mjs';
import { bearer, REQUIRED, withToken } from './tokens.mjs';

export const ADMIN_TOKEN = 'an administrator of the tests, whom nobody else can be'.replaceAll(
  /[ ,]/g,
  '-',
);

/** Settings of a gate with administrators that knows its live sockets. */
export const WATCHED = {
  ...REQUIRED,
  ...UNCOUNTED,
  RELAY: 'inspect',
  ADMIN_TOKEN,
};

/** Sends an administrator's request from a new address; null removes a header. */
export function administer(gate, method, path, { body, headers, to } = {}) {
  return gate.call(method, `/_portcullis/admin/${path}`, {
    headers: bearer(ADMIN_TOKEN, headers),
    body: typeof body === 'object' ? JSON.stringify(body) : body,
    to,
  });
}

/** The same, done: resolves to what was answered. */
export async function done(...request) {
  const answer = await administer(...request);
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}

/** A live socket of a real client; `claims` are its token's. */
export async function live(gate, claims = {}, { headers, target, to } = {}) {
  const socket = await gate.connect({
    target: to ? new URL(target ?? '/', to).href : target,
    headers: withToken(claims, headers),
  });
  assert.ok(socket.answer, `not admitted: ${socket.body}`);
  socket.closed = closing(socket);
  return socket;
}

/** Whether a socket still lives: it echoes. */
export async function echoes(socket) {
  const answer = once(socket, 'message');
  socket.send('still there?');
  return (await answer)[0].toString() === 'still there?';
}
