// The load: upgrades as a browser sends them through Cloudflare.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

export const ORIGIN = 'https://app.example.com';

/** One upgrade on a connection of its own; resolves to the status once the answer's head is there. */
export async function upgrade({ url, path = '/chat', origin = ORIGIN, token, address }) {
  const protocols = token ? `bearer, ${token}, chat.v1` : 'chat.v1';
  const socket = net.connect(Number(url.port), url.hostname);
  socket.write(
    [
      `GET ${path}?room=7 HTTP/1.1`,
      'Host: chat.example.com',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Pragma: no-cache',
      'Cache-Control: no-cache',
      'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36',
      `Origin: ${origin}`,
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
      `Sec-WebSocket-Protocol: ${protocols}`,
      'Accept-Encoding: gzip, br',
      'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
      'Cookie: theme=dark; consent=2026-01-01; _session=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4',
      `CF-Connecting-IP: ${address}`,
      'CF-IPCountry: DE',
      'CF-Ray: 9a1b2c3d4e5f6789-FRA',
      'CF-Visitor: {"scheme":"https"}',
      'CDN-Loop: cloudflare; loops=1',
      // What becomes `request.cf`.
      'CF-Blob: {"colo":"FRA","country":"DE","httpProtocol":"HTTP/1.1","tlsVersion":"TLSv1.3"}',
      `X-Forwarded-For: ${address}`,
      'X-Forwarded-Proto: https',
      '\r\n',
    ].join('\r\n'),
  );
  let head = '';
  while (!head.includes('\r\n\r\n')) head += (await once(socket, 'data'))[0];
  socket.destroy();
  return Number(head.split(' ')[1]);
}
