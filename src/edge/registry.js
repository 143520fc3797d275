// Questions to the registry's objects.
import { hold } from './channel.js';
import { withTimeout } from './native.js';

/** The answers of all these objects: `{ text }` or `{ failure }` each, in their order. */
export async function askRegistry(namespace, shards, question, milliseconds) {
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
  return results.map(({ value, reason }) => (reason ? { failure: reason } : { text: value }));
}

/**
 * Asks whether a socket is admitted, and registers it. Resolves to `text`, the answer, or
 * `failure`, and the `channel` of one that is not refused.
 */
export async function register(namespace, shard, entry, endsWhenLost, milliseconds) {
  const open = (state, signal) => {
    // A request for a socket has no body.
    const query = new URLSearchParams({ entry, ...state });
    const headers = { Upgrade: 'websocket' };
    // A stub whose object broke is of no use any more: each time a new one.
    const object = namespace.getByName(String(shard));
    return object.fetch(`https://registry/?${query}`, { headers, signal });
  };
  return hold(open, endsWhenLost, milliseconds);
}
