// Timers that hold for any time.

/** Platforms fire longer ones at once. */
const LONGEST = 2 ** 31 - 1;

/** Calls `work` in so many milliseconds. Gives a function that prevents it. */
export function after(delay, work) {
  let timer;
  const set = (left) => {
    const step = Math.min(left, LONGEST);
    timer = setTimeout(() => (left > step ? set(left - step) : work()), step);
  };
  set(Math.max(delay, 0));
  return () => clearTimeout(timer);
}

const late = () => new DOMException('no answer in time', 'TimeoutError');

/** Does work with a signal that fires when `signal` does, or after so many milliseconds. */
export async function within(delay, signal, work) {
  signal.throwIfAborted();
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
