// What the end of a connection, or of an attempt at one, means.

/**
 * The gate's reasons and their close codes, as in docs/reasons.json.
 * @type {Record<string, number | undefined>}
 */
const REASONS = {
  __proto__: null,
  misconfigured: 1011,
  no_route: 4404,
  replayed_key: 4400,
  origin_missing: 4403,
  origin_not_allowed: 4403,
  token_missing: 4401,
  token_invalid: 4401,
  token_expired: 4401,
  ambiguous_token: 4400,
  insufficient_scope: 4403,
  provider_unavailable: 1013,
  rate_limited: 4429,
  too_many_sockets: 4429,
  banned: 4403,
  revoked: 4401,
  limiter_unavailable: 1013,
  upstream_unreachable: 1014,
  upstream_refused: 1014,
  upstream_timeout: 1014,
  upstream_gone: 1014,
  backlog: 1013,
  disconnected: 4403,
  message_rate: 1008,
  message_too_big: 1009,
  idle: 4408,
  lifetime: 4408,
  replaced: 4408,
};

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

/** What to do after an end. */
export function actionAfter(code, reason) {
  if (code === UNAUTHORIZED) return 'authenticate';
  return PASSING.has(code) && reason !== REPLACED ? 'retry' : 'give up';
}

export class FailedEvent extends Event {
  constructor({ error }) {
    super('error');
    Object.assign(this, { error, message: String(error?.message ?? '') });
  }
}

export class RefusedEvent extends Event {
  constructor({ code, reason, status, requestId }, action) {
    super('refused');
    Object.assign(this, { code, reason, status, requestId, action });
  }
}

export class ClosedEvent extends Event {
  constructor({ code, reason, wasClean, error }, retryIn) {
    super('close');
    Object.assign(this, { code, reason, wasClean, error, retryIn });
  }
}

/** Whether the gate ended it and said why. */
export const isRefusal = ({ code, reason, status }) =>
  status !== undefined || REASONS[reason] === code;

/** The answer of an endpoint that refused. */
export class Refused extends Error {
  constructor(response, { reason }) {
    super(`the gate answered ${response.status}`);
    const { status, headers } = response;
    const seconds = Number(headers.get('retry-after') ?? 0);
    this.end = {
      code: REASONS[reason] ?? codeOf(status),
      reason: String(reason ?? ''),
      status,
      requestId: headers.get('portcullis-request-id') ?? undefined,
      wait: seconds > 0 ? seconds * 1000 : 0,
    };
  }
}

const codeOf = (status) => {
  if (status === 429) return 4429;
  if (status >= 500) return 1013;
  return [401, 403, 404].includes(status) ? 4000 + status : 4400;
};
