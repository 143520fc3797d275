// HTTP/1.1 as bytes on a socket, so that a test can send what no client library would and sees
// every header that comes back.
import net from 'node:net';
import tls from 'node:tls';

// Not a wait: how long a test that hangs takes to say so.
const DEADLINE = 20_000;

/** The bytes of a request. `headers`: pairs, in order. */
export function requestBytes({ method = 'GET', target = '/', headers = [], body = '' }) {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`, 'latin1');
}

/**
 * Sends `bytes` and resolves to the answer: `{ status, headers, body }`, headers as pairs with
 * lower-case names in order. A 101 has the open `socket` too, which the caller ends. Resolves to
 * undefined where the server closed without an answer. With `end` nothing more will come from here.
 */
export function exchange(url, bytes, { end = false } = {}) {
  const { hostname: host, port } = url;
  return new Promise((resolve, reject) => {
    const socket =
      url.protocol === 'https:'
        ? tls.connect({ host, port, rejectUnauthorized: false })
        : net.connect({ host, port });
    let received = Buffer.alloc(0);
    const settle = (response) => {
      clearTimeout(late);
      if (response?.status !== 101) socket.destroy();
      resolve(response);
    };
    const late = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(`no whole answer in ${DEADLINE} ms, but ${JSON.stringify(String(received))}`),
      );
    }, DEADLINE);
    const onData = (chunk) => {
      received = Buffer.concat([received, chunk]);
      const response = parse(received, false);
      if (!response) return;
      socket.off('data', onData).pause();
      settle({ ...response, ...(response.status === 101 && { socket }) });
    };
    socket.on('data', onData);
    // A server that has heard enough may answer and reset before all is sent.
    socket.on('error', () => {});
    socket.on('close', () => settle(parse(received, true)));
    socket.write(bytes);
    if (end) socket.end();
  });
}

/** The message at the beginning of `bytes`, or undefined while it is not whole. */
function parse(bytes, isEnd) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first, ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const status = Number(first.split(' ')[1]);
  const rest = bytes.subarray(end + 4);
  const header = (name) => headers.find(([known]) => known === name)?.[1];
  if (status === 101) return { status, headers, body: '', rest };
  if (header('transfer-encoding') === 'chunked') {
    const body = dechunk(rest);
    return body && { status, headers, body: body.toString(), bytes: body };
  }
  const length =
    status === 304 || status === 204
      ? 0
      : Number(header('content-length') ?? (isEnd ? rest.length : NaN));
  if (!(rest.length >= length)) return undefined;
  const body = rest.subarray(0, length);
  return { status, headers, body: body.toString(), bytes: body };
}

function dechunk(bytes) {
  const chunks = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const length = parseInt(bytes.toString('latin1', at, line), 16);
    const start = line + 2;
    if (bytes.length < start + length + 2) return undefined;
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(start, start + length));
    at = start + length + 2;
  }
}

/** The values of one header in `pairs`, names in any case. */
export const values = (pairs, name) =>
  pairs.filter(([known]) => known.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
