// A text for each decision: what was refused and why, and what a client should do. A test compares
// the names with docs/reasons.json.

/**
 * `then` is missing where there is nothing to do.
 * @typedef {{ headline: string, why: string, then?: string }} Message
 */

/** @type {Record<string, Message>} */
export const REASONS = {
  misconfigured: {
    headline: 'Refused: the gate is not configured correctly.',
    why: 'A setting in wrangler.toml is wrong. The gate then refuses everything. Only its log, at the terminal, names the setting.',
    then: 'Try again later. The operator of the gate has to fix the setting.',
  },
  insecure_transport: {
    headline: 'Refused: the connection is not encrypted.',
    why: 'The gate accepts only https and wss.',
    then: 'Connect with wss.',
  },
  no_route: {
    headline: 'Refused: nothing is served at this address.',
    why: 'No route matches the path, or servers could read it in more than one way.',
    then: 'Use another path. Trying again will not help.',
  },
  upgrade_required: {
    headline: 'Refused: this is not a WebSocket handshake.',
    why: 'The gate serves only WebSocket connections here, and the request did not ask for one.',
    then: 'Connect with a WebSocket client.',
  },
  method_not_allowed: {
    headline: 'Refused: wrong method.',
    why: 'A WebSocket handshake is a GET request, and each endpoint of the gate has methods of its own.',
    then: 'Use a method that the Allow header lists.',
  },
  unsupported_version: {
    headline: 'Refused: wrong version of the WebSocket protocol.',
    why: 'The gate supports version 13, as all browsers do.',
    then: 'Use a current WebSocket library.',
  },
  bad_handshake: {
    headline: 'Refused: the handshake is malformed.',
    why: 'A header of the WebSocket handshake is missing, repeated or not well-formed.',
    then: 'Use a WebSocket library that follows RFC 6455. Trying again will not help.',
  },
  replayed_key: {
    headline: 'Refused: this handshake was seen before.',
    why: 'Each handshake has a random key, and this key was used before. Somebody may have repeated a recorded request.',
    then: 'Connect again; a WebSocket library makes a new key for each attempt.',
  },
  origin_missing: {
    headline: 'Refused: the request does not say which site it comes from.',
    why: 'Browsers always send an Origin. The gate can admit other clients without one, but ORIGIN_MISSING is not set to allow.',
    then: 'Send the Origin of an allowed site.',
  },
  origin_not_allowed: {
    headline: 'Refused: pages of this origin may not connect.',
    why: 'The browser said which site the page comes from, and that site is not among ALLOWED_ORIGINS. This keeps other sites from opening sockets with your visitors’ sign-in.',
    then: 'Connect from a page of an allowed origin. Trying again from here will not help.',
  },
  token_missing: {
    headline: 'Refused: there is no token.',
    why: 'This route requires a token, and the handshake had none.',
    then: 'Sign in, get a token, and offer it with the handshake.',
  },
  token_invalid: {
    headline: 'Refused: the token is not valid.',
    why: 'A client gets this answer for every way in which a token can be wrong, so that nobody learns anything by trying. The decision record has the exact cause.',
    then: 'Get a new token from its issuer. Sending this one again will not help.',
  },
  token_expired: {
    headline: 'Refused: the token has expired.',
    why: 'The token is genuine, but its expiry has passed.',
    then: 'Get a fresh token and connect again.',
  },
  ambiguous_token: {
    headline: 'Refused: the handshake carries two different tokens.',
    why: 'The gate does not choose between them.',
    then: 'Send one token, in one place.',
  },
  insufficient_scope: {
    headline: 'Refused: the token does not permit this.',
    why: 'The token is valid, but lacks a scope or a claim that this route requires.',
    then: 'Ask for the permission. The same token will not help.',
  },
  provider_unavailable: {
    headline: 'Refused: tokens cannot be verified at the moment.',
    why: 'The gate could not get the keys, or an answer from the identity provider. The token may well be valid.',
    then: 'Keep the token, and try again after the time in Retry-After.',
  },
  rate_limited: {
    headline: 'Refused: too many attempts from this address.',
    why: 'Each address may make a number of attempts in a period of time. The gate knows exactly when it will admit the next one.',
    then: 'Wait as long as Retry-After says, then connect again. An earlier attempt gets this answer again.',
  },
  too_many_sockets: {
    headline: 'Refused: too many open sockets.',
    why: 'The address or the user has as many open sockets as it may.',
    then: 'Close one, then connect again.',
  },
  banned: {
    headline: 'Refused: banned for now.',
    why: 'Too many attempts from this address looked like an attack, or an administrator banned the address or the user.',
    then: 'Wait. The ban ends after its time, or when an administrator lifts it.',
  },
  revoked: {
    headline: 'Refused: the token was revoked.',
    why: 'An administrator revoked this token, its session, or all earlier tokens of its user.',
    then: 'Sign in again and connect with the new token.',
  },
  bad_request: {
    headline: 'Refused: the request is not understood.',
    why: 'An endpoint of the gate got a parameter or a body that it cannot read. The answer says which.',
    then: 'Correct the request.',
  },
  limiter_unavailable: {
    headline: 'Refused: attempts cannot be counted at the moment.',
    why: 'A counter did not answer in time, and the gate is set to refuse rather than to admit without counting.',
    then: 'Try again after the time in Retry-After.',
  },
  registry_full: {
    headline: 'Refused: there is no room for more revocations and bans.',
    why: 'The gate keeps a limited number of revocations and bans that still apply.',
    then: 'Wait until some end, and give new ones a shorter time.',
  },
  upstream_unreachable: {
    headline: 'Refused: the server behind the gate cannot be reached.',
    why: 'Every check passed, but no server answered behind the gate.',
    then: 'Try again later, waiting longer each time.',
  },
  upstream_refused: {
    headline: 'Refused: the server behind the gate did not accept the socket.',
    why: 'Every check passed, but the server did not open a WebSocket. The gate does not show its answer.',
    then: 'Try again later, waiting longer each time.',
  },
  upstream_timeout: {
    headline: 'Refused: the server behind the gate did not answer in time.',
    why: 'Every check passed, but the server took too long.',
    then: 'Try again later, waiting longer each time.',
  },
};

/** @type {Message} */
export const ADMITTED = {
  headline: 'Admitted: every check passed.',
  why: 'The gate removed the token from the handshake, told the server who the user is, and connected the two. Messages now pass straight through.',
};

/** Returns the text for a decision record. */
export function wordsFor(record) {
  if (record.outcome === 'admitted') return ADMITTED;
  return (
    REASONS[record.reason] ?? {
      headline: `Refused: ${record.reason}.`,
      why: record.cause ?? 'The decision record has no cause.',
      then: 'See the decision record.',
    }
  );
}

/** The stages that a record can name, in the gate’s order: name, title, question. */
export const STAGES = [
  ['configuration', 'Settings', 'Are the gate’s own settings valid?'],
  ['transport', 'Transport', 'Encrypted? Not required on this machine.'],
  ['route', 'Route', 'Does the path lead anywhere?'],
  ['handshake', 'Handshake', 'Is it a proper WebSocket handshake?'],
  ['origin', 'Origin', 'May pages of this site connect?'],
  ['known', 'Known waits', 'Must this address wait, or is it banned?'],
  ['token', 'Token', 'Genuine, for us, and still valid?'],
  ['permission', 'Permission', 'Does the token permit this?'],
  ['counters', 'Counters', 'Too many attempts? Seen before?'],
  ['registry', 'Registry', 'Revoked, or banned by an administrator?'],
  ['forward', 'Server', 'Does the server accept the socket?'],
];
