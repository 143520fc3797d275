// Keeping the token of an open connection ahead of its expiry.

import { actionAfter, Refused, UNAUTHORIZED } from './close-reasons.js';
import { now } from './globals.js';
import { after, within } from './timer.js';
import { askFor, post } from './tokens.js';

/** So many tokens in a row may be refused. */
export const MAX_REFUSED_TOKENS = 3;

/** Renews a token that the gate took, again and again, until it is stopped. */
export class Renewal {
  #url;
  #options;
  /** @type {string | undefined} */
  #token;
  /** The token that opened the connection: by it the gate finds the socket. */
  #opener;
  /** When the token ends, by the clock of `performance`. */
  #over = NaN;
  #refusedTokens = 0;
  /** @type {(() => void) | undefined} */
  #cancel;
  #life = new AbortController();

  /**
   * `life` in seconds; without it nothing is renewed.
   * @param {import('./options.js').SocketUrl} url
   * @param {import('./options.js').Options} options
   * @param {string | undefined} token
   * @param {number | undefined} life
   */
  constructor(url, options, token, life) {
    this.#url = url;
    this.#options = options;
    this.#opener = token;
    this.#begin(token, life);
  }

  stop() {
    this.#life.abort();
    this.#cancel?.();
  }

  /**
   * @param {string | undefined} token
   * @param {number | undefined} life
   */
  #begin(token, life) {
    this.#token = token;
    this.#over = now() + (life ?? NaN) * 1000;
    // At a moment of its own for each client.
    this.#plan(0.7 + 0.2 * this.#options.random());
  }

  /**
   * The next attempt, after a share of what is left, and no sooner than was told.
   * @param {number} share
   * @param {number} [told]
   */
  #plan(share, told = 0) {
    const { refresh, getToken, firstDelay } = this.#options;
    const left = this.#over - now();
    if (!refresh || !getToken || this.#life.signal.aborted || !(left > 0)) return;
    this.#cancel = after(Math.max(share * left, firstDelay, told), () => this.#renew());
  }

  async #renew() {
    const { signal } = this.#life;
    const { connectTimeout, random } = this.#options;
    try {
      const { token, life } = await within(connectTimeout, signal, (limited) => this.#ask(limited));
      this.#refusedTokens = 0;
      this.#begin(token, life);
    } catch (error) {
      const { code, wait } = error instanceof Refused ? error.end : {};
      this.#refusedTokens = code === UNAUTHORIZED ? this.#refusedTokens + 1 : 0;
      // Such as that the gate renews nothing for this route.
      const isHopeless = code !== undefined && actionAfter(code) === 'give up';
      if (isHopeless || this.#refusedTokens === MAX_REFUSED_TOKENS) return;
      this.#plan(0.3 + 0.3 * random(), wait);
    }
  }

  /** @param {AbortSignal} signal */
  async #ask(signal) {
    const reason = this.#refusedTokens > 0 ? 'refused' : 'expiring';
    const { token, isTold } = await askFor(this.#options, { reason, failures: 0, signal });
    if (token === undefined || (token === this.#token && !isTold)) {
      throw new Error('no newer token');
    }
    const { expires_in: life, sockets } = await post(
      'refresh',
      this.#url,
      token,
      signal,
      this.#opener,
    );
    // Such as a token of another subject, or a registry that comes to know its sockets again.
    if (sockets === 0) throw new Error('the gate moved no socket');
    return { token, life };
  }
}
