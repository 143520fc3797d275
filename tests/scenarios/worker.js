// A worker that opens a socket with the gate's URL and the token that it is sent, and returns its echo.
import { PortcullisSocket } from '../../client/portcullis.js';

const serve = (port) => {
  port.onmessage = ({ data: [url, token] }) => {
    const socket = new PortcullisSocket(url, { getToken: () => token });
    socket.onopen = () => socket.send('from a worker');
    socket.onmessage = ({ data }) => port.postMessage(data);
  };
};

// Node's workers are not those of browsers.
if (globalThis.postMessage) serve(globalThis);
else import('node:worker_threads').then(({ parentPort }) => serve(parentPort));
