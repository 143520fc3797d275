// A WebSocket through Portcullis that connects again, hands over tokens, renews them ahead of their
// expiry and says why it was refused. Runs as it is in browsers and in Node 22 or newer.

import { ABNORMAL, actionAfter, ClosedEvent, isRefusal, Refused, RefusedEvent } from './ends.js';

/** So many tokens in a row may be refused. */
const MOST_REFUSED_TOKENS = 3;
/** A connection that ended sooner, in milliseconds, counts as a failed attempt. */
const SHORTEST_SUCCESS = 5_000;
/** Longer timers fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** RFC 9110 §5.6.2: what a subprotocol may consist of. */
const SUBPROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VISIBLE = /^[\x21-\x7e]+$/;

/** A token that can't be sent. Never holds it. */
class Unusable extends TypeError {}

/** The seconds that a JWT has left by this machine's clock; undefined where it does not say. */
function lifeOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const { exp } = JSON.parse(atob(payload));
    return typeof exp === 'number' ? exp - Date.now() / 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** Rejects when the signal fires, whatever becomes of the promise. */
const unless = (signal, promise) =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
    promise.finally(() => signal.removeEventListener('abort', stop)).then(resolve, reject);
  });

export class PortcullisSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;

  #url;
  #options;
  #state = PortcullisSocket.CONNECTING;
  #binaryType = 'blob';
  #socket;
  /** Ends all that the present attempt or connection has under way. */
  #attempt;
  #openedAt;
  /** Attempts in a row that came to nothing, and of those the ones that a token was refused to. */
  #failures = 0;
  #refusedTokens = 0;
  /** While waiting for the next attempt: `due` and `earliest` by the clock, and the timer. */
  #pause;
  #token;
  #renewal;
  /** Ends what lives as long as this object. */
  #life = new AbortController();

  constructor(url, options = {}) {
    super();
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace(/^http/, 'ws');
    if (!['ws:', 'wss:'].includes(this.#url.protocol) || this.#url.hash) {
      throw new DOMException('the URL is no WebSocket’s', 'SyntaxError');
    }
    const {
      protocols = [],
      getToken,
      handover = 'subprotocol',
      refresh = true,
      firstDelay = 1_000,
      mostDelay = 60_000,
      connectTimeout = 20_000,
      random = Math.random,
    } = options;
    const own = [protocols].flat();
    const isSound = (one, at) =>
      SUBPROTOCOL.test(one) && one !== 'bearer' && own.indexOf(one) === at;
    if (!own.every(isSound)) {
      throw new DOMException('a subprotocol is malformed, repeated, or bearer', 'SyntaxError');
    }
    if (!['subprotocol', 'ticket'].includes(handover)) {
      throw new TypeError('handover is neither subprotocol nor ticket');
    }
    if (!(firstDelay > 0 && mostDelay >= firstDelay)) {
      throw new RangeError('firstDelay is not positive, or mostDelay is less');
    }
    this.#options = {
      protocols: own,
      getToken,
      handover,
      refresh,
      firstDelay,
      mostDelay,
      connectTimeout,
      random,
    };
    const { signal } = this.#life;
    globalThis.addEventListener?.('online', this.#hurry, { signal });
    globalThis.document?.addEventListener('visibilitychange', this.#hurry, { signal });
    this.#connect('connect');
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
    return chosen === 'bearer' ? '' : chosen;
  }
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }
  get binaryType() {
    return this.#binaryType;
  }
  set binaryType(type) {
    this.#binaryType = type;
    if (this.#socket) this.#socket.binaryType = type;
  }

  /** Throws where there is no open connection: nothing is kept for a later one. */
  send(data) {
    if (this.#state !== PortcullisSocket.OPEN) {
      throw new DOMException('there is no open connection', 'InvalidStateError');
    }
    this.#socket.send(data);
  }

  /** Ends the connection and all attempts at another. */
  close(code, reason) {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException('the code is neither 1000 nor 3000 to 4999', 'InvalidAccessError');
    }
    if (this.#state >= PortcullisSocket.CLOSING) return;
    if (this.#state === PortcullisSocket.OPEN) {
      this.#socket.close(code, reason);
      this.#state = PortcullisSocket.CLOSING;
      clearTimeout(this.#renewal);
      return;
    }
    this.#state = PortcullisSocket.CLOSING;
    this.#letGo();
    queueMicrotask(() => this.#end({ code: ABNORMAL }));
  }

  async #connect(why) {
    const attempt = (this.#attempt = new AbortController());
    const { signal } = attempt;
    const end = (how) => signal.aborted || this.#end(how);
    const { connectTimeout, protocols } = this.#options;
    const late = setTimeout(() => {
      end({ code: ABNORMAL, error: new DOMException('no connection in time', 'TimeoutError') });
    }, connectTimeout);
    signal.addEventListener('abort', () => clearTimeout(late));
    try {
      const { token, life } = await this.#ask(why, signal);
      const isTicket = this.#options.handover === 'ticket';
      const url = isTicket ? await this.#withTicket(token, signal) : this.url;
      if (signal.aborted) return;
      const bearer = token !== undefined && !isTicket ? ['bearer', token] : [];
      const socket = new WebSocket(url, [...bearer, ...protocols]);
      this.#socket = socket;
      socket.binaryType = this.#binaryType;
      const on = (type, listener) => socket.addEventListener(type, listener, { signal });
      on('open', () => {
        clearTimeout(late);
        this.#state = PortcullisSocket.OPEN;
        this.#openedAt = performance.now();
        this.#token = token;
        this.#renewIn(life);
        this.dispatchEvent(new Event('open'));
      });
      on('message', ({ data, origin }) => {
        this.dispatchEvent(new MessageEvent('message', { data, origin }));
      });
      on('close', end);
      // A close follows, but for some failed handshakes in Node.
      on('error', () => setTimeout(() => end({ code: ABNORMAL }), 0));
    } catch (error) {
      end(error instanceof Refused ? error.end : { code: ABNORMAL, error });
    }
  }

  /** Asks for a token: `{ token, life }`, life in seconds as far as known. */
  async #ask(reason, signal) {
    const { getToken, handover } = this.#options;
    if (!getToken) return {};
    const given = await unless(signal, Promise.resolve(getToken({ reason, signal })));
    const { token, expiresIn } = Object(given) === given ? given : { token: given };
    if (token === undefined || token === null) return {};
    const form = handover === 'ticket' ? VISIBLE : SUBPROTOCOL;
    if (typeof token !== 'string' || !form.test(token)) {
      throw new Unusable(`what getToken gave can’t be handed over by ${handover}`);
    }
    return { token, life: expiresIn ?? lifeOf(token) };
  }

  async #withTicket(token, signal) {
    const { ticket } = await this.#post('ticket', token, signal);
    if (typeof ticket !== 'string') throw new Error('the gate answered without a ticket');
    const url = new URL(this.#url);
    url.search = `${url.search || '?'}${url.search && '&'}ticket=${encodeURIComponent(ticket)}`;
    return url.href;
  }

  async #post(endpoint, token, signal) {
    const url = new URL(`/_portcullis/${endpoint}`, this.#url);
    url.protocol = url.protocol.replace('ws', 'http');
    url.searchParams.set('path', this.#url.pathname);
    const response = await fetch(url, {
      method: 'POST',
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      credentials: token === undefined ? 'include' : 'omit',
      cache: 'no-store',
      redirect: 'error',
      signal,
    });
    const body = Object(await response.json().catch(() => undefined));
    if (!response.ok) throw new Refused(response, body);
    return body;
  }

  /** Renews the token when most of its life is over, at a moment of its own for each client. */
  #renewIn(life, failures = 0, told = 0) {
    const { getToken, refresh, random, firstDelay } = this.#options;
    if (!getToken || !refresh || !(life > 0) || this.#state !== PortcullisSocket.OPEN) return;
    const over = performance.now() + life * 1000;
    const share = 0.7 + 0.2 * random();
    const delay = failures > 0 ? told + this.#delay(failures - 1) : share * life * 1000;
    this.#renewal = setTimeout(
      () => this.#renew(over, failures),
      Math.min(Math.max(delay, firstDelay), LONGEST_TIMER),
    );
  }

  async #renew(over, failures) {
    const { signal } = this.#attempt;
    try {
      const { token } = await this.#ask('expiring', signal);
      if (token === undefined || token === this.#token) throw new Error('no newer token');
      const { expires_in: life, sockets } = await this.#post('refresh', token, signal);
      if (signal.aborted) return;
      // Such as a token of another subject, or a registry that comes to know its sockets again.
      if (sockets === 0) throw new Error('the gate moved no socket');
      this.#token = token;
      this.#renewIn(life);
    } catch (error) {
      const end = error instanceof Refused ? error.end : { code: ABNORMAL, wait: 0 };
      // Such as that the gate renews nothing for this route.
      if (signal.aborted || actionAfter(end.code) === 'give up') return;
      this.#renewIn((over - performance.now()) / 1000, failures + 1, end.wait);
    }
  }

  /** Full jitter: anything up to a bound that doubles with each failure. */
  #delay(failures) {
    return this.#options.random() * this.#bound(failures);
  }

  #bound(failures) {
    const { firstDelay, mostDelay } = this.#options;
    return Math.min(mostDelay, firstDelay * 2 ** failures);
  }

  #letGo() {
    this.#attempt.abort();
    clearTimeout(this.#renewal);
    clearTimeout(this.#pause?.timer);
    this.#pause = this.#token = undefined;
    if (this.#socket?.readyState < 2) this.#socket.close();
    this.#socket = undefined;
  }

  /** What follows the end of a connection, or of an attempt at one. */
  #end({ code, reason = '', wasClean = false, error, status, requestId, wait = 0 }) {
    const end = { code, reason, wasClean, error, status, requestId };
    this.#letGo();
    // One that lasted is no failure; one that was opened only to be closed is.
    const least = Math.max(SHORTEST_SUCCESS, this.#bound(this.#failures));
    const lasted = performance.now() - this.#openedAt > least;
    this.#openedAt = undefined;
    if (lasted) this.#failures = this.#refusedTokens = 0;

    const isClosing = this.#state === PortcullisSocket.CLOSING;
    const action = isClosing ? 'give up' : this.#next(code, error);
    this.#state = PortcullisSocket.CONNECTING;
    let retryIn = null;
    if (action === 'give up') {
      this.#state = PortcullisSocket.CLOSED;
      this.#life.abort();
    } else {
      // The network's return calls `hurry`.
      const isOffline = globalThis.navigator?.onLine === false;
      const delay = isOffline ? this.#options.mostDelay : this.#delay(this.#failures);
      retryIn = Math.min(wait + delay, LONGEST_TIMER);
      this.#failures += 1;
      this.#pauseFor(retryIn, wait, action === 'authenticate' ? 'refused' : 'connect');
    }
    if (isRefusal(end)) this.dispatchEvent(new RefusedEvent(end, action));
    this.dispatchEvent(new ClosedEvent(end, retryIn));
  }

  #next(code, error) {
    if (error instanceof Unusable) return 'give up';
    const action = actionAfter(code);
    if (action !== 'authenticate') return action;
    this.#refusedTokens += 1;
    const { getToken } = this.#options;
    return getToken && this.#refusedTokens < MOST_REFUSED_TOKENS ? action : 'give up';
  }

  #pauseFor(delay, told, why) {
    const now = performance.now();
    this.#pause = { due: now + delay, earliest: now + told, why };
    this.#setOff();
  }

  #setOff() {
    const { due, why } = this.#pause;
    clearTimeout(this.#pause.timer);
    const go = () => {
      this.#pause = undefined;
      this.#connect(why);
    };
    this.#pause.timer = setTimeout(go, Math.max(due - performance.now(), 0));
  }

  /** The network is back, or the page is looked at: no long wait, but never less than was told. */
  #hurry = ({ type }) => {
    if (!this.#pause || (type === 'visibilitychange' && document.hidden)) return;
    const soon = Math.max(performance.now(), this.#pause.earliest) + this.#delay(0);
    this.#pause.due = Math.min(this.#pause.due, soon);
    this.#setOff();
  };
}
