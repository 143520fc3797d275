import mqtt from 'mqtt';

/** Connects with a token, and gets a new one whenever a connection ends. */
export async function connect(url, getToken) {
  let token = await getToken();
  const client = await mqtt.connectAsync(url, {
    createWebsocket: (address, protocols) =>
      new WebSocket(address, ['bearer', token, ...protocols]),
  });
  // MQTT.js waits a second before it connects again.
  client.on('close', async () => {
    try {
      token = await getToken();
    } catch (error) {
      console.warn(`no new token: ${error.message}`);
    }
  });
  return client;
}
