// How sockets end, and frames as they are on the wire.
import { once } from 'node:events';

/** The code and reason that a socket of `ws` closes with. */
export async function closing(socket) {
  const [code, reason] = await once(socket, 'close');
  return [code, reason.toString()];
}

/** A frame of a server (RFC 6455 §5.2) with a short payload. */
export function frame(opcode, payload = '') {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from([0x80 | opcode, bytes.length]), bytes]);
}

/** A close frame of a server, with any code whatever. */
export function closeFrame(code, reason = '') {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(8, Buffer.concat([head, Buffer.from(reason)]));
}
