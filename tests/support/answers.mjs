// The answers that the contract promises (§3 and §4), whole.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { values } from './http.mjs';
import { bearer } from './tokens.mjs';

const OFF = [
  'accelerometer ambient-light-sensor autoplay battery bluetooth browsing-topics camera display-capture',
  'document-domain encrypted-media fullscreen gamepad geolocation gyroscope hid identity-credentials-get',
  'idle-detection local-fonts magnetometer microphone midi otp-credentials payment picture-in-picture',
  'publickey-credentials-create publickey-credentials-get screen-wake-lock serial speaker-selection',
  'storage-access sync-xhr usb web-share window-management xr-spatial-tracking',
];

/** Only on answers over https (RFC 6797 §7.2). */
export const HSTS = {
  'strict-transport-security': 'max-age=63072000; includeSubDomains; preload',
};

/** The security headers of answers over http, which is how these tests ask. */
export const STAMPS = {
  'content-security-policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': OFF.join(' ')
    .split(' ')
    .map((feature) => `${feature}=()`)
    .join(', '),
};

const INVALID = { 'www-authenticate': 'Bearer error="invalid_token"' };
const VERSION = { 'sec-websocket-version': '13' };

/** Reason → status, title, further headers. Those with a number in them are the test's to give. */
const REFUSALS = {
  misconfigured: [500, 'The gate is not configured correctly.'],
  insecure_transport: [403, 'Use https or wss.'],
  no_route: [404, 'Nothing is served here.'],
  upgrade_required: [426, 'Only WebSocket connections are served here.', VERSION],
  method_not_allowed: [405, 'A WebSocket handshake is a GET request.', { allow: 'GET' }],
  unsupported_version: [426, 'Only version 13 of the WebSocket protocol is supported.', VERSION],
  bad_handshake: [400, 'The WebSocket handshake is malformed.'],
  replayed_key: [400, 'This Sec-WebSocket-Key was used before.'],
  origin_missing: [403, 'The request names no origin.'],
  origin_not_allowed: [403, 'The origin is not allowed.'],
  token_missing: [401, 'A token is required.', { 'www-authenticate': 'Bearer' }],
  token_invalid: [401, 'The token is not valid.', INVALID],
  token_expired: [401, 'The token has expired.', INVALID],
  ambiguous_token: [400, 'The request carries more than one token.'],
  insufficient_scope: [403, 'The token does not permit this.'],
  provider_unavailable: [503, "Tokens can't be verified at the moment."],
  banned: [403, 'Banned.'],
  revoked: [401, 'The token was revoked.', INVALID],
  rate_limited: [429, 'Too many attempts from this address.'],
  too_many_sockets: [429, 'Too many open sockets of this address.'],
  limiter_unavailable: [503, "Attempts can't be counted at the moment."],
  upstream_unreachable: [502, "The server can't be reached."],
  upstream_refused: [502, 'The server did not accept the WebSocket.'],
  upstream_timeout: [504, 'The server did not answer in time.'],
};

/** What allows a page of this origin to ask an endpoint. */
export const allowing = (origin) => ({ 'access-control-allow-origin': origin, vary: 'Origin' });

/** What lets it read the answer. */
export const readable = (origin) => ({
  ...allowing(origin),
  'access-control-expose-headers':
    'Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Portcullis-Request-Id',
});

/** What a socket is closed with that was opened to tell the reason. */
const CLOSES = {
  misconfigured: 1011,
  no_route: 4404,
  replayed_key: 4400,
  origin_missing: 4403,
  origin_not_allowed: 4403,
  banned: 4403,
  revoked: 4401,
  token_missing: 4401,
  token_invalid: 4401,
  token_expired: 4401,
  ambiguous_token: 4400,
  insufficient_scope: 4403,
  provider_unavailable: 1013,
  rate_limited: 4429,
  too_many_sockets: 4429,
  limiter_unavailable: 1013,
  upstream_unreachable: 1014,
  upstream_refused: 1014,
  upstream_timeout: 1014,
};

/** The request id of an answer, which must have exactly one, of 128 bits. */
export function requestId({ headers }) {
  const ids = values(headers, 'portcullis-request-id');
  assert.equal(ids.length, 1, 'one request id');
  assert.match(ids[0], /^[0-9a-f]{32}$/);
  return ids[0];
}

/** Compares status, all headers whatever their order, and the body to the byte. */
export function assertAnswer(response, { status, headers, body }) {
  const expected = { ...headers, 'portcullis-request-id': requestId(response) };
  const ofConnection = ['content-length', 'transfer-encoding', 'date'];
  if (status !== 101) ofConnection.push('connection');
  const seen = response.headers.filter(([name]) => !ofConnection.includes(name));
  const lines = (pairs) => pairs.map(([name, value]) => `${name}: ${value}`).sort();
  assert.deepEqual(
    { status: response.status, headers: lines(seen), body: response.body },
    { status, headers: lines(Object.entries(expected)), body },
  );
}

/** Compares a whole refusal. `changes`: what this one has beside or in place of the table. */
export function assertRefused(response, reason, changes = {}) {
  const [status, title, headers] = REFUSALS[reason];
  const problem = {
    type: `urn:portcullis:refusal:${reason}`,
    title: changes.title ?? title,
    status: changes.status ?? status,
    reason,
    request_id: requestId(response),
  };
  assertAnswer(response, {
    status: problem.status,
    headers: {
      ...STAMPS,
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...headers,
      ...changes.headers,
    },
    body: JSON.stringify(problem),
  });
}

/**
 * Compares a refusal by close code: the whole 101, and the bytes that follow it until the gate ends
 * the connection, which it does once the close is answered. `changes`: further headers.
 */
export async function assertClosed(response, reason, key, changes = {}) {
  const [, , headers] = REFUSALS[reason];
  assertAdmitted(response, key, { 'cache-control': 'no-store', ...headers, ...changes });
  const frame = Buffer.from([0x88, 2 + reason.length, 0, 0, ...Buffer.from(reason)]);
  frame.writeUInt16BE(CLOSES[reason], 2);
  const { socket, rest } = response;
  // A close without a code, masked as a client's frames are (RFC 6455 §5.2).
  socket.write(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
  const chunks = [rest, ...(await socket.toArray())];
  assert.deepEqual(Buffer.concat(chunks), frame);
}

/** Compares a whole 101 to a handshake with this key. */
export function assertAdmitted(response, key, headers = {}) {
  const accept = createHash('sha1')
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  assertAnswer(response, {
    status: 101,
    headers: {
      ...STAMPS,
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-accept': accept,
      ...headers,
    },
    body: '',
  });
}

/** The name in a problem document, where a test is about which reason it was. */
export function reasonOf(response) {
  return response.status === 101 ? 'admitted' : JSON.parse(response.body).reason;
}

/** What becomes of a handshake with this token: the reason, and the cause that the log has. */
export async function outcome(gate, token, target) {
  const answer = await gate.knock(bearer(token), { target });
  const { cause } = await gate.log.record(requestId(answer));
  return [reasonOf(answer), cause];
}
export const ADMITTED = ['admitted', null];
