// What a socket is made of: its URL and options, checked at once.

import { DOMException, normalised } from './globals.js';

/**
 * The options with their defaults.
 * @typedef {Required<Omit<Given, 'protocols' | 'getToken' | 'retryCodes'>> & {
 *   protocols: string[],
 *   getToken: Given['getToken'],
 *   retryCodes: Set<number>,
 * }} Options
 * @typedef {import('./portcullis.js').PortcullisOptions} Given
 */

/** RFC 9110 §5.6.2: what a subprotocol may consist of. */
const SUBPROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VISIBLE = /^[\x21-\x7e]+$/;
/** What tells the gate that heartbeats and close codes are understood. */
export const KNOWN = 'portcullis';
/** What it answers with where it refuses: an open socket that is none, but for its close code. */
export const REFUSED = 'portcullis.refused';
const OWN = ['bearer', KNOWN, REFUSED];
const HANDOVERS = ['subprotocol', 'ticket'];

/** The parts of an absolute URL: scheme, authority, path and query. */
const PARTS = /^(wss?):\/\/([^/?#]+)([^?#]*)(\?[^#]*)?$/;

/** RFC 6455 §5.5: what is left of a close frame for the reason, in bytes. */
const MAX_REASON = 123;

/** @param {string} why */
const noUrl = (why) => new DOMException(why, 'SyntaxError');

/**
 * The parts of a socket's URL.
 * @typedef {object} SocketUrl
 * @property {string} href
 * @property {string} socketOrigin such as `wss://gate.example`
 * @property {string} httpOrigin the same with http or https
 * @property {string} hostname
 * @property {string} pathname
 * @property {string} search
 */

/**
 * The URL as `WebSocket` reads it.
 * @param {string | URL} given
 * @returns {SocketUrl}
 */
export function readUrl(given) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  let href;
  try {
    href = normalised(String(given), base).replace(/^http/i, 'ws');
  } catch {
    throw noUrl('the URL can’t be parsed');
  }
  if (!/^wss?:/.test(href)) throw noUrl('the URL is no WebSocket’s');
  if (href.includes('#')) throw noUrl('the URL has a fragment');
  const [, scheme, authority, path, search = ''] = PARTS.exec(href) ?? [];
  if (!authority) throw noUrl('the URL can’t be parsed');
  const socketOrigin = `${scheme}://${authority}`;
  const pathname = path || '/';
  return {
    href: `${socketOrigin}${pathname}${search}`,
    socketOrigin,
    httpOrigin: socketOrigin.replace('ws', 'http'),
    hostname: authority.replace(/^.*@/, '').replace(/:\d*$/, ''),
    pathname,
    search,
  };
}

/**
 * The options, or the subprotocols alone, with what is left out.
 * @param {import('./portcullis.js').PortcullisOptions | string | readonly string[]} [given]
 * @returns {Options}
 */
export function readOptions(given) {
  const isProtocols = typeof given === 'string' || Array.isArray(given);
  const {
    protocols: offered = [],
    getToken,
    handover = 'subprotocol',
    refresh = true,
    reconnect = true,
    firstDelay = 1_000,
    mostDelay = 60_000,
    connectTimeout = 20_000,
    retryCodes = [],
    random = Math.random,
  } = /** @type {Given} */ (isProtocols ? { protocols: given } : (given ?? {}));
  const protocols = [offered].flat();
  /**
   * @param {string} one
   * @param {number} at
   */
  const isSound = (one, at) =>
    SUBPROTOCOL.test(one) && !OWN.includes(one) && protocols.indexOf(one) === at;
  if (!protocols.every(isSound)) {
    throw new DOMException('a subprotocol is malformed, repeated, or the gate’s', 'SyntaxError');
  }
  if (getToken !== undefined && typeof getToken !== 'function') {
    throw new TypeError('getToken is no function');
  }
  if (!HANDOVERS.includes(handover)) {
    throw new TypeError('handover is neither subprotocol nor ticket');
  }
  if (!(firstDelay > 0 && mostDelay >= firstDelay)) {
    throw new RangeError('firstDelay is not positive, or mostDelay is less');
  }
  if (!(connectTimeout > 0)) throw new RangeError('connectTimeout is not positive');
  return {
    protocols,
    getToken,
    handover,
    refresh,
    reconnect,
    firstDelay,
    mostDelay,
    connectTimeout,
    retryCodes: new Set(retryCodes),
    random,
  };
}

/**
 * Whether a token can be handed over like that.
 * @param {unknown} token
 * @param {Options} options
 * @returns {token is string}
 */
export function fits(token, { handover, protocols }) {
  if (typeof token !== 'string') return false;
  if (handover === 'ticket') return VISIBLE.test(token);
  return SUBPROTOCOL.test(token) && !OWN.includes(token) && !protocols.includes(token);
}

/**
 * Throws where a WebSocket would not close like that.
 * @param {number} [code]
 * @param {string} [reason]
 */
export function checkClose(code, reason = '') {
  if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
    throw new DOMException('the code is neither 1000 nor 3000 to 4999', 'InvalidAccessError');
  }
  // Lone surrogates are sent as another character of three bytes.
  const sent = String(reason).replace(/\p{Surrogate}/gu, '\ufffd');
  if (encodeURIComponent(sent).replace(/%../g, '.').length > MAX_REASON) {
    throw new DOMException('the reason is longer than 123 bytes', 'SyntaxError');
  }
}
