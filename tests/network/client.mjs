// A client in a network of its own: it opens a socket and writes what happens to it.
import { PortcullisSocket } from '../../client/portcullis.js';

const [url, token] = process.argv.slice(2);
const socket = new PortcullisSocket(url, { getToken: () => token });
for (const type of ['open', 'close']) {
  socket.addEventListener(type, ({ code, error }) => {
    console.log(JSON.stringify({ type, code, error: error?.message, at: Date.now() }));
  });
}
