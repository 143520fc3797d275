// Durable Objects: how they are asked, how they answer, and the rows that they store.

import { inTime, withTimeout } from './host.js';

/** The answer that most questions get, and a status for it: headers take longer than all else. */
const PLAIN = { answer: 'counted', status: 204 };

/**
 * Asks the object of this name by a path; its answer stands in a header, so that no body is
 * awaited. The URL says that a status may stand for it: isolates of an earlier version don't read that.
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 * @param {string} path
 * @param {number} milliseconds
 */
export function askByPath(namespace, name, path, milliseconds) {
  // Without a signal: an object that is asked counts, whether or not somebody waits.
  return inTime(milliseconds, () => askAndRead(namespace, name, path));
}

/**
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 * @param {string} path
 */
async function askAndRead(namespace, name, path) {
  const { status, headers } = await namespace.getByName(name).fetch(`https://brief${path}`);
  return status === PLAIN.status ? PLAIN.answer : (headers.get('answer') ?? `status ${status}`);
}

// An object's rows stand in the key-value store, whose table costs nothing to make. Numbers are
// padded, so that the keys are in their order.
const ROW_DIGITS = 16;
/** @param {number} number */
const rowKey = (number) => `${number}`.padStart(ROW_DIGITS, '0');

/**
 * An object's rows in order: number, bytes, number, bytes …
 * @param {DurableObjectStorage} storage
 */
export function loadRows({ kv }) {
  return [...kv.list()].flatMap(([key, data]) => [Number(key), data]);
}

/**
 * Stores rows, deletes others and sets the alarm, all at once.
 * @param {DurableObjectStorage} storage
 * @param {ArrayLike<number>} write the numbers of the rows
 * @param {ArrayLike<number>} ends where each ends in `bytes`
 * @param {Uint8Array} bytes of WASM's memory
 * @param {Iterable<number>} remove
 * @param {number | undefined} wakeIn milliseconds
 */
export function storeRows(storage, write, ends, bytes, remove, wakeIn) {
  for (let at = 0, start = 0; at < write.length; at += 1) {
    storage.kv.put(rowKey(write[at]), bytes.slice(start, ends[at]));
    start = ends[at];
  }
  for (const number of remove) storage.kv.delete(rowKey(number));
  // Not waited for: the answer leaves only once all of it is stored, and never if that fails.
  if (wakeIn !== undefined) storage.setAlarm(Date.now() + wakeIn).catch(() => {});
}

/**
 * An answer as `askByPath` reads it.
 * @param {string} answer
 */
export function answerByHeader(answer) {
  const { status } = PLAIN;
  return new Response(null, answer === PLAIN.answer ? { status } : { headers: { answer } });
}

/**
 * Asks the object of what can be used once under this name; its answer is a text.
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 * @param {string} path
 * @param {string} body
 * @param {number} milliseconds
 */
export function askOnce(namespace, name, path, body, milliseconds) {
  return withTimeout(milliseconds, async (signal) => {
    const object = namespace.getByName(name);
    const response = await object.fetch(`https://once${path}`, { method: 'POST', body, signal });
    return response.status === 200 ? response.text() : `status ${response.status}`;
  });
}

/**
 * A Durable Object of a namespace.
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 */
export function objectByName(namespace, name) {
  return namespace.getByName(name);
}
