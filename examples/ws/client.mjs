import { PortcullisSocket } from '../../client/portcullis.js';

/** Joins the chat. The socket reconnects by itself, each time with a token of `getToken`. */
export function join(url, getToken, onMessage) {
  const socket = new PortcullisSocket(url, { getToken });
  socket.onmessage = ({ data }) => onMessage(data);
  socket.onrefused = ({ reason, action }) => console.warn(`refused: ${reason}, ${action}`);
  return socket;
}
