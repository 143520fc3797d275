// What a socket is made of: its URL and options, checked at once.

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
const HANDOVERS = ['subprotocol', 'ticket'];

/** @param {string} why */
const noUrl = (why) => new DOMException(why, 'SyntaxError');

/**
 * The URL as `WebSocket` reads it.
 * @param {string | URL} given
 */
export function readUrl(given) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  let url;
  try {
    url = new URL(given, base);
  } catch {
    throw noUrl('the URL can’t be parsed');
  }
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (!['ws:', 'wss:'].includes(url.protocol)) throw noUrl('the URL is no WebSocket’s');
  if (url.href.includes('#')) throw noUrl('the URL has a fragment');
  return url;
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
    SUBPROTOCOL.test(one) && one !== 'bearer' && protocols.indexOf(one) === at;
  if (!protocols.every(isSound)) {
    throw new DOMException('a subprotocol is malformed, repeated, or bearer', 'SyntaxError');
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
  return SUBPROTOCOL.test(token) && token !== 'bearer' && !protocols.includes(token);
}
