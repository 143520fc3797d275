// Slots of open sockets: how an isolate takes one, and what their object sees of the channels.
import { hold } from './channel.js';
import { discard, withTimeout } from './native.js';

/** How long a ledger may take to answer to a socket that attaches again, in milliseconds. */
const LONGEST_AGAIN = 5_000;

/** Resolves when a channel is closed on both sides. */
const closed = (socket) =>
  new Promise((resolve) => {
    socket.addEventListener('close', resolve);
    socket.addEventListener('error', resolve);
  });

/**
 * Asks a ledger for a slot by the path `first`, and holds it by a channel. Resolves to `text`, the
 * answer, or `failure`, and the `channel` of a slot that is not refused. `again`: the path to
 * attach again, but for the time.
 */
export async function takeSlot(context, ledger, first, again, endsWhenLost, milliseconds) {
  const open = (state) => {
    const path = state.again ? `${again}${Date.now()}` : first;
    const longest = state.again ? Math.min(milliseconds, LONGEST_AGAIN) : milliseconds;
    return withTimeout(longest, async (signal) => {
      const headers = { Upgrade: 'websocket' };
      const response = await ledger.fetch(`https://ledger${path}`, { headers, signal });
      // Without it the request's end would cut the channel before its close is on the way, and
      // what is cut off is free only when its lease is over.
      if (response.webSocket) context.waitUntil(closed(response.webSocket));
      // It came too late, and nobody takes it.
      if (signal.aborted) discard(response);
      return response;
    });
  };
  const { response, failure, channel } = await hold(open, endsWhenLost);
  const text = response && (response.headers.get('answer') ?? `status ${response.status}`);
  return { text, failure, channel };
}

const TAG = 'socket';

/** Accepts a channel of this name in place of older ones. */
export function acceptChannel(state, id, answer) {
  const { 0: client, 1: server } = new WebSocketPair();
  closeChannels(state, id);
  // The platform answers these without waking the object up.
  state.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'));
  state.acceptWebSocket(server, [TAG, id]);
  server.serializeAttachment(id);
  return new Response(null, { status: 101, webSocket: client, headers: { answer } });
}

/** Refuses one; `message`: what becomes of a socket that had one. */
export function refuseChannel(answer, message) {
  return new Response(null, { headers: { answer, message } });
}

/** The channels that are open: name, when the last ping came or 0, name … */
export function openChannels(state) {
  return state
    .getWebSockets(TAG)
    .filter((socket) => socket.readyState === WebSocket.OPEN)
    .flatMap((socket) => [
      socket.deserializeAttachment(),
      state.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
    ]);
}

/** The name of a channel that is gone, unless another of its name is open. */
export function left(state, gone) {
  const id = gone.deserializeAttachment();
  const isOpen = (socket) => socket !== gone && socket.readyState === WebSocket.OPEN;
  return state.getWebSockets(id).some(isOpen) ? undefined : id;
}

/** Closes the channels of this name. */
export function closeChannels(state, id) {
  for (const socket of state.getWebSockets(id)) {
    try {
      socket.close(1000, 'over');
    } catch {
      // It is closed already.
    }
  }
}
