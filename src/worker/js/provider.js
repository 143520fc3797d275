// Providers of identities: their key sets, and what they say of sessions.
import { boundedText, withTimeout } from './host.js';

/**
 * Fetches under way by what they are for, and when they began.
 * @type {Map<string, { since: number, result: Promise<string> }>}
 */
const fetches = new Map();

/**
 * What `start` gives, one run at a time for an id: who asks meanwhile gets the same. One whose
 * request was cancelled never ends, so it is joined only as long as it could still end well.
 * @param {string} id
 * @param {number} milliseconds
 * @param {(signal: AbortSignal) => Promise<string>} start
 */
function shared(id, milliseconds, start) {
  const now = Date.now();
  const known = fetches.get(id);
  if (known && now - known.since <= milliseconds) return known.result;
  const result = withTimeout(milliseconds, start).finally(() => {
    if (fetches.get(id)?.result === result) fetches.delete(id);
  });
  fetches.set(id, { since: now, result });
  return result;
}

/**
 * A JWK Set as `<when the provider gave it, in milliseconds>`, `<max-age or nothing>` and its text,
 * with line breaks between: from the platform's cache if that has one newer than `newerThan`
 * milliseconds, else from the provider. One fetch at a time for a URL.
 * @param {string} url
 * @param {number} newerThan
 * @param {number} milliseconds
 * @param {number} mostBytes
 */
export function fetchKeySet(url, newerThan, milliseconds, mostBytes) {
  const result = shared(
    `keys ${newerThan} ${url}`,
    milliseconds,
    async (signal) =>
      (await sharedKeySet(url, newerThan, mostBytes)) ?? loadKeySet(url, mostBytes, signal),
  );
  return withTimeout(milliseconds, () => result);
}

/**
 * @param {string} url
 * @param {number} mostBytes
 * @param {AbortSignal} signal
 */
async function loadKeySet(url, mostBytes, signal) {
  const response = await fetch(url, {
    headers: { Accept: 'application/jwk-set+json, application/json' },
    redirect: 'manual',
    signal,
    // Not from that of fetch, which would keep what no one found sound.
    cf: { cacheTtl: -1 },
  });
  if (response.status !== 200) {
    response.body?.cancel().catch(() => {});
    throw new Error(`the provider answered ${response.status}`);
  }
  const since = Date.now();
  const text = await boundedText(response, mostBytes, 'the key set');
  const maxAge = /(?:^|[\s,])max-age=(\d{1,9})(?:[\s,]|$)/i.exec(
    response.headers.get('cache-control') ?? '',
  );
  return `${since}\n${maxAge?.[1] ?? ''}\n${text}`;
}

/**
 * The platform's cache: isolates of a data centre share what one of them fetched. Where there is
 * none, as on workers.dev, or it is slow or broken, each asks the provider.
 */
const CACHE = 'portcullis';
const CACHE_MILLISECONDS = 500;
const SINCE = 'Portcullis-Since';
const MAX_AGE = 'Portcullis-Max-Age';

/**
 * @param {string} url
 * @param {number} newerThan
 * @param {number} mostBytes
 */
async function sharedKeySet(url, newerThan, mostBytes) {
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
      const text = await boundedText(response, mostBytes, 'the cached key set');
      return `${since}\n${response.headers.get(MAX_AGE)}\n${text}`;
    });
  } catch {
    return undefined;
  }
}

/**
 * Gives a set that was found sound to the other isolates, for so many seconds.
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
 * A provider's answer about a session as `<status>`, `<content type>` and the body of a 200, with
 * line breaks between. One question at a time for a print. It goes on when the request that asked
 * first is cancelled: others may wait for it.
 * @param {string} url
 * @param {string} authorization
 * @param {string} form
 * @param {Iterable<number>} print
 * @param {ExecutionContext} context
 * @param {number} milliseconds
 * @param {number} mostBytes
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
