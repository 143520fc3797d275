import { io } from 'socket.io-client';

/** Connects by polling and upgrades to WebSocket, with a new token whenever Socket.IO reconnects. */
export async function connect(url, getToken, options) {
  const credentials = async () => {
    const token = await getToken();
    // The first is for polling, the second for WebSocket.
    return { extraHeaders: { Authorization: `Bearer ${token}` }, protocols: ['bearer', token] };
  };
  const { extraHeaders, protocols } = await credentials();
  const headers = { ...options?.extraHeaders, ...extraHeaders };
  const socket = io(url, { ...options, extraHeaders: headers, protocols });
  // Socket.IO waits about a second before it connects again.
  const renew = async () => {
    try {
      const { extraHeaders: fresh, protocols: offer } = await credentials();
      Object.assign(socket.io.opts.extraHeaders, fresh);
      socket.io.opts.protocols = offer;
    } catch (error) {
      console.warn(`no new token: ${error.message}`);
    }
  };
  socket.io.on('close', renew);
  socket.io.on('error', renew);
  return socket;
}
