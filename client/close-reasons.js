// What the end of a connection, or of an attempt at one, means.

import { Event } from './globals.js';
import { REASONS } from './reasons.js';

/**
 * How a connection, or an attempt at one, ended.
 * @typedef {object} End
 * @property {number} code
 * @property {string} [reason]
 * @property {boolean} [wasClean]
 * @property {any} [error]
 * @property {number} [status] of an endpoint that refused
 * @property {string} [requestId]
 * @property {number} [wait] milliseconds of a Retry-After
 */

/** Close codes of RFC 6455 §7.4.1. The last two are never sent. */
export const GOING_AWAY = 1001;
export const NO_STATUS = 1005;
export const ABNORMAL = 1006;
/** Close codes of the gate. */
export const UNAUTHORIZED = 4401;
export const LIMITED = 4429;
/** Close codes after which another attempt may succeed. */
const PASSING = new Set([GOING_AWAY, NO_STATUS, ABNORMAL, 1011, 1012, 1013, 1014, 4408, LIMITED]);

/** A newer socket of the user took this one's place: two that came back would replace each other. */
const REPLACED = 'replaced';

/**
 * What to do after an end.
 * @param {number} code
 * @param {string} [reason]
 * @returns {'retry' | 'authenticate' | 'give up'}
 */
export function actionAfter(code, reason) {
  if (code === UNAUTHORIZED) return 'authenticate';
  return PASSING.has(code) && reason !== REPLACED ? 'retry' : 'give up';
}

export class FailedEvent extends Event {
  /** @param {End} end */
  constructor({ error }) {
    super('error');
    Object.assign(this, { error, message: String(error?.message ?? '') });
  }
}

export class RefusedEvent extends Event {
  /**
   * @param {End} end
   * @param {string} action
   */
  constructor({ code, reason, status, requestId }, action) {
    super('refused');
    Object.assign(this, { code, reason, status, requestId, action });
  }
}

export class ClosedEvent extends Event {
  /**
   * @param {End} end
   * @param {number | null} retryIn
   */
  constructor({ code, reason, wasClean, error }, retryIn) {
    super('close');
    Object.assign(this, { code, reason, wasClean, error, retryIn });
  }
}

/**
 * @param {unknown} reason
 * @returns {number | undefined}
 */
const codeFor = (reason) => REASONS[/** @type {import('./reasons.js').Reason} */ (reason)];

/**
 * Whether the gate ended it and said why.
 * @param {End} end
 */
export const isRefusal = ({ code, reason, status }) =>
  status !== undefined || codeFor(reason) === code;

/** The answer of an endpoint that refused. */
export class Refused extends Error {
  /**
   * @param {Response} response
   * @param {{ reason?: unknown }} problem
   */
  constructor(response, { reason }) {
    super(`the gate answered ${response.status}`);
    const { status, headers } = response;
    const seconds = Number(headers.get('retry-after') ?? 0);
    /** @type {End} */
    this.end = {
      code: codeFor(reason) ?? codeOf(status),
      reason: String(reason ?? ''),
      status,
      requestId: headers.get('portcullis-request-id') ?? undefined,
      wait: seconds > 0 ? seconds * 1000 : 0,
    };
  }
}

/** @param {number} status */
const codeOf = (status) => {
  if (status === 429) return 4429;
  if (status >= 500) return 1013;
  return [401, 403, 404].includes(status) ? 4000 + status : 4400;
};
