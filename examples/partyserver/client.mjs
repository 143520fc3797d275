/** Enters a room with a token. */
export function enter(gate, room, token, onMessage) {
  const url = new URL(`/rooms/${encodeURIComponent(room)}`, gate);
  const socket = new WebSocket(url, ['bearer', token]);
  socket.addEventListener('message', ({ data }) => onMessage(data));
  return socket;
}
