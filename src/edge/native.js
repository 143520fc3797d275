// Work on the runtime's own objects, done on their side of the border: each function is one
// crossing from WASM, where doing the same from there would take one per header.

/** A worker's environment as JSON: variables by name, and the names of all other bindings. */
export function describeEnvironment(env) {
  const vars = {};
  const bindings = [];
  for (const [name, value] of Object.entries(env)) {
    if (['string', 'boolean', 'number'].includes(typeof value) || isData(value)) {
      vars[name] = value;
    } else {
      bindings.push(name);
    }
  }
  return JSON.stringify({ vars, bindings });
}

/** Whether a value is what JSON can write, in contrast to a binding. */
function isData(value) {
  if (Array.isArray(value)) return true;
  return (
    value !== null &&
    typeof value === 'object' &&
    Object.getPrototypeOf(value) === Object.prototype &&
    !Object.values(value).some((member) => typeof member === 'function')
  );
}

/** Lines of `Name: value` as pairs. Neither part can hold a line break. */
export function parseHeaderLines(lines) {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
}

function setAll(headers, pairs) {
  for (const [name, value] of pairs) headers.set(name, value);
}

class TimedOut extends Error {}

async function withTimeout(milliseconds, start) {
  const controller = new AbortController();
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new TimedOut());
      controller.abort();
    }, milliseconds);
  });
  try {
    return await Promise.race([start(controller.signal), timeout]);
  } finally {
    // Never aborted later: that would cut a socket that the answer coupled.
    clearTimeout(timer);
  }
}

export function isTimeOut(error) {
  return error instanceof TimedOut;
}

/**
 * Sends the request to a URL, or to a service binding if there is one. Of `owned`, names that
 * end in a dash are prefixes.
 */
export function forward(service, request, url, owned, remove, set, milliseconds) {
  const headers = new Headers(request.headers);
  for (const name of [...headers.keys()]) {
    if (owned.some((own) => (own.endsWith('-') ? name.startsWith(own) : name === own))) {
      headers.delete(name);
    }
  }
  for (const name of remove) headers.delete(name);
  setAll(headers, parseHeaderLines(set));
  const { method } = request;
  // A Content-Length of 0 makes a body of no bytes, which fetch takes from no GET or HEAD.
  const body = ['GET', 'HEAD'].includes(method) ? null : request.body;
  return withTimeout(milliseconds, (signal) =>
    (service ?? globalThis).fetch(
      new Request(url, { method, headers, body, redirect: 'manual', signal }),
    ),
  );
}

/** Asks the ledger of this name; its answer stands in a header, so that no body is awaited. */
export async function askLedger(namespace, name, path, milliseconds) {
  const response = await withTimeout(milliseconds, (signal) =>
    namespace.getByName(name).fetch(`https://ledger${path}`, { signal }),
  );
  return response.headers.get('answer') ?? `status ${response.status}`;
}

/** Asks the object of what can be used once under this name; its answer is a text. */
export function askOnce(namespace, name, path, body, milliseconds) {
  return withTimeout(milliseconds, async (signal) => {
    const object = namespace.getByName(name);
    const response = await object.fetch(`https://once${path}`, { method: 'POST', body, signal });
    return response.status === 200 ? response.text() : `status ${response.status}`;
  });
}

/** A Durable Object of a namespace. */
export function objectByName(namespace, name) {
  return namespace.getByName(name);
}

/** Ends what an upstream's answer keeps open. */
export function discard({ webSocket, body }) {
  if (webSocket) {
    webSocket.accept();
    webSocket.close(1002, 'protocol error');
  }
  body?.cancel().catch(() => {});
}

/** The upstream's answer under the gate's headers; one with a socket couples it to the client. */
export function passOn(upstream, hidden, stamps, own) {
  const { status, statusText, webSocket } = upstream;
  const headers = new Headers(upstream.headers);
  for (const name of hidden) headers.delete(name);
  setAll(headers, stamps);
  setAll(headers, parseHeaderLines(own));
  if (!webSocket) return new Response(upstream.body, { status, statusText, headers });
  // Of a 101 it would speak of frames that no one encoded.
  headers.delete('content-encoding');
  return new Response(null, { status, webSocket, headers });
}

/** An answer of the gate's own. */
export function answer(status, body, stamps, own) {
  const headers = new Headers(stamps);
  setAll(headers, parseHeaderLines(own));
  return new Response(body, { status, headers });
}

/** The data centre of a request. */
export function colo(request) {
  return request.cf?.colo;
}

/** Writes a data point to the Analytics Engine. */
export function writeDecision(dataset, index, blobs, number) {
  dataset.writeDataPoint({ indexes: [index], blobs: JSON.parse(blobs), doubles: [number] });
}

/** SubtleCrypto's parameters by the name of the algorithm (RFC 7518 §3, RFC 8037 §3.1). */
const ALGORITHMS = Object.fromEntries([
  ['EdDSA', { name: 'Ed25519' }],
  ...[256, 384, 512].flatMap((bits) => {
    const hash = `SHA-${bits}`;
    return [
      [`RS${bits}`, { name: 'RSASSA-PKCS1-v1_5', hash }],
      [`PS${bits}`, { name: 'RSA-PSS', hash, saltLength: bits / 8 }],
      [`ES${bits}`, { name: 'ECDSA', hash, namedCurve: `P-${bits === 512 ? 521 : bits}` }],
    ];
  }),
]);

/** A JWK as SubtleCrypto's own key. */
export function importKey(jwk, algorithm) {
  return crypto.subtle.importKey('jwk', JSON.parse(jwk), ALGORITHMS[algorithm], false, ['verify']);
}

/** Verifies with SubtleCrypto, which reads the bytes before it returns. */
export function verifySignature(key, algorithm, signature, signed) {
  return crypto.subtle.verify(ALGORITHMS[algorithm], key, signature, signed);
}

/** Fetches under way by what they are for, and when they began. */
const fetches = new Map();

/**
 * What `start` gives, one run at a time for an id: who asks meanwhile gets the same. One whose
 * request was cancelled never ends, so it is joined only as long as it could still end well.
 */
function shared(id, milliseconds, start) {
  const now = Date.now();
  let fetching = fetches.get(id);
  if (!fetching || now - fetching.since > milliseconds) {
    fetching = { since: now };
    fetching.result = withTimeout(milliseconds, start).finally(() => {
      if (fetches.get(id) === fetching) fetches.delete(id);
    });
    fetches.set(id, fetching);
  }
  return fetching.result;
}

/**
 * A JWK Set as `<max-age or nothing>`, a line break, and its text. One fetch at a time for a URL.
 */
export function fetchKeySet(url, fromProvider, milliseconds, mostBytes) {
  const result = shared(`keys ${fromProvider} ${url}`, milliseconds, (signal) =>
    loadKeySet(url, fromProvider, mostBytes, signal),
  );
  return withTimeout(milliseconds, () => result);
}

async function loadKeySet(url, fromProvider, mostBytes, signal) {
  // The platform's cache: isolates of a data centre share what one of them fetched. A key that is
  // too new for it is asked of the provider.
  const cache = fromProvider
    ? { cacheTtl: -1 }
    : { cacheEverything: true, cacheTtlByStatus: { '200-299': 60, '300-599': -1 } };
  const response = await fetch(url, {
    headers: { Accept: 'application/jwk-set+json, application/json' },
    redirect: 'manual',
    signal,
    cf: cache,
  });
  if (response.status !== 200) {
    response.body?.cancel().catch(() => {});
    throw new Error(`the provider answered ${response.status}`);
  }
  const text = await boundedText(response, mostBytes, 'the key set');
  const maxAge = /(?:^|[\s,])max-age=(\d{1,9})(?:[\s,]|$)/i.exec(
    response.headers.get('cache-control') ?? '',
  );
  return `${maxAge?.[1] ?? ''}\n${text}`;
}

async function boundedText(response, mostBytes, what) {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > mostBytes) throw new Error(`${what} is longer than ${mostBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * A provider's answer about a session as `<status>`, `<content type>` and the body of a 200, with
 * line breaks between. One question at a time for a print. It goes on when the request that asked
 * first is cancelled: others may wait for it.
 */
export function introspect(url, authorization, form, print, context, milliseconds, mostBytes) {
  const id = `session ${[...print].join(' ')}`;
  const result = shared(id, milliseconds, async (signal) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        Accept: 'application/json',
        Authorization: authorization,
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: form,
      redirect: 'manual',
      signal,
    });
    const { status, headers, body } = response;
    let text = '';
    if (status === 200) text = await boundedText(response, mostBytes, "the provider's answer");
    else body?.cancel().catch(() => {});
    return `${status}\n${headers.get('content-type') ?? ''}\n${text}`;
  });
  context.waitUntil(result.catch(() => {}));
  return withTimeout(milliseconds, () => result);
}
