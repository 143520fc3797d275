// The page of the other origin: opens one socket when the playground asks, and tells how it went.
const playground = `http://localhost${location.port && `:${location.port}`}`;
const tell = (message) => parent.postMessage(message, playground);

addEventListener('message', ({ source, origin, data }) => {
  if (source !== parent || origin !== playground) return;
  const socket = new WebSocket(data.url, data.protocols);
  socket.addEventListener('open', () => {
    tell({ opened: true });
    socket.close();
  });
  socket.addEventListener('close', ({ code }) => tell({ opened: false, code }));
});
tell('ready');
