import { createClient } from 'graphql-ws';

/** A client that sends a new token each time it connects. */
export function connect(url, getToken) {
  return createClient({
    url,
    connectionParams: async () => ({ token: await getToken() }),
  });
}
