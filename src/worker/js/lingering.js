// Sockets that are accepted only to be closed with a code that says why they are refused.
import { answer } from './host.js';

/**
 * What `portcullis::relay::lingering` says, the time in milliseconds.
 * @type {{ maxSockets: number, maxSocketsPerAddress: number, maxTime: number }}
 */
let settings;

/** @param {string} json */
export function configureLingering(json) {
  settings = JSON.parse(json);
}

/**
 * How many sockets wait for their clients to answer the close, by address.
 * @type {Map<string, number>}
 */
const lingering = new Map();
let allLingering = 0;

/**
 * Returns a response whose socket is closed as soon as it is open, or undefined if too many of them
 * linger already. The runtime keeps one until its client answers the close, unless the request is
 * cut off.
 * @param {ExecutionContext} context
 * @param {string} address
 * @param {number} code
 * @param {string} reason
 * @param {import('./host.js').Stamps} stamps
 * @param {string} own header lines
 */
export function closeAtOnce(context, address, code, reason, stamps, own) {
  const before = lingering.get(address) ?? 0;
  if (before >= settings.maxSocketsPerAddress || allLingering >= settings.maxSockets) {
    return undefined;
  }
  const { 0: client, 1: server } = new WebSocketPair();
  const response = answer(101, null, stamps, own, client);
  lingering.set(address, before + 1);
  allLingering += 1;
  let lingers = true;
  const leave = () => {
    if (!lingers) return;
    lingers = false;
    clearTimeout(timer);
    allLingering -= 1;
    const others = (lingering.get(address) ?? 0) - 1;
    if (others > 0) lingering.set(address, others);
    else lingering.delete(address);
  };
  const timer = setTimeout(() => {
    leave();
    cutOff(context, 'a refused client did not answer the close');
  }, settings.maxTime);
  server.addEventListener('close', leave);
  server.addEventListener('error', leave);
  server.accept();
  server.close(code, reason);
  return response;
}

/**
 * Cuts off a client or server that does not answer a close: nothing else ends its request. The
 * runtime logs an abort as an uncaught exception, except where `retryable` marks a lost connection.
 * @param {ExecutionContext} context the request's
 * @param {string} why
 */
export function cutOff(context, why) {
  context.abort(Object.assign(new Error(why), { retryable: true }));
}
