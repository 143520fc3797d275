// The least there is: the upstream's response. `/hop/…` asks a Durable Object first, `/403` and its
// like are the status of an answer without an upstream.
import { DurableObject } from 'cloudflare:workers';

export class Hop extends DurableObject {
  fetch() {
    return new Response(null);
  }
}

export default {
  async fetch(request, { UPSTREAM, HOPS }) {
    const { pathname } = new URL(request.url);
    const [, status] = /^\/(\d+)$/.exec(pathname) ?? [];
    if (status) return new Response('refused', { status: Number(status) });
    if (pathname.startsWith('/hop/')) {
      const address = request.headers.get('cf-connecting-ip');
      await HOPS.getByName(address).fetch('https://hop/');
    }
    return fetch(UPSTREAM + pathname, request);
  },
};
