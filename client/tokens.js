// Tokens: asked for from the application, and handed to the gate's endpoints.

import { Refused } from './close-reasons.js';
import { fits } from './options.js';

/**
 * @typedef {import('./options.js').Options} Options
 * @typedef {import('./options.js').SocketUrl} SocketUrl
 * @typedef {Parameters<NonNullable<Options['getToken']>>[0]} Occasion
 */

/** A token that can't be sent. Never holds it. */
export class Unusable extends TypeError {}

/**
 * The seconds that a JWT has left by this machine's clock, and at most those that it was made for;
 * those alone where the clock must be wrong, for the gate takes the token. Undefined where it does
 * not say.
 * @param {string} token
 */
function lifeOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const { exp, iat } = JSON.parse(atob(payload));
    if (typeof exp !== 'number') return undefined;
    const whole = typeof iat === 'number' ? exp - iat : Infinity;
    const left = exp - Date.now() / 1000;
    return left > 0 || whole === Infinity ? Math.min(left, whole) : whole;
  } catch {
    return undefined;
  }
}

/**
 * Rejects when the signal fires, whatever becomes of the promise.
 * @template T
 * @param {AbortSignal} signal
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
const unless = (signal, promise) =>
  new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
    promise.finally(() => signal.removeEventListener('abort', stop)).then(resolve, reject);
    if (signal.aborted) stop();
  });

/**
 * What `getToken` gives: `{ token, life, isTold }`, life in seconds as far as known, and whether
 * `getToken` told it. Nothing where there is no token.
 * @param {Options} options
 * @param {Occasion} occasion
 * @returns {Promise<{ token?: string, life?: number, isTold?: boolean }>}
 */
export async function askFor(options, occasion) {
  const { getToken, handover } = options;
  if (!getToken) return {};
  const given = await unless(occasion.signal, Promise.resolve(getToken(occasion)));
  const { token, expiresIn } =
    typeof given === 'object' && given !== null ? given : { token: given, expiresIn: undefined };
  if (token === undefined || token === null) return {};
  if (!fits(token, options)) {
    throw new Unusable(`what getToken gave can’t be handed over by ${handover}`);
  }
  return { token, life: expiresIn ?? lifeOf(token), isTold: expiresIn !== undefined };
}

/**
 * Asks one of the gate's endpoints about the path of a socket. Throws a `Refused`.
 * @param {'ticket' | 'refresh'} endpoint
 * @param {SocketUrl} socketUrl
 * @param {string | undefined} token
 * @param {AbortSignal} signal
 * @param {string} [previous] the token that opened the socket
 * @returns {Promise<any>} the JSON of the answer
 */
export async function post(endpoint, socketUrl, token, signal, previous) {
  const { httpOrigin, pathname } = socketUrl;
  const url = `${httpOrigin}/_portcullis/${endpoint}?path=${encodeURIComponent(pathname)}`;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(previous !== undefined && { 'Portcullis-Previous-Token': previous }),
    },
    credentials: token === undefined ? 'include' : 'omit',
    cache: 'no-store',
    redirect: 'error',
    signal,
  });
  const body = Object(await response.json().catch(() => undefined));
  if (!response.ok) throw new Refused(response, body);
  return body;
}

/**
 * The URL of a socket with a ticket for it.
 * @param {SocketUrl} socketUrl
 * @param {string | undefined} token
 * @param {AbortSignal} signal
 */
export async function withTicket(socketUrl, token, signal) {
  const { ticket } = await post('ticket', socketUrl, token, signal);
  if (typeof ticket !== 'string') throw new Error('the gate answered without a ticket');
  const { href, search } = socketUrl;
  return `${href}${search ? '&' : '?'}ticket=${encodeURIComponent(ticket)}`;
}
