import { Socket } from 'phoenix';

/** Connects with a token, and with a new one whenever Phoenix reconnects. */
export async function connect(url, getToken, options) {
  let token = await getToken();
  // Longer than Phoenix would wait, so that there is time for a new token.
  const reconnectAfterMs = (tries) => 1000 * Math.min(tries, 10);
  const socket = new Socket(url, { reconnectAfterMs, ...options, authToken: () => token });
  socket.onClose(async () => {
    try {
      token = await getToken();
    } catch (error) {
      console.warn(`no new token: ${error.message}`);
    }
  });
  socket.connect();
  return socket;
}
