import { createClient } from 'graphql-ws';

/** A client as Hasura's documentation shows it. */
export function connect(url, getToken) {
  return createClient({
    url,
    connectionParams: async () => ({
      headers: { Authorization: `Bearer ${await getToken()}` },
    }),
  });
}
