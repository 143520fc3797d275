import { Socket } from 'phoenix';

/** Connects with a token, and with a new one whenever Phoenix reconnects. */
export async function connect(url, getToken, options) {
  let token = await getToken();
  const socket = new Socket(url, { ...options, authToken: () => token });
  // Phoenix waits a moment before it connects again.
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
