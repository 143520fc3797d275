import { createClient } from 'graphql-ws';

/** A client that offers a new token each time it connects. */
export function connect(url, getToken) {
  let token;
  return createClient({
    // Called before every connection, and may be async.
    url: async () => {
      token = await getToken();
      return url;
    },
    webSocketImpl: class extends WebSocket {
      constructor(address, protocol) {
        super(address, ['bearer', token, protocol]);
      }
    },
  });
}
