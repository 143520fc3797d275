// Requests to the registry's objects, and the channels that they accept.
import { connect, hold } from './channel.js';
import { withTimeout } from './host.js';

/**
 * The responses of these objects, in their order: each `{ text }` or `{ failure }`.
 * @param {DurableObjectNamespace} namespace
 * @param {Iterable<number>} shards
 * @param {string} question
 * @param {number} milliseconds
 * @returns {Promise<({ text: string } | { failure: unknown })[]>}
 */
export async function askRegistry(namespace, shards, question, milliseconds) {
  /** @param {number} shard */
  const ask = (shard) =>
    withTimeout(milliseconds, async (signal) => {
      const object = namespace.getByName(String(shard));
      const init = { method: 'POST', body: question, signal };
      const response = await object.fetch('https://registry/', init);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      return text;
    });
  const results = await Promise.allSettled([...shards].map(ask));
  return results.map((result) =>
    result.status === 'rejected' ? { failure: result.reason } : { text: result.value },
  );
}

/**
 * Asks whether a socket is admitted, and registers it through a channel, as `hold` does.
 * @param {DurableObjectNamespace} namespace
 * @param {number} shard
 * @param {string} entry
 * @param {boolean} endsWhenLost
 * @param {number} milliseconds
 */
export function register(namespace, shard, entry, endsWhenLost, milliseconds) {
  /** @type {import('./channel.js').Open} */
  const open = (state, signal) => {
    // A request for a socket has no body.
    const query = new URLSearchParams({
      entry,
      again: String(state.again),
      expires: String(state.expires),
    });
    return connect(namespace, String(shard), `https://registry/?${query}`, signal);
  };
  return hold(open, endsWhenLost, milliseconds);
}

/**
 * Accepts the channel of a socket that is found by these tags. `socket`: its JSON.
 * @param {DurableObjectState} state
 * @param {string[]} tags
 * @param {string} socket
 * @param {string} answer
 */
export function acceptSocket(state, tags, socket, answer) {
  const { 0: client, 1: server } = new WebSocketPair();
  state.acceptWebSocket(server, tags);
  server.serializeAttachment(socket);
  return new Response(null, { status: 101, webSocket: client, headers: { answer } });
}

/** The object that adds up metrics, among those of the registry. */
const METRICS = 'metrics';
/** The key under which it stores its text. */
const STORED = 'metrics';

/**
 * Asks the object of metrics; its answer is a text.
 * @param {DurableObjectNamespace} namespace
 * @param {string} body
 * @param {number} milliseconds
 */
export function askMetrics(namespace, body, milliseconds) {
  return withTimeout(milliseconds, async (signal) => {
    const object = namespace.getByName(METRICS);
    const init = { method: 'POST', body, signal };
    const response = await object.fetch('https://registry/metrics', init);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    return text;
  });
}

/**
 * The text that was stored last.
 * @param {DurableObjectState} state
 * @returns {string | undefined}
 */
export const loadText = ({ storage }) => storage.kv.get(STORED);

/**
 * @param {DurableObjectState} state
 * @param {string} text
 */
export function storeText({ storage }, text) {
  storage.kv.put(STORED, text);
}
