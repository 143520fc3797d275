// A WebSocket through Portcullis that connects again, hands over tokens, renews them ahead of their
// expiry and says why it was refused. Runs as it is in browsers, Node, Deno, Bun and React Native.

import {
  ABNORMAL,
  actionAfter,
  ClosedEvent,
  FailedEvent,
  GOING_AWAY,
  isRefusal,
  LIMITED,
  NO_STATUS,
  Refused,
  RefusedEvent,
} from './close-reasons.js';
import { DOMException, Event, EventTarget, messageEvent, now, throwIfAborted } from './globals.js';
import { Heart } from './heartbeat.js';
import { checkClose, KNOWN, readOptions, readUrl, REFUSED } from './options.js';
import { MAX_REFUSED_TOKENS, Renewal } from './renewal.js';
import { after } from './timer.js';
import { askFor, Unusable, withTicket } from './tokens.js';

/** @typedef {import('./close-reasons.js').End} End */

/** A connection that ended sooner, in milliseconds, counts as a failed attempt. */
const MIN_SUCCESS = 5_000;

const [CONNECTING, OPEN, CLOSING, CLOSED] = [0, 1, 2, 3];
const STATES = { CONNECTING, OPEN, CLOSING, CLOSED };
const EVENTS = ['open', 'message', 'error', 'refused', 'close'];

const ERRORS = {
  late: () => new DOMException('no connection in time', 'TimeoutError'),
  offline: () => new DOMException('the network is gone', 'NetworkError'),
  failed: () => new DOMException('the connection failed', 'NetworkError'),
  silent: () => new DOMException('the gate is not heard any more', 'NetworkError'),
};
/** Without a network this machine still reaches itself. */
const LOOPBACK = /^(localhost|127\.[\d.]+|\[::1\])$/;
/**
 * What no other attempt mends: such as ws: from a page that came by https.
 * @param {any} error
 */
const isHopeless = (error) => error instanceof Unusable || error?.name === 'SecurityError';

/** Where an option holds what was before. */
const PAST = Symbol('past');
/**
 * Attempts in a row that came to nothing, how many of the last ones a token was refused to, and
 * whether that holds for the last token there was.
 */
const noPast = () => ({ failures: 0, refusedTokens: 0, needsNewToken: false });

export class PortcullisSocket extends EventTarget {
  #url;
  #options;
  #state = CONNECTING;
  /** @type {BinaryType | undefined} */
  #binaryType;
  /**
   * By type, what `on…` were set to.
   * @type {Record<string, Function | null>}
   */
  #handlers = {};
  /** @type {WebSocket | undefined} */
  #socket;
  /**
   * Ends all that the present attempt or connection has under way.
   * @type {AbortController}
   */
  #attempt = new AbortController();
  /** @type {Renewal | undefined} */
  #renewal;
  /** @type {Heart | undefined} */
  #heart;
  /** @type {number | undefined} */
  #openedAt;
  /** @type {ReturnType<typeof noPast>} */
  #past;
  /**
   * While waiting for the next attempt: `due` and `earliest` by the clock, and how to end it.
   * @type {{ due: number, earliest: number, cancel: () => void } | undefined}
   */
  #pause;
  /** Ends what lives as long as this object is not closed. */
  #life = new AbortController();
  #hasGivenUp = false;

  static {
    for (const [name, value] of Object.entries(STATES)) {
      const constant = { value, enumerable: true };
      Object.defineProperty(this, name, constant);
      Object.defineProperty(this.prototype, name, constant);
    }
    for (const type of EVENTS) {
      Object.defineProperty(this.prototype, `on${type}`, {
        get() {
          return this.#handlers[type] ?? null;
        },
        set(handler) {
          this.#handle(type, handler);
        },
        enumerable: true,
        configurable: true,
      });
    }
  }

  /**
   * @param {string | URL} url
   * @param {Parameters<typeof readOptions>[0]} [options]
   */
  constructor(url, options) {
    super();
    this.#url = readUrl(url);
    this.#options = readOptions(options);
    this.#past = Object(options)[PAST] ?? noPast();
    this.#begin();
  }

  /**
   * A class for libraries that make WebSockets and connect again by themselves: it takes a URL and
   * subprotocols, and has these options.
   * @param {import('./portcullis.js').PortcullisOptions} options
   */
  static with(options) {
    // What getToken is told of the connections before outlives each of them.
    const past = noPast();
    return class extends PortcullisSocket {
      /**
       * @param {string | URL} url
       * @param {string | string[]} [protocols]
       */
      constructor(url, protocols) {
        const own = { reconnect: false, ...options, [PAST]: past };
        super(url, protocols?.length ? { ...own, protocols } : own);
      }
    };
  }

  #begin() {
    const { signal } = (this.#life = new AbortController());
    /**
     * @param {EventTarget | undefined} target
     * @param {string} type
     * @param {(event: Event) => void} listener
     */
    const on = (target, type, listener) => target?.addEventListener?.(type, listener, { signal });
    on(globalThis, 'online', this.#hurry);
    on(globalThis, 'pageshow', this.#hurry);
    on(globalThis.document, 'visibilitychange', this.#hurry);
    on(globalThis, 'offline', this.#suspend);
    on(globalThis, 'pagehide', this.#suspend);
    this.#connect();
  }

  get url() {
    return this.#url.href;
  }
  get readyState() {
    return this.#state;
  }
  /** Of the subprotocols given, the one that the server chose. */
  get protocol() {
    const chosen = this.#socket?.protocol ?? '';
    return chosen === 'bearer' || chosen === KNOWN ? '' : chosen;
  }
  get extensions() {
    return this.#socket?.extensions ?? '';
  }
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }
  get binaryType() {
    return this.#binaryType ?? 'blob';
  }
  set binaryType(type) {
    if (!['blob', 'arraybuffer'].includes(type)) return;
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  /**
   * Throws where there is no open connection: nothing is kept for a later one.
   * @param {any} data
   */
  send(data) {
    if (this.#state !== OPEN) {
      throw new DOMException('there is no open connection', 'InvalidStateError');
    }
    this.#socket?.send(data);
  }

  /**
   * Ends the connection and all attempts at another.
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    checkClose(code, reason);
    if (this.#state >= CLOSING) return;
    const wasOpen = this.#state === OPEN;
    this.#state = CLOSING;
    if (wasOpen) {
      this.#renewal?.stop();
      this.#socket?.close(code, reason);
    } else {
      this.#letGo();
      Promise.resolve().then(() => this.#end({ code: ABNORMAL }));
    }
  }

  /**
   * Another connection now, in place of the present one or of the wait for one, or after it gave up.
   */
  reconnect() {
    if (this.#hasGivenUp) {
      this.#hasGivenUp = false;
      this.#state = CONNECTING;
      const { needsNewToken } = this.#past;
      Object.assign(this.#past, noPast(), { needsNewToken });
      this.#begin();
      return;
    }
    if (this.#state >= CLOSING) return;
    if (this.#pause) this.#goBy(this.#pause.earliest);
    else this.#end({ code: NO_STATUS }, 0);
  }

  /**
   * @param {string} type
   * @param {unknown} handler
   */
  #handle(type, handler) {
    if (!(type in this.#handlers)) {
      this.addEventListener(type, (event) => this.#handlers[type]?.call(this, event));
    }
    this.#handlers[type] = typeof handler === 'function' ? handler : null;
  }

  async #connect() {
    const attempt = (this.#attempt = new AbortController());
    const { signal } = attempt;
    /** @param {End} how */
    const end = (how) => signal.aborted || this.#end(how);
    const { connectTimeout, protocols, handover } = this.#options;
    const isTicket = handover === 'ticket';
    const noDeadline = after(connectTimeout, () => end({ code: ABNORMAL, error: ERRORS.late() }));
    signal.addEventListener('abort', noDeadline);
    try {
      // Who made this object has it by then.
      await null;
      throwIfAborted(signal);
      /** @type {import('./portcullis.js').TokenOccasion} */
      const reason = this.#past.needsNewToken ? 'refused' : 'connect';
      const occasion = { reason, failures: this.#past.failures, signal };
      const { token, life } = await askFor(this.#options, occasion);
      this.#past.needsNewToken = false;
      const url = isTicket ? await withTicket(this.#url, token, signal) : this.#url.href;
      throwIfAborted(signal);
      const bearer = token !== undefined && !isTicket ? ['bearer', token] : [];
      const socket = new WebSocket(url, [...bearer, ...protocols, KNOWN, REFUSED]);
      this.#socket = socket;
      if (this.#binaryType) socket.binaryType = this.#binaryType;
      const heart = new Heart(socket, () => end({ code: ABNORMAL, error: ERRORS.silent() }));
      this.#heart = heart;
      /**
       * @param {string} type
       * @param {(event: any) => void} listener
       */
      const on = (type, listener) =>
        // Not every platform has listeners that end by a signal.
        socket.addEventListener(type, (event) => signal.aborted || listener(event), { signal });
      on('open', () => {
        // The gate refuses: its close follows.
        if (socket.protocol === REFUSED) return;
        noDeadline();
        this.#state = OPEN;
        this.#openedAt = now();
        this.#renewal = new Renewal(this.#url, this.#options, token, life);
        this.dispatchEvent(new Event('open'));
      });
      on('message', ({ data, origin }) => {
        if (!heart.takes(data)) this.dispatchEvent(messageEvent(data, origin));
      });
      // Deno's code for a connection that failed is 0.
      on('close', ({ code, reason, wasClean }) =>
        end({ code: code || ABNORMAL, reason, wasClean }),
      );
      // A close follows, but for some failed handshakes in Node.
      on('error', () => setTimeout(() => end({ code: ABNORMAL }), 0));
    } catch (error) {
      end(error instanceof Refused ? error.end : { code: ABNORMAL, error });
    }
  }

  #letGo() {
    this.#attempt.abort();
    this.#renewal?.stop();
    this.#heart?.stop();
    this.#pause?.cancel();
    this.#pause = this.#renewal = this.#heart = undefined;
    if (this.#socket && this.#socket.readyState < CLOSING) this.#socket.close();
    this.#socket = undefined;
  }

  /**
   * What follows the end of a connection, or of an attempt at one: another attempt after `delay`
   * milliseconds, or as long as such an end asks for, or none.
   * @param {End} end
   * @param {number} [delay]
   */
  #end({ code, reason = '', wasClean = false, error, status, requestId, wait = 0 }, delay) {
    this.#letGo();
    // One that lasted is no failure; one that was opened only to be closed is.
    const least = Math.max(MIN_SUCCESS, this.#bound());
    const openedAt = this.#openedAt ?? Infinity;
    if (now() - openedAt > least) Object.assign(this.#past, noPast());
    this.#openedAt = undefined;

    const isClosing = this.#state === CLOSING;
    const action = isClosing ? 'give up' : this.#next(code, reason, error);
    let retryIn = null;
    if (action === 'give up') {
      this.#state = CLOSED;
      this.#hasGivenUp = !isClosing;
      this.#life.abort();
    } else {
      this.#state = CONNECTING;
      retryIn = this.#wait(code, wait, delay);
    }
    const isFailure = code === ABNORMAL && !isClosing;
    const end = { code, reason, wasClean, error, status, requestId };
    if (isFailure) end.error ??= ERRORS.failed();
    if (isFailure) this.dispatchEvent(new FailedEvent(end));
    if (isRefusal(end)) this.dispatchEvent(new RefusedEvent(end, action));
    // One of those listeners may have closed it; that has a close of its own.
    if (this.#state !== CLOSING) this.dispatchEvent(new ClosedEvent(end, retryIn));
  }

  /**
   * @param {number} code
   * @param {string} reason
   * @param {unknown} error
   */
  #next(code, reason, error) {
    const { getToken, retryCodes, reconnect } = this.#options;
    const past = this.#past;
    if (isHopeless(error)) return 'give up';
    const action = retryCodes.has(code) ? 'retry' : actionAfter(code, reason);
    const isRefused = action === 'authenticate';
    past.refusedTokens = isRefused ? past.refusedTokens + 1 : 0;
    past.needsNewToken ||= isRefused;
    if (!reconnect) past.failures += 1;
    if (!reconnect || (isRefused && !(getToken && past.refusedTokens < MAX_REFUSED_TOKENS))) {
      return 'give up';
    }
    return action;
  }

  /**
   * Plans the next attempt. Gives the milliseconds until then.
   * @param {number} code
   * @param {number} told
   * @param {number} [given]
   */
  #wait(code, told, given) {
    const { mostDelay, random } = this.#options;
    // How long a limit holds can’t be read from a close, and more attempts only meet it again.
    const isUntold = code === LIMITED && told === 0;
    const least = isUntold ? mostDelay / 2 : told;
    const jitter = random() * (isUntold ? mostDelay / 2 : this.#bound());
    // The network’s return calls `hurry`.
    const delay = given ?? (this.#isOffline() ? Math.max(least, mostDelay) : least + jitter);
    const time = now();
    this.#past.failures += 1;
    this.#pause = { due: time + delay, earliest: time + least, cancel() {} };
    this.#goBy(this.#pause.due);
    return delay;
  }

  /**
   * Goes on at that time of `performance`, if not earlier.
   * @param {number} time
   */
  #goBy(time) {
    const pause = this.#pause;
    if (!pause) return;
    pause.cancel();
    pause.due = Math.min(pause.due, time);
    pause.cancel = after(pause.due - now(), () => {
      this.#pause = undefined;
      this.#connect();
    });
  }

  /** What full jitter stays below: it doubles with each failure. */
  #bound(failures = this.#past.failures) {
    const { firstDelay, mostDelay } = this.#options;
    return Math.min(mostDelay, firstDelay * 2 ** failures);
  }

  #isOffline() {
    return globalThis.navigator?.onLine === false && !LOOPBACK.test(this.#url.hostname);
  }

  /**
   * The network is back, or the page is looked at: no long wait, but never less than was told.
   * @param {Event} event
   */
  #hurry = ({ type }) => {
    if (!this.#pause || (type === 'visibilitychange' && document.hidden)) return;
    const time = now();
    this.#goBy(Math.max(time, this.#pause.earliest) + this.#options.random() * this.#bound(0));
  };

  /**
   * The network is gone, and an open connection may never tell; or the page, which browsers keep for
   * a return only where it holds none.
   * @param {Event} event
   */
  #suspend = ({ type }) => {
    if (this.#pause || this.#state >= CLOSING) return;
    const { mostDelay } = this.#options;
    if (type === 'pagehide') this.#end({ code: GOING_AWAY }, mostDelay);
    else if (this.#isOffline()) this.#end({ code: ABNORMAL, error: ERRORS.offline() }, mostDelay);
  };
}
