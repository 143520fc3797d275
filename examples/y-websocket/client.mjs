import { PortcullisSocket } from 'portcullis/client';
import { WebsocketProvider } from 'y-websocket';
import { Doc } from 'yjs';

/** A document that everybody in a room edits. */
export function edit(url, room, getToken) {
  const doc = new Doc();
  const provider = new WebsocketProvider(url, room, doc, {
    WebSocketPolyfill: PortcullisSocket.with({ getToken }),
    // Tabs of one browser would talk past the gate.
    disableBc: true,
  });
  return { doc, provider };
}
