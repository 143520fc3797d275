// Slots of open sockets: how an isolate takes one, and what their object sees of the channels.
import { connect, hold } from './channel.js';

/** Resolves when a channel is closed on both sides. */
const closed = (socket) =>
  new Promise((resolve) => {
    socket.addEventListener('close', resolve);
    socket.addEventListener('error', resolve);
  });

/**
 * Asks a ledger for a slot by the path `first`, and holds it by a channel, as `hold` does. `again`:
 * the path to attach again, but for the time.
 */
export function takeSlot(context, namespace, name, first, again, endsWhenLost, milliseconds) {
  const open = async (state, signal) => {
    const path = state.again ? `${again}${Date.now()}` : first;
    const response = await connect(namespace, name, `https://ledger${path}`, signal);
    // Without it the request's end would cut the channel before its close is on the way, and what
    // is cut off is free only when its lease is over.
    if (response.webSocket) context.waitUntil(closed(response.webSocket));
    return response;
  };
  return hold(open, endsWhenLost, milliseconds);
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
