// The slots of open sockets: how an isolate takes one, and what the object sees of the channels.
import { connect, hold } from './channel.js';

/**
 * Resolves when a channel is closed on both sides.
 * @param {WebSocket} socket
 * @returns {Promise<unknown>}
 */
const closed = (socket) =>
  new Promise((resolve) => {
    socket.addEventListener('close', resolve);
    socket.addEventListener('error', resolve);
  });

/**
 * Asks a ledger for a slot by the path `first`, and holds it by a channel, as `hold` does. `again` is
 * the path by which the socket attaches again, without the time.
 * @param {ExecutionContext} context
 * @param {DurableObjectNamespace} namespace
 * @param {string} name
 * @param {string} first
 * @param {string} again
 * @param {boolean} endsWhenLost
 * @param {number} milliseconds
 */
export function takeSlot(context, namespace, name, first, again, endsWhenLost, milliseconds) {
  /** @type {import('./channel.js').Open} */
  const open = async (state, signal) => {
    const path = state.again ? `${again}${Date.now()}` : first;
    const response = await connect(namespace, name, `https://ledger${path}`, signal);
    // Without this, the end of the request would cut the channel before its close is sent, and the
    // slot would be free only when its lease is over.
    if (response.webSocket) context.waitUntil(closed(response.webSocket));
    return response;
  };
  return hold(open, endsWhenLost, milliseconds);
}

const TAG = 'socket';

/**
 * Accepts a channel with this id, and closes older ones.
 * @param {DurableObjectState} state
 * @param {string} id
 * @param {string} answer
 */
export function acceptChannel(state, id, answer) {
  const { 0: client, 1: server } = new WebSocketPair();
  closeChannels(state, id);
  // The platform answers pings without waking the object.
  state.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'));
  state.acceptWebSocket(server, [TAG, id]);
  server.serializeAttachment(id);
  return new Response(null, { status: 101, webSocket: client, headers: { answer } });
}

/**
 * Refuses a channel.
 * @param {string} answer
 * @param {string} message what happens to a socket that had one
 */
export function refuseChannel(answer, message) {
  return new Response(null, { headers: { answer, message } });
}

/**
 * The channels that are open: for each its id, and the time of its last ping or 0.
 * @param {DurableObjectState} state
 */
export function openChannels(state) {
  return state
    .getWebSockets(TAG)
    .filter((socket) => socket.readyState === WebSocket.OPEN)
    .flatMap((socket) => [
      socket.deserializeAttachment(),
      state.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
    ]);
}

/**
 * The id of a channel that is gone, unless another one with that id is open.
 * @param {DurableObjectState} state
 * @param {WebSocket} gone
 */
export function left(state, gone) {
  const id = gone.deserializeAttachment();
  /** @type {(socket: WebSocket) => boolean} */
  const isOpen = (socket) => socket !== gone && socket.readyState === WebSocket.OPEN;
  return state.getWebSockets(id).some(isOpen) ? undefined : id;
}

/**
 * Sends a message through the channels with this id.
 * @param {DurableObjectState} state
 * @param {string} id
 * @param {string} message
 */
export function tellChannels(state, id, message) {
  for (const socket of state.getWebSockets(id)) {
    try {
      socket.send(message);
    } catch {
      // It is closed already.
    }
  }
}

/**
 * Closes the channels with this id.
 * @param {DurableObjectState} state
 * @param {string} id
 */
export function closeChannels(state, id) {
  for (const socket of state.getWebSockets(id)) {
    try {
      socket.close(1000, 'over');
    } catch {
      // It is closed already.
    }
  }
}
