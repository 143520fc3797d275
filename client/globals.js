// Classes that some platforms lack. React Native has no event classes and lacks some errors.

/**
 * A small EventTarget.
 * @implements {Pick<EventTarget, 'addEventListener' | 'removeEventListener' | 'dispatchEvent'>}
 */
class OwnEventTarget {
  /**
   * The listeners by type of event, each with whether it is called only once.
   * @type {Record<string, Map<any, boolean>>}
   */
  #listeners = {};

  /**
   * @param {string} type
   * @param {any} listener
   * @param {any} [options]
   */
  addEventListener(type, listener, options) {
    if (!listener || options?.signal?.aborted) return;
    const known = (this.#listeners[type] ??= new Map());
    if (!known.has(listener)) known.set(listener, Boolean(options?.once));
    options?.signal?.addEventListener('abort', () => this.removeEventListener(type, listener));
  }

  /**
   * @param {string} type
   * @param {any} listener
   */
  removeEventListener(type, listener) {
    this.#listeners[type]?.delete(listener);
  }

  /** @param {any} event */
  dispatchEvent(event) {
    event.target = event.currentTarget = this;
    for (const [listener, once] of [...(this.#listeners[event.type] ?? [])]) {
      if (once) this.removeEventListener(event.type, listener);
      try {
        if (typeof listener === 'function') listener.call(this, event);
        else listener.handleEvent(event);
      } catch (error) {
        // As in browsers, the error is reported, and the other listeners are called.
        setTimeout(() => {
          throw error;
        });
      }
    }
    return true;
  }
}

class OwnEvent {
  /** @param {string} type */
  constructor(type) {
    this.type = type;
  }
}

class OwnException extends Error {
  /**
   * @param {string} message
   * @param {string} name
   */
  constructor(message, name) {
    super(message);
    this.name = name;
  }
}

const platform = /** @type {Partial<typeof globalThis>} */ (globalThis);

/** @type {typeof globalThis.EventTarget} */
export const EventTarget = platform.EventTarget ?? /** @type {any} */ (OwnEventTarget);
/** @type {typeof globalThis.Event} */
export const Event = platform.Event ?? /** @type {any} */ (OwnEvent);
/** @type {typeof globalThis.DOMException} */
export const DOMException = platform.DOMException ?? /** @type {any} */ (OwnException);

/**
 * Makes a message event like that of a WebSocket.
 * @param {any} data
 * @param {string} origin
 */
export function messageEvent(data, origin) {
  if (platform.MessageEvent) return new platform.MessageEvent('message', { data, origin });
  return Object.assign(new Event('message'), { data, origin });
}

/** Milliseconds by a monotonic clock, if the platform has one. */
export const now = () => platform.performance?.now() ?? Date.now();

/**
 * Throws if the signal has fired.
 * @param {AbortSignal} signal
 */
export function throwIfAborted(signal) {
  if (signal.aborted) throw signal.reason ?? new DOMException('it is over', 'AbortError');
}

/**
 * Parses a URL as `new URL` does. React Native's URL can't read those of a WebSocket.
 * @param {string} given
 * @param {string} [base]
 */
export function normalised(given, base) {
  const sample = 'ws://a/b?c';
  return new URL(sample).href === sample ? new URL(given, base).href : given;
}
