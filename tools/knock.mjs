// A request to a gate that runs on this machine, as Cloudflare would hand it on.
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { Failure } from './run.mjs';

/** Where a token goes in a request: a header, or a part of the query. */
function credential(token, source) {
  const [kind, name] = source.split(/:(.*)/s);
  const places = {
    header: { headers: { Authorization: `Bearer ${token}` } },
    subprotocol: { headers: { 'Sec-WebSocket-Protocol': `bearer, ${token}` } },
    cookie: { headers: { Cookie: `${name}=${token}` } },
    query: { query: `${name}=${token}` },
  };
  if (!places[kind] || (kind === 'cookie' || kind === 'query') !== Boolean(name)) {
    throw new Failure(
      `--source is ${source}: write header, subprotocol, cookie:NAME or query:NAME.`,
    );
  }
  return places[kind];
}

/** What makes an upgrade of a GET. */
const upgrade = () => ({
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
});

/**
 * Sends an upgrade, or with another method a plain request, over TLS, as far as the gate can tell; resolves to the status of the answer
 * and the request's id. `headers` are laid over its own, and undefined leaves one out.
 */
export function knock(
  { hostname, port },
  { method = 'GET', path, origin, token, source, address = '192.0.2.1', headers = {} },
) {
  const given = token === undefined ? {} : credential(token, source);
  const query = given.query ? `${path.includes('?') ? '&' : '?'}${given.query}` : '';
  const all = {
    Host: 'gate.example',
    'X-Forwarded-Proto': 'https',
    'CF-Connecting-IP': address,
    ...(method === 'GET' && upgrade()),
    Origin: origin,
    ...given.headers,
    ...headers,
  };
  const sent = Object.entries(all).filter(([, value]) => value !== undefined);
  return new Promise((resolve, reject) => {
    const request = http.request({
      method,
      hostname,
      port,
      path: path + query,
      headers: Object.fromEntries(sent),
    });
    const answer = ({ statusCode, headers }) =>
      resolve({ status: statusCode, id: headers['portcullis-request-id'] });
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      answer(response);
    });
    request.on('response', (response) => {
      response.resume();
      answer(response);
    });
    request.on('error', reject);
    request.end();
  });
}
