// Written by a test of the gate from its table of reasons.

/** Why the gate refused or ended a connection. */
export type Reason =
  | 'misconfigured'
  | 'no_route'
  | 'replayed_key'
  | 'origin_missing'
  | 'origin_not_allowed'
  | 'token_missing'
  | 'token_invalid'
  | 'token_expired'
  | 'ambiguous_token'
  | 'provider_unavailable'
  | 'banned'
  | 'revoked'
  | 'too_many_sockets'
  | 'rate_limited'
  | 'limiter_unavailable'
  | 'upstream_unreachable'
  | 'upstream_refused'
  | 'insufficient_scope'
  | 'upstream_timeout'
  | 'disconnected'
  | 'message_rate'
  | 'message_too_big'
  | 'backlog'
  | 'idle'
  | 'unresponsive'
  | 'lifetime'
  | 'replaced'
  | 'upstream_gone';

export const REASONS: Readonly<Record<Reason, number>>;
