// A storm of upgrades within one request: calls a Worker's own handler for each token that the
// body names, and answers with the statuses. Nothing of the network is in its CPU time.
import contender from 'contender';

const HEADERS = {
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version': '13',
  Origin: 'https://app.example.com',
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0',
  'Accept-Language': 'en',
  'CF-Connecting-IP': '192.0.2.7',
};

export default {
  async fetch(request, env, context) {
    const statuses = new Set();
    for (const token of await request.json()) {
      const headers = token ? { ...HEADERS, Authorization: `Bearer ${token}` } : HEADERS;
      const upgrade = new Request('https://gate.example.com/', { headers });
      const { status } = await contender.fetch(upgrade, env, context);
      statuses.add(status);
    }
    return Response.json([...statuses]);
  },
};
