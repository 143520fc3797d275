// Timers that hold for any time.

import { DOMException, throwIfAborted } from './globals.js';

/** Platforms fire longer ones at once. */
const LONGEST = 2 ** 31 - 1;

/**
 * Calls `work` in so many milliseconds. Gives a function that prevents it.
 * @param {number} delay
 * @param {() => void} work
 */
export function after(delay, work) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  /** @param {number} left */
  const set = (left) => {
    const step = Math.min(left, LONGEST);
    timer = setTimeout(() => (left > step ? set(left - step) : work()), step);
  };
  set(Math.max(delay, 0));
  return () => clearTimeout(timer);
}

const late = () => new DOMException('no answer in time', 'TimeoutError');

/**
 * Does work with a signal that fires when `signal` does, or after so many milliseconds.
 * @template T
 * @param {number} delay
 * @param {AbortSignal} signal
 * @param {(signal: AbortSignal) => Promise<T>} work
 */
export async function within(delay, signal, work) {
  throwIfAborted(signal);
  const limited = new AbortController();
  const stop = () => limited.abort(signal.reason);
  const cancel = after(delay, () => limited.abort(late()));
  signal.addEventListener('abort', stop);
  try {
    return await work(limited.signal);
  } finally {
    cancel();
    signal.removeEventListener('abort', stop);
  }
}
