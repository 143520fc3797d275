// Identity providers: their key sets, and their answers about sessions.
import { boundedText, withTimeout } from './host.js';

/**
 * Fetches under way by what they are for, and when they began.
 * @type {Map<string, { since: number, result: Promise<string> }>}
 */
const fetches = new Map();

/**
 * Runs `start` once at a time for an id. Callers that come meanwhile share its result, each for
 * `milliseconds` at most. A caller may join until the first one gives up, so the run itself may take
 * twice as long. It goes on when the client that caused it hangs up or is answered: `context` is the
 * request's.
 * @param {string} id
 * @param {ExecutionContext} context
 * @param {number} milliseconds
 * @param {(signal: AbortSignal) => Promise<string>} start
 */
function shared(id, context, milliseconds, start) {
  const result = run(id, milliseconds, start);
  context.waitUntil(result.catch(() => {}));
  return withTimeout(milliseconds, () => result);
}

/**
 * @param {string} id
 * @param {number} milliseconds
 * @param {(signal: AbortSignal) => Promise<string>} start
 */
function run(id, milliseconds, start) {
  const now = Date.now();
  const known = fetches.get(id);
  if (known && now - known.since <= milliseconds) return known.result;
  const result = withTimeout(2 * milliseconds, start).finally(() => {
    if (fetches.get(id)?.result === result) fetches.delete(id);
  });
  fetches.set(id, { since: now, result });
  return result;
}

/**
 * Returns a JWK Set: when the provider sent it, in milliseconds, its `max-age` or nothing, and its
 * text, with line breaks between. It comes from the platform's cache if that has a set newer than
 * `newerThan` milliseconds, else from the provider. One fetch at a time for a URL.
 * @param {string} url
 * @param {number} newerThan
 * @param {ExecutionContext} context
 * @param {number} milliseconds
 * @param {number} maxBytes
 */
export function fetchKeySet(url, newerThan, context, milliseconds, maxBytes) {
  return shared(
    `keys ${newerThan} ${url}`,
    context,
    milliseconds,
    async (signal) =>
      (await sharedKeySet(url, newerThan, maxBytes)) ?? loadKeySet(url, maxBytes, signal),
  );
}

/**
 * @param {string} url
 * @param {number} maxBytes
 * @param {AbortSignal} signal
 */
async function loadKeySet(url, maxBytes, signal) {
  const response = await fetch(url, {
    headers: { Accept: 'application/jwk-set+json, application/json' },
    redirect: 'manual',
    signal,
    // Not from the cache of fetch, which would keep sets that are not sound.
    cf: { cacheTtl: -1 },
  });
  if (response.status !== 200) {
    response.body?.cancel().catch(() => {});
    throw new Error(`the provider answered ${response.status}`);
  }
  const since = Date.now();
  const text = await boundedText(response, maxBytes, 'the key set');
  const maxAge = /(?:^|[\s,])max-age=(\d{1,9})(?:[\s,]|$)/i.exec(
    response.headers.get('cache-control') ?? '',
  );
  return `${since}\n${maxAge?.[1] ?? ''}\n${text}`;
}

/**
 * The platform's cache, through which the isolates of a data centre share a set that one of them
 * fetched. Without a cache, as on workers.dev, or with a slow or broken one, each asks the provider.
 */
const CACHE = 'portcullis';
const CACHE_MILLISECONDS = 500;
const SINCE = 'Portcullis-Since';
const MAX_AGE = 'Portcullis-Max-Age';

/**
 * @param {string} url
 * @param {number} newerThan
 * @param {number} maxBytes
 */
async function sharedKeySet(url, newerThan, maxBytes) {
  if (newerThan === Infinity) return undefined;
  try {
    return await withTimeout(CACHE_MILLISECONDS, async () => {
      const cache = await caches.open(CACHE);
      const response = await cache.match(url);
      const since = Number(response?.headers.get(SINCE));
      if (!response || !(since > newerThan)) {
        response?.body?.cancel().catch(() => {});
        return undefined;
      }
      const text = await boundedText(response, maxBytes, 'the cached key set');
      return `${since}\n${response.headers.get(MAX_AGE)}\n${text}`;
    });
  } catch {
    return undefined;
  }
}

/**
 * Shares a sound set with the other isolates for `seconds`.
 * @param {string} url
 * @param {string} text
 * @param {string} maxAge
 * @param {number} since
 * @param {number} seconds
 */
export async function shareKeySet(url, text, maxAge, since, seconds) {
  const headers = {
    'Content-Type': 'application/jwk-set+json',
    'Cache-Control': `max-age=${seconds}`,
    [SINCE]: `${since}`,
    [MAX_AGE]: maxAge,
  };
  try {
    const cache = await caches.open(CACHE);
    await cache.put(url, new Response(text, { headers }));
  } catch {
    // The others ask the provider.
  }
}

/**
 * Returns a provider's answer about a session: status, content type, and the body of a 200, with
 * line breaks between. One request at a time for a digest.
 * @param {string} url
 * @param {string} authorization
 * @param {string} form
 * @param {Iterable<number>} digest
 * @param {ExecutionContext} context
 * @param {number} milliseconds
 * @param {number} maxBytes
 */
export function introspect(url, authorization, form, digest, context, milliseconds, maxBytes) {
  const id = `session ${[...digest].join(' ')}`;
  return shared(id, context, milliseconds, async (signal) => {
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
    if (status === 200) text = await boundedText(response, maxBytes, "the provider's answer");
    else body?.cancel().catch(() => {});
    return `${status}\n${headers.get('content-type') ?? ''}\n${text}`;
  });
}
