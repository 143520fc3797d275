import { io } from 'socket.io-client';

/** Connects with a token, and with a new one whenever Socket.IO reconnects. */
export async function connect(url, getToken, options) {
  const offer = async () => ['bearer', await getToken()];
  const socket = io(url, { ...options, transports: ['websocket'], protocols: await offer() });
  // Socket.IO waits about a second before it connects again.
  const renew = async () => {
    try {
      socket.io.opts.protocols = await offer();
    } catch (error) {
      console.warn(`no new token: ${error.message}`);
    }
  };
  socket.io.on('close', renew);
  socket.io.on('error', renew);
  return socket;
}
