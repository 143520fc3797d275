// Work on the runtime's own objects, done on their side of the border: each function is one
// crossing from WASM, where doing the same from there would take one per header.

/**
 * A worker's environment as JSON: variables by name, and the names of all other bindings.
 * @param {object} env
 */
export function describeEnvironment(env) {
  /** @type {Record<string, unknown>} */
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

/**
 * Whether a value is what JSON can write, in contrast to a binding.
 * @param {unknown} value
 */
function isData(value) {
  if (Array.isArray(value)) return true;
  return (
    value !== null &&
    typeof value === 'object' &&
    Object.getPrototypeOf(value) === Object.prototype &&
    !Object.values(value).some((member) => typeof member === 'function')
  );
}

/**
 * Sets headers that come as lines of `Name: value`. Neither part can hold a line break.
 * @param {Headers} headers
 * @param {string} lines
 */
function setLines(headers, lines) {
  for (let at = 0; at < lines.length;) {
    const colon = lines.indexOf(': ', at);
    const end = lines.indexOf('\n', colon);
    const next = end < 0 ? lines.length : end;
    headers.set(lines.slice(at, colon), lines.slice(colon + 2, next));
    at = next + 1;
  }
}

/**
 * Returns a request's method, URL and headers of these names in lines, NUL for an absent one. No
 * part can hold a line break or NUL.
 * @param {Request} request
 * @param {string[]} names
 */
export function readRequest({ method, url, headers }, names) {
  let lines = `${method}\n${url}`;
  for (const name of names) lines += `\n${headers.get(name) ?? '\0'}`;
  return lines;
}

class TimedOut extends Error {}

/**
 * Starts a timer. At module scope, where a rehearsal runs, there is none: it waits for nothing.
 * @param {() => void} work
 * @param {number} milliseconds
 */
function startTimer(work, milliseconds) {
  try {
    return setTimeout(work, milliseconds);
  } catch {
    return null;
  }
}

/**
 * What `start` gives, if it does in time; else the signal that it got ends its work. That is not
 * left to the signal: a call to an object that was evicted meanwhile hears none.
 * @template T
 * @param {number} milliseconds
 * @param {(signal: AbortSignal) => Promise<T>} start
 * @returns {Promise<T>}
 */
export function withTimeout(milliseconds, start) {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const started = start(controller.signal);
    const timer = startTimer(() => {
      reject(new TimedOut());
      controller.abort();
    }, milliseconds);
    // Never aborted later: that would cut a socket that the answer coupled.
    /**
     * @template V
     * @param {(result: V) => void} settle
     * @returns {(result: V) => void}
     */
    const inTime = (settle) => (result) => {
      clearTimeout(timer);
      settle(result);
    };
    started.then(inTime(resolve), inTime(reject));
  });
}

/** @param {unknown} error */
export function isTimeOut(error) {
  return error instanceof TimedOut;
}

/** Names of headers that are judged once, for the same ones come with every request. */
const MAX_JUDGED = 256;
const MAX_JUDGED_NAME = 64;

/**
 * Matches the names of headers that no client may send on: those of `owned` however they are spelt,
 * and those of `platform` in any spelling but their own. A name that ends in a dash is a prefix.
 * @param {string[]} owned
 * @param {string[]} platform
 */
export function namesLike(owned, platform) {
  const [isOwned, isOfPlatform] = [patternOf(owned), patternOf(platform)];
  /** @param {string} name */
  const judge = (name) => {
    const folded = name.replace(/[^a-z0-9]/g, '-');
    return isOwned.test(folded) || (folded !== name && isOfPlatform.test(folded));
  };
  /** @type {Map<string, boolean>} */
  const judged = new Map();
  return {
    /**
     * Whether a name, in lower case, is one of them.
     * @param {string} name
     */
    test(name) {
      let isLike = judged.get(name);
      if (isLike === undefined) {
        isLike = judge(name);
        if (judged.size < MAX_JUDGED && name.length <= MAX_JUDGED_NAME) judged.set(name, isLike);
      }
      return isLike;
    },
  };
}

/** @param {string[]} names */
function patternOf(names) {
  const parts = names.map((name) => (name.endsWith('-') ? name : `${name}$`));
  return new RegExp(`^(?:${parts.join('|')})`);
}

/** Connection options that name no header of the client's: fetch makes the handshake anew. */
const OF_THE_HANDSHAKE = /^(?:upgrade$|sec-websocket-)/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/**
 * The headers that `Connection` says are for the gate alone (RFC 9110 §7.6.1).
 * @param {Headers} headers
 */
function hopByHop(headers) {
  const options = (headers.get('connection') ?? '').toLowerCase().split(',');
  return options
    .map((option) => option.trim())
    .filter((option) => TOKEN.test(option) && !OF_THE_HANDSHAKE.test(option));
}

/**
 * Sends the request to a URL, or to a service binding if there is one.
 * @param {Fetcher | undefined} service
 * @param {Request} request
 * @param {string} url
 * @param {ReturnType<typeof namesLike>} owned
 * @param {string[]} remove names
 * @param {string} set header lines
 * @param {number} milliseconds
 */
export function forward(service, request, url, owned, remove, set, milliseconds) {
  const headers = new Headers(request.headers);
  const foreign = hopByHop(headers);
  for (const name of headers.keys()) if (owned.test(name)) foreign.push(name);
  for (const name of foreign) headers.delete(name);
  for (const name of remove) headers.delete(name);
  setLines(headers, set);
  const { method } = request;
  // A Content-Length of 0 makes a body of no bytes, which fetch takes from no GET or HEAD.
  const body = method === 'GET' || method === 'HEAD' ? null : request.body;
  return withTimeout(milliseconds, (signal) =>
    (service ?? globalThis).fetch(url, { method, headers, body, redirect: 'manual', signal }),
  );
}

/** The answer that most questions get, and a status for it: headers take longer than all else. */
const PLAIN = { answer: 'counted', status: 204 };

/**
 * Asks the object of this name by a path; its answer stands in a header, so that no body is
 * awaited. The URL says that a status may stand for it: isolates of an earlier version don't read that.
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 * @param {string} path
 * @param {number} milliseconds
 */
export async function askByPath(namespace, name, path, milliseconds) {
  const response = await withTimeout(milliseconds, (signal) =>
    namespace.getByName(name).fetch(`https://brief${path}`, { signal }),
  );
  if (response.status === PLAIN.status) return PLAIN.answer;
  return response.headers.get('answer') ?? `status ${response.status}`;
}

// An object's rows stand in the key-value store, whose table costs nothing to make. Numbers are
// padded, so that the keys are in their order.
const ROW_DIGITS = 16;
/** @param {number} number */
const rowKey = (number) => `${number}`.padStart(ROW_DIGITS, '0');

/**
 * An object's rows in order: number, bytes, number, bytes …
 * @param {DurableObjectStorage} storage
 */
export function loadRows({ kv }) {
  return [...kv.list()].flatMap(([key, data]) => [Number(key), data]);
}

/**
 * Stores rows, deletes others and sets the alarm, all at once.
 * @param {DurableObjectStorage} storage
 * @param {ArrayLike<number>} write the numbers of the rows
 * @param {ArrayLike<number>} ends where each ends in `bytes`
 * @param {Uint8Array} bytes of WASM's memory
 * @param {Iterable<number>} remove
 * @param {number | undefined} wakeIn milliseconds
 */
export function storeRows(storage, write, ends, bytes, remove, wakeIn) {
  for (let at = 0, start = 0; at < write.length; at += 1) {
    storage.kv.put(rowKey(write[at]), bytes.slice(start, ends[at]));
    start = ends[at];
  }
  for (const number of remove) storage.kv.delete(rowKey(number));
  // Not waited for: the answer leaves only once all of it is stored, and never if that fails.
  if (wakeIn !== undefined) storage.setAlarm(Date.now() + wakeIn).catch(() => {});
}

/**
 * An answer as `askByPath` reads it.
 * @param {string} answer
 */
export function answerByHeader(answer) {
  const { status } = PLAIN;
  return new Response(null, answer === PLAIN.answer ? { status } : { headers: { answer } });
}

/**
 * Asks the object of what can be used once under this name; its answer is a text.
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 * @param {string} path
 * @param {string} body
 * @param {number} milliseconds
 */
export function askOnce(namespace, name, path, body, milliseconds) {
  return withTimeout(milliseconds, async (signal) => {
    const object = namespace.getByName(name);
    const response = await object.fetch(`https://once${path}`, { method: 'POST', body, signal });
    return response.status === 200 ? response.text() : `status ${response.status}`;
  });
}

/**
 * The body of a request or response as text; longer ones, and what is no UTF-8, are errors.
 * @param {Request | Response} response
 * @param {number} mostBytes
 * @param {string} what the name of the body in errors
 */
export async function boundedText(response, mostBytes, what) {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });
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
 * The body of a request as text.
 * @param {Request} request
 * @param {number} mostBytes
 */
export const readBody = (request, mostBytes) => boundedText(request, mostBytes, 'the body');

/**
 * A Durable Object of a namespace.
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 */
export function objectByName(namespace, name) {
  return namespace.getByName(name);
}

/**
 * Ends what an upstream's answer keeps open.
 * @param {Response} upstream
 */
export function discard({ webSocket, body }) {
  if (webSocket) {
    webSocket.accept();
    webSocket.close(1002, 'protocol error');
  }
  body?.cancel().catch(() => {});
}

/**
 * @typedef {object} Stamps
 * @property {Headers} headers those that replace the server's own
 * @property {[name: string, value: string][]} added those that are added where it has none
 * @property {Set<string>} withheld names in lower case of its headers that never pass
 */

/**
 * Headers to stamp. `set` and `add` are header lines.
 * @param {string} set
 * @param {string} add
 * @param {string[]} hidden names in lower case
 * @returns {Stamps}
 */
export function stampsOf(set, add, hidden) {
  const [headers, added] = [new Headers(), new Headers()];
  setLines(headers, set);
  setLines(added, add);
  return {
    headers,
    added: [...added],
    withheld: new Set([...hidden, ...headers.keys()]),
  };
}

/**
 * The upstream's answer under the gate's headers; one with a socket couples it to the client, or
 * the `relayed` one in its place.
 * @param {Response} upstream
 * @param {Stamps} stamps
 * @param {string} own header lines
 * @param {WebSocket | undefined} relayed
 */
export function passOn(upstream, stamps, own, relayed) {
  const { webSocket } = upstream;
  const answer = start(upstream, stamps, relayed ?? webSocket);
  // Of the new response, whose headers are its own already: another copy would be made of any others.
  const { headers } = answer;
  for (const [name, value] of upstream.headers) {
    if (!stamps.withheld.has(name)) headers.append(name, value);
  }
  for (const [name, value] of stamps.added) if (!headers.has(name)) headers.set(name, value);
  setLines(headers, own);
  // Of a 101 it would speak of frames that no one encoded.
  if (webSocket) headers.delete('content-encoding');
  return answer;
}

/**
 * @param {Response} upstream
 * @param {Stamps} stamps
 * @param {WebSocket | null} webSocket
 */
function start({ status, statusText, body }, { headers }, webSocket) {
  return webSocket
    ? new Response(null, { status, webSocket, headers })
    : new Response(body, { status, statusText, headers });
}

/**
 * An answer of the gate's own.
 * @param {number} status
 * @param {string | null | undefined} body
 * @param {Stamps} stamps
 * @param {string} own header lines
 * @param {WebSocket} [webSocket]
 */
export function answer(status, body, { headers }, own, webSocket) {
  const response = new Response(body, { status, headers, webSocket });
  setLines(response.headers, own);
  return response;
}

/**
 * Returns of an upstream's answer in lines: its status, whether it has a socket, and the headers that
 * decide about it, NUL for an absent one.
 * @param {Response} upstream
 */
export function readReply({ status, webSocket, headers }) {
  const protocol = headers.get('sec-websocket-protocol') ?? '\0';
  const extensions = headers.get('sec-websocket-extensions') ?? '\0';
  return `${status}\n${webSocket ? 'socket' : ''}\n${protocol}\n${extensions}`;
}

/**
 * The data centre of a request.
 * @param {Request} request
 */
export function colo(request) {
  return request.cf?.colo;
}

/**
 * Writes a data point to the Analytics Engine.
 * @param {AnalyticsEngineDataset} dataset
 * @param {string} index
 * @param {string} blobs a JSON array of texts
 * @param {Iterable<number>} numbers
 */
export function writeDecision(dataset, index, blobs, numbers) {
  dataset.writeDataPoint({ indexes: [index], blobs: JSON.parse(blobs), doubles: [...numbers] });
}

/**
 * SubtleCrypto's parameters by the name of the algorithm (RFC 7518 §3, RFC 8037 §3.1).
 * @type {Record<string, SubtleCryptoImportKeyAlgorithm & SubtleCryptoSignAlgorithm>}
 */
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

/**
 * A JWK as SubtleCrypto's own key.
 * @param {string} jwk
 * @param {string} algorithm
 */
export function importKey(jwk, algorithm) {
  return crypto.subtle.importKey('jwk', JSON.parse(jwk), ALGORITHMS[algorithm], false, ['verify']);
}

/**
 * Verifies with SubtleCrypto, which reads the bytes before it returns.
 * @param {CryptoKey} key
 * @param {string} algorithm
 * @param {Uint8Array} signature
 * @param {Uint8Array} signed
 */
export function verifySignature(key, algorithm, signature, signed) {
  return crypto.subtle.verify(ALGORITHMS[algorithm], key, signature, signed);
}
