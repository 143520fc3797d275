// UPSTREAM_CERTIFICATE: what goes to UPSTREAM_URL goes through the binding of the certificate. A
// service stands in for it here, since workerd alone has no certificates of Cloudflare's.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { assertRefused, requestId } from '../../support/answers.mjs';
import { useGate, worker } from '../../support/gate.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const script = `
  export default {
    fetch(request) {
      if (new URL(request.url).pathname.endsWith('/403')) return new Response('no', { status: 403 });
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      const named = [...request.headers].filter(([name]) => name.startsWith('portcullis-'));
      server.send(JSON.stringify([request.url, Object.fromEntries(named)]));
      return new Response(null, { status: 101, webSocket: client });
    },
  };`;

describe('UPSTREAM_CERTIFICATE', () => {
  const upstream = useUpstream();
  const gate = useGate(() => ({
    vars: {
      UPSTREAM_URL: 'wss://server.example/base',
      UPSTREAM_CERTIFICATE: 'CLIENT',
      ROUTES: [{ path: '/*' }, { path: '/plain/*', upstream_url: upstream.url }],
    },
    services: { CLIENT: 'client' },
    workers: [worker('client', script)],
  }));

  test('takes an upgrade to the server’s URL, with the gate’s headers', async () => {
    const client = await gate.connect({ target: '/room?x=1' });
    const [greeting] = await once(client, 'message');
    const [url, headers] = JSON.parse(greeting);
    assert.equal(url, 'https://server.example/base/room?x=1');
    assert.equal(headers['portcullis-request-id'], requestId({ headers: client.answer }));
  });
  test('a refusal of the server is one', async () => {
    assertRefused(await gate.knock({}, { target: '/403' }), 'upstream_refused');
  });
  test('is not shown to the server of a route', async () => {
    const answer = await gate.knock({}, { target: '/plain/x' });
    assert.equal(answer.status, 101);
    assert.equal(upstream.sent(requestId(answer)).url, '/plain/x');
  });
});

describe('UPSTREAM_CERTIFICATE without its binding', () => {
  const gate = useGate({
    vars: { UPSTREAM_URL: 'wss://server.example', UPSTREAM_CERTIFICATE: 'CLIENT' },
  });
  test('is a configuration error', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    await gate.log.find(({ message }) =>
      message.includes('UPSTREAM_CERTIFICATE: there is no certificate binding "CLIENT"'),
    );
  });
});
