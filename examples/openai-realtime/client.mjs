/** Connects as browser clients of the API do, with a user's token in place of its key. */
export const connect = (url, token) =>
  new WebSocket(url, ['realtime', `openai-insecure-api-key.${token}`]);
