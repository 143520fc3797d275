// The admitted socket: nothing is lost, added or reordered between client and upstream.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { assertAdmitted, assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import { ask, freshAddress, freshKey, useGate, worker } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { acceptance, useRawUpstream, useUpstream } from '../../support/upstream.mjs';

/** The next `count` messages of a socket. */
const messages = (socket, count) =>
  new Promise((resolve) => {
    const seen = [];
    socket.on('message', (data, binary) => {
      seen.push(binary ? data : data.toString());
      if (seen.length === count) resolve(seen);
    });
  });

const DEFLATE = 'permessage-deflate';

for (const RELAY of ['passthrough', 'inspect']) {
  const isInspected = RELAY === 'inspect';

  describe(`an admitted socket, RELAY=${RELAY}`, () => {
    let accepted;
    const upstream = useUpstream({
      onSocket(socket, request) {
        accepted?.(socket, request);
        socket.on('message', (data, binary) => socket.send(data, { binary }));
      },
    });
    const gate = useGate({ upstream, vars: { RELAY } });
    /** Both ends of a new socket. */
    const pair = async (options) => {
      const other = new Promise((resolve) => (accepted = resolve));
      const client = await gate.connect(options);
      return [client, await other];
    };

    test('carries text and binary as what they are', async () => {
      const client = await gate.connect();
      assert.equal(await ask(client, 'z\u00fcrich \u{1f3f0}'), 'z\u00fcrich \u{1f3f0}');
      const bytes = Buffer.from([0, 255, 1, 254, 128]);
      assert.deepEqual(await ask(client, bytes), bytes);
      assert.equal(await ask(client, ''), '');
    });
    test('carries a message of a megabyte', async () => {
      const client = await gate.connect();
      const bytes = Buffer.alloc(1 << 20, 'portcullis');
      assert.ok(bytes.equals(await ask(client, bytes)));
    });
    test('keeps 2000 messages in order', async () => {
      const client = await gate.connect();
      const sent = Array.from({ length: 2000 }, (_, at) => `message ${at}`);
      const echoed = messages(client, sent.length);
      for (const message of sent) client.send(message);
      assert.deepEqual(await echoed, sent);
    });
    test('lets the upstream speak first', async () => {
      const [client, server] = await pair();
      const first = messages(client, 1);
      server.send('welcome');
      assert.deepEqual(await first, ['welcome']);
    });
    test('answers pings of either side', async () => {
      const [client, server] = await pair();
      const pong = once(server, 'pong');
      server.ping('are you there');
      assert.equal(String((await pong)[0]), 'are you there');
      const back = once(client, 'pong');
      client.ping('and you');
      assert.equal(String((await back)[0]), 'and you');
    });

    for (const [name, args, seen] of [
      ['1000 with a reason', [1000, 'bye'], [1000, 'bye']],
      ['a code of its own', [4321, 'z\u00fcrich'], [4321, 'z\u00fcrich']],
      ['no code', [], [1005, '']],
      ['1011', [1011, ''], [1011, '']],
    ]) {
      test(`carries the client's close: ${name}`, async () => {
        const [client, server] = await pair();
        const both = Promise.all([closing(server), closing(client)]);
        client.close(...args);
        assert.deepEqual(await both, [seen, seen]);
      });
      test(`carries the upstream's close: ${name}`, async () => {
        const [client, server] = await pair();
        const both = Promise.all([closing(client), closing(server)]);
        server.close(...args);
        assert.deepEqual(await both, [seen, seen]);
      });
    }
    test('ends when the client is gone', async () => {
      const [client, server] = await pair();
      const closed = closing(server);
      client.terminate();
      assert.deepEqual(await closed, isInspected ? [1001, 'client_gone'] : [1006, '']);
    });
    test('ends when the upstream is gone', async () => {
      const [client, server] = await pair();
      const closed = closing(client);
      server.terminate();
      assert.deepEqual(await closed, isInspected ? [1014, 'upstream_gone'] : [1006, '']);
    });
    test('is one of fifty at once, and each gets its own messages', async () => {
      const address = freshAddress();
      const connect = () => gate.connect({ headers: { 'CF-Connecting-IP': address } });
      const clients = await Promise.all(Array.from({ length: 50 }, connect));
      const echoes = await Promise.all(clients.map((client, at) => ask(client, `mine ${at}`)));
      assert.deepEqual(
        echoes,
        clients.map((_, at) => `mine ${at}`),
      );
      await Promise.all(
        clients.map((client) => {
          client.close();
          return once(client, 'close');
        }),
      );
    });
  });

  describe(`${DEFLATE}, RELAY=${RELAY}`, () => {
    const upstream = useUpstream({ perMessageDeflate: { threshold: 0 } });
    const gate = useGate({ upstream, vars: { RELAY } });
    for (const [name, offer, chosen] of [
      // The platform spells out the window that a bare client_max_window_bits stands for.
      ['is used where the client offers it', true, [`${DEFLATE}; client_max_window_bits=15`]],
      ['is not used where it does not', false, []],
    ]) {
      test(name, async () => {
        const client = await gate.connect({ perMessageDeflate: offer });
        assert.deepEqual(values(client.answer, 'sec-websocket-extensions'), chosen);
        const text = 'portcullis '.repeat(10_000);
        assert.equal(await ask(client, text), text);
      });
    }
    test('reaches the upstream with its parameters', async () => {
      const offer = `${DEFLATE}; server_no_context_takeover`;
      const answer = await gate.knock({ 'Sec-WebSocket-Extensions': offer });
      const sent = upstream.sent(requestId(answer)).headers;
      assert.deepEqual(values(sent, 'sec-websocket-extensions'), [offer]);
      assert.deepEqual(values(answer.headers, 'sec-websocket-extensions'), [offer]);
    });
  });
}

describe('the headers of the upstream’s 101', () => {
  const lines = [
    'Server: secret/1.0',
    'X-Powered-By: secret',
    'X-Frame-Options: ALLOWALL',
    'Portcullis-Request-Id: forged',
    'Set-Cookie: a=1',
    'Set-Cookie: b=2',
    'X-Own: stays',
    'Content-Encoding: gzip',
  ];
  const upstream = useRawUpstream((head, socket) => socket.write(acceptance(head, ...lines)));
  const gate = useGate({ upstream });
  test('pass, but for those that are the gate’s, that tell of the upstream or encode a body', async () => {
    const key = freshKey();
    const answer = await gate.knock({ 'Sec-WebSocket-Key': key });
    assert.deepEqual(values(answer.headers, 'set-cookie'), ['a=1', 'b=2']);
    const headers = answer.headers.filter(([name]) => name !== 'set-cookie');
    assertAdmitted({ ...answer, headers }, key, { 'x-own': 'stays' });
  });
});

describe('over TLS', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { REQUIRE_TLS: undefined }, shared: { https: true } });
  test('a wss client is admitted, and the upstream learns of it', async () => {
    const client = await gate.connect();
    assert.equal(await ask(client, 'hello'), 'hello');
    const id = values(client.answer, 'portcullis-request-id')[0];
    assert.deepEqual(values(upstream.sent(id).headers, 'x-forwarded-proto'), ['https']);
  });
});

describe('UPSTREAM_URL with a path', () => {
  const upstream = useUpstream();
  const gate = useGate(() => ({ vars: { UPSTREAM_URL: `${upstream.url}/base/` } }));
  for (const [target, url] of [
    ['/', '/base/'],
    ['/a/b?c=d', '/base/a/b?c=d'],
    ['/../admin', '/base/admin'],
    ['/%2e%2e/admin', '/base/admin'],
    ['/..\\admin', '/base/admin'],
    ['/?', '/base/?'],
  ]) {
    test(`${target} becomes ${url}`, async () => {
      const answer = await gate.knock({}, { target });
      assert.equal(reasonOf(answer), 'admitted');
      assert.equal(upstream.sent(requestId(answer)).url, url);
    });
  }
});

describe('UPSTREAM_SERVICE', () => {
  const script = `
    export default {
      fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === '/throw') throw new Error('thrown on purpose');
        if (pathname === '/403') return new Response('secret', { status: 403 });
        const [client, server] = Object.values(new WebSocketPair());
        server.accept();
        server.addEventListener('message', ({ data }) => server.send('service: ' + data));
        server.send(JSON.stringify([request.url, request.headers.get('x-forwarded-for')]));
        return new Response(null, { status: 101, webSocket: client });
      },
    };`;
  const gate = useGate({
    vars: { UPSTREAM_SERVICE: 'BACKEND' },
    services: { BACKEND: 'backend' },
    workers: [worker('backend', script)],
  });

  test('takes the socket under the client’s own URL', async () => {
    const headers = { 'CF-Connecting-IP': '192.0.2.9' };
    const client = await gate.connect({ target: '/room?x=1', headers });
    const [greeting, echo] = await new Promise((resolve) => {
      messages(client, 2).then(resolve);
      client.send('hello');
    });
    assert.deepEqual(JSON.parse(greeting), [new URL('/room?x=1', gate.url).href, '192.0.2.9']);
    assert.equal(echo, 'service: hello');
  });
  for (const [target, reason] of [
    ['/403', 'upstream_refused'],
    ['/throw', 'upstream_unreachable'],
  ]) {
    test(`${target} is ${reason}`, async () => {
      assertRefused(await gate.knock({}, { target }), reason);
    });
  }
});
