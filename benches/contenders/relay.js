// The least that a Worker can do with a socket: couple it, or hand each message on.
export default {
  async fetch(request, { UPSTREAM }) {
    const upstream = await fetch(UPSTREAM, request);
    if (new URL(request.url).pathname === '/coupled') return upstream;
    const [client, server] = Object.values(new WebSocketPair());
    join(server, upstream.webSocket);
    join(upstream.webSocket, server);
    server.accept();
    upstream.webSocket.accept();
    return new Response(null, { status: 101, webSocket: client });
  },
};

function join(from, to) {
  from.binaryType = 'arraybuffer';
  from.addEventListener('message', ({ data }) => to.send(data));
  from.addEventListener('close', () => to.close());
}
