// Sockets of the browser module, whose events can be waited for.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach } from 'node:test';
import { PortcullisSocket } from '../../client/portcullis.js';
import { mint } from './tokens.mjs';

/** In milliseconds. */
export const DEADLINE = 20_000;

const opened = new Set();
afterEach(() => {
  for (const socket of opened) socket.close();
  opened.clear();
});

/** A socket whose events stand in `log`, and which is closed after the test. */
export function open(gate, { target = '/', ...options } = {}) {
  const url = new URL(target, gate.url ?? gate);
  const socket = new PortcullisSocket(url, {
    getToken: () => mint(),
    firstDelay: 1,
    mostDelay: 8,
    ...options,
  });
  opened.add(socket);
  const log = [];
  for (const type of ['open', 'message', 'refused', 'close']) {
    socket.addEventListener(type, (event) => log.push(event));
  }
  return Object.assign(socket, { log });
}

export async function next(socket, type, signal = AbortSignal.timeout(DEADLINE)) {
  const [event] = await once(socket, type, { signal });
  return event;
}

/** The next so many events of a type. */
export async function several(socket, type, count) {
  const events = [];
  while (events.length < count) events.push(await next(socket, type));
  return events;
}

/** The end for good. */
export async function last(socket) {
  const signal = AbortSignal.timeout(DEADLINE);
  let close;
  do close = await next(socket, 'close', signal);
  while (close.retryIn !== null);
  assert.equal(socket.readyState, PortcullisSocket.CLOSED);
  return close;
}

/** Sends a text and resolves to the next message. */
export async function echo(socket, text) {
  const answer = next(socket, 'message');
  socket.send(text);
  return (await answer).data;
}
