// An administrator's requests, and live sockets to do them to.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { freshAddress } from './gate.mjs';
import { mint, SECRET } from './tokens.mjs';

export const ADMIN_TOKEN = 'an administrator of the tests, whom nobody else can be'.replaceAll(
  /[ ,]/g,
  '-',
);

/** Settings of a gate with administrators that knows its live sockets. */
export const WATCHED = {
  AUTH: 'required',
  JWT_SECRET: SECRET,
  RATE_LIMIT_IP: 'off',
  KEY_REPLAY_WINDOW: 'off',
  RELAY: 'inspect',
  ADMIN_TOKEN,
};

/** Sends an administrator's request from a new address; null removes a header. */
export function administer(gate, method, path, { body, headers, to } = {}) {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const all = {
    Host: 'gate.example',
    'CF-Connecting-IP': freshAddress(),
    'Content-Length': String(Buffer.byteLength(text ?? '')),
    Authorization: `Bearer ${ADMIN_TOKEN}`,
    ...headers,
  };
  const pairs = Object.entries(all).filter(([, value]) => value !== null);
  const target = `/_portcullis/admin/${path}`;
  return gate.send({ method, target, headers: pairs, body: text, to });
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
    headers: { Authorization: `Bearer ${mint(claims)}`, ...headers },
  });
  assert.ok(socket.answer, `not admitted: ${socket.body}`);
  socket.closed = once(socket, 'close').then(([code, reason]) => [code, reason.toString()]);
  return socket;
}

/** Whether a socket still lives: it echoes. */
export async function echoes(socket) {
  const answer = once(socket, 'message');
  socket.send('still there?');
  return (await answer)[0].toString() === 'still there?';
}
