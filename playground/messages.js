// What each decision means, in words: what was refused and why, and what a client should do.

export const REASONS = {
  misconfigured: {
    headline: 'Refused: the gate is not configured correctly.',
    why: 'A setting in wrangler.toml is wrong. The gate then refuses everything, and says which setting only in its log, at the terminal.',
    then: 'Nothing a client can do. Whoever runs the gate has to fix the setting.',
  },
  insecure_transport: {
    headline: 'Refused: the connection is not encrypted.',
    why: 'The gate accepts only https and wss.',
    then: 'Connect with wss.',
  },
  no_route: {
    headline: 'Refused: nothing is served at this address.',
    why: 'The path leads nowhere.',
    then: 'Use another path. Trying again will not help.',
  },
  unsupported_version: {
    headline: 'Refused: another version of the WebSocket protocol.',
    why: 'The gate speaks version 13, as all browsers do.',
    then: 'Use a current WebSocket library.',
  },
  bad_handshake: {
    headline: 'Refused: the handshake is malformed.',
    why: 'A header of the WebSocket handshake is missing, repeated or not well-formed.',
    then: 'Use a WebSocket library that follows RFC 6455. Trying again will not help.',
  },
  replayed_key: {
    headline: 'Refused: this handshake was seen before.',
    why: 'Each handshake carries a random key, and this one was used already: somebody may be repeating a recorded request.',
    then: 'Connect again; a WebSocket library makes a new key for each attempt.',
  },
  origin_missing: {
    headline: 'Refused: the request does not say which site it comes from.',
    why: 'Browsers always send an Origin. The gate can let other clients do without, but is not set to.',
    then: 'Send the Origin of an allowed site.',
  },
  origin_not_allowed: {
    headline: 'Refused: pages of this origin may not connect.',
    why: 'The browser said which site the page comes from, and that site is not among ALLOWED_ORIGINS. So another site cannot use your visitors’ sign-in for sockets of its own.',
    then: 'Connect from a page of an allowed origin. Trying again from here will not help.',
  },
  token_missing: {
    headline: 'Refused: there is no token.',
    why: 'The gate asks for a token, and the handshake carried none.',
    then: 'Sign in, get a token, and offer it with the handshake.',
  },
  token_invalid: {
    headline: 'Refused: the token is not valid.',
    why: 'A client gets this one answer for every way a token can be wrong, so that nobody can learn by trying. The exact cause stands in the decision record.',
    then: 'Get a new token from whoever issues them. Sending this one again will not help.',
  },
  token_expired: {
    headline: 'Refused: the token has expired.',
    why: 'It is genuine, but its time has passed.',
    then: 'Get a fresh token and connect again.',
  },
  ambiguous_token: {
    headline: 'Refused: the handshake carries two different tokens.',
    why: 'The gate does not choose between them.',
    then: 'Send one token, in one place.',
  },
  rate_limited: {
    headline: 'Refused: too many attempts from this address.',
    why: 'Each address has a number of attempts in a time, and refused ones count too. The gate knows exactly when the next one will be admitted.',
    then: 'Wait as long as Retry-After says, then connect again. Trying earlier only gets the same answer.',
  },
  too_many_sockets: {
    headline: 'Refused: too many open sockets.',
    why: 'An address and a user may each hold so many sockets open at a time, and all of these are.',
    then: 'Close one, then connect again.',
  },
  banned: {
    headline: 'Refused: banned for now.',
    why: 'Too many attempts of this address were refused, or an administrator banned the address or the user.',
    then: 'Nothing a client can do. The ban ends by itself, or an administrator lifts it.',
  },
  revoked: {
    headline: 'Refused: the token was revoked.',
    why: 'An administrator withdrew this token, its session or all tokens of its user so far.',
    then: 'Log in anew and connect with the new token.',
  },
  limiter_unavailable: {
    headline: 'Refused: attempts cannot be counted at the moment.',
    why: 'The gate could not ask how many attempts this address made, and rather refuses than admits unseen.',
    then: 'Try again after the time that Retry-After says.',
  },
  upstream_unreachable: {
    headline: 'Refused: the server behind the gate cannot be reached.',
    why: 'Every check passed, but nobody answered behind the gate.',
    then: 'Try again later, waiting longer each time.',
  },
  upstream_refused: {
    headline: 'Refused: the server behind the gate did not accept.',
    why: 'Every check passed, but the server answered something else than a WebSocket. The gate keeps its answer to itself.',
    then: 'Try again later, waiting longer each time.',
  },
  upstream_timeout: {
    headline: 'Refused: the server behind the gate did not answer in time.',
    why: 'Every check passed, but the server took too long.',
    then: 'Try again later, waiting longer each time.',
  },
};

export const ADMITTED = {
  headline: 'Admitted: every check passed.',
  why: 'The gate took the token out of the handshake, told the server who is asking, and connected the two. Messages now go straight through.',
};

/** The words for a decision record. */
export function wordsFor(record) {
  if (record.outcome === 'admitted') return ADMITTED;
  return (
    REASONS[record.reason] ?? {
      headline: `Refused: ${record.reason}.`,
      why: record.cause ?? 'The gate’s record gives no cause.',
      then: 'See the decision record.',
    }
  );
}

/** The steps that a record can name, in the order in which the gate takes them. */
export const STAGES = [
  ['configuration', 'Settings', 'Are the gate’s own settings sound?'],
  ['transport', 'Transport', 'Encrypted? Not asked for on this machine.'],
  ['route', 'Route', 'Does the path lead anywhere?'],
  ['handshake', 'Handshake', 'Is it a proper WebSocket handshake?'],
  ['origin', 'Origin', 'May pages of this site connect?'],
  ['known', 'Known waits', 'Is this address already told to wait?'],
  ['token', 'Token', 'Genuine, for us, and still valid?'],
  ['permission', 'Permission', 'Does the token permit this?'],
  ['counters', 'Counters', 'Too many attempts? Seen before?'],
  ['registry', 'Registry', 'Revoked, or banned by an administrator?'],
  ['forward', 'Server', 'Does the server accept the socket?'],
];
