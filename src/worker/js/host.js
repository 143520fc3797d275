// Work on the runtime's own objects, done in JavaScript: each function is one call from WASM, where the
// same work would take a call for each header.

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

/**
 * Hands over what a promise brings.
 * @param {Promise<unknown>} promise
 * @param {(number: number, value: unknown, isFulfilled: boolean) => void} settle
 * @param {number} number
 */
export function follow(promise, settle, number) {
  promise.then(
    (value) => settle(number, value, true),
    (error) => settle(number, error, false),
  );
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
 * What `start` gives, if it does in time; else `giveUp` is called.
 * @template T
 * @param {number} milliseconds
 * @param {() => Promise<T>} start
 * @param {() => void} [giveUp]
 * @returns {Promise<T>}
 */
export function inTime(milliseconds, start, giveUp) {
  return new Promise((resolve, reject) => {
    // Here, so that what it throws is a rejection.
    const started = start();
    const timer = startTimer(() => {
      reject(new TimedOut());
      giveUp?.();
    }, milliseconds);
    started.then(
      (result) => {
        clearTimeout(timer);
        resolve(result);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/**
 * What `start` gives, if it does in time; else the signal that it got ends its work. That is not
 * left to the signal: a call to an object that was evicted meanwhile hears none. It is never aborted
 * later, for that would cut a socket that the answer coupled.
 * @template T
 * @param {number} milliseconds
 * @param {(signal: AbortSignal) => Promise<T>} start
 * @returns {Promise<T>}
 */
export function withTimeout(milliseconds, start) {
  const controller = new AbortController();
  const giveUp = () => controller.abort();
  return inTime(milliseconds, () => start(controller.signal), giveUp);
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
 * and those of `exact` in any spelling but their own. A name that ends in a dash is a prefix.
 * @param {string[]} owned
 * @param {string[]} exact
 */
export function namesLike(owned, exact) {
  const [isOwned, isLikeExact] = [patternOf(owned), patternOf(exact)];
  /** @param {string} name */
  const judge = (name) => {
    const folded = name.replace(/[^a-z0-9]/g, '-');
    return isOwned.test(folded) || (folded !== name && isLikeExact.test(folded));
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
 * How requests are sent past every cache: with all their headers, or with those of `keep` alone and
 * without a body.
 * @param {string[]} [keep] names in lower case
 */
export const privately = (keep) => ({ cache: /** @type {const} */ ('no-store'), keep });

/**
 * @param {Headers} headers
 * @param {string[] | undefined} keep
 */
function headersOf(headers, keep) {
  if (!keep) return new Headers(headers);
  const kept = new Headers();
  for (const name of keep) {
    const value = headers.get(name);
    if (value !== null) kept.set(name, value);
  }
  return kept;
}

/**
 * Sends the request to a URL, or to a service binding if there is one.
 * @param {Fetcher | undefined} service
 * @param {Request} request
 * @param {string} url
 * @param {ReturnType<typeof namesLike>} owned
 * @param {string[]} remove names
 * @param {string} set header lines
 * @param {ReturnType<typeof privately> | undefined} manner
 * @param {number} milliseconds
 */
export function forward(service, request, url, owned, remove, set, manner, milliseconds) {
  const headers = headersOf(request.headers, manner?.keep);
  const foreign = hopByHop(headers);
  for (const name of headers.keys()) if (owned.test(name)) foreign.push(name);
  for (const name of foreign) headers.delete(name);
  for (const name of remove) headers.delete(name);
  setLines(headers, set);
  const { method } = request;
  // A Content-Length of 0 makes a body of no bytes, which fetch takes from no GET or HEAD.
  const hasNone = method === 'GET' || method === 'HEAD' || manner?.keep;
  const body = hasNone ? null : request.body;
  const { cache } = manner ?? {};
  return withTimeout(milliseconds, (signal) =>
    (service ?? globalThis).fetch(url, {
      method,
      headers,
      body,
      redirect: 'manual',
      cache,
      signal,
    }),
  );
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
