import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr';

/** Connects to the hub; `getToken` is asked for a token at each negotiation and reconnection. */
export async function connect(url, getToken, options) {
  const hub = new HubConnectionBuilder()
    .withUrl(`${url}chat`, { accessTokenFactory: getToken, ...options })
    .withAutomaticReconnect()
    .configureLogging(LogLevel.None)
    .build();
  await hub.start();
  return hub;
}
