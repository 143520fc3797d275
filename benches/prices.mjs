// Cloudflare's list prices on the paid plan, in dollars, without what a plan includes.
export const AS_OF = '2026-11-26';

export const PRICES = {
  /** A request to a Worker. */
  request: 0.3e-6,
  /** A millisecond of a Worker's CPU time. */
  cpuMillisecond: 0.02e-6,
  /** A request to a Durable Object, its alarms among them. */
  objectRequest: 0.15e-6,
  /** A row written to an object's storage; to set an alarm is one. */
  row: 1e-6,
};

/**
 * Dollars for a million upgrades that each take so much. Left out is an object's duration: 12.50
 * for a million GB-s, which makes 0.0016 for a million of a millisecond each.
 */
export const dollarsPerMillion = ({ cpuMilliseconds, objectRequests, rows }) =>
  1e6 *
  (PRICES.request +
    PRICES.cpuMillisecond * cpuMilliseconds +
    PRICES.objectRequest * objectRequests +
    PRICES.row * rows);
