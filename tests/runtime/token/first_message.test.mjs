// Tokens in the first message: what servers and clients see, and what nobody can use up.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { buildSchema } from 'graphql';
import { createClient } from 'graphql-ws';
import { useServer as serveGraphql } from 'graphql-ws/use/ws';
import { WebSocket } from 'ws';
import { ADMIN_TOKEN, done } from '../../support/admin.mjs';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import { freshAddress, from, ORIGIN, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { bearer, mint, now, REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { acceptance, useRawUpstream, useUpstream } from '../../support/upstream.mjs';

const SETTINGS = { ...REQUIRED, TOKEN_SOURCES: ['header', 'message:/payload/token'] };
const init = (token, more) => JSON.stringify({ type: 'init', payload: { token, ...more } });
const next = async (socket) => String((await once(socket, 'message'))[0]);
const idOf = (socket) => requestId({ headers: socket.answer });

describe('a token in the first message', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...SETTINGS, ADMIN_TOKEN, CLOSE_ON_EXPIRY: 'true', MAX_SOCKETS_USER: '1' },
  });
  const enter = async (message, options) => {
    const socket = await gate.connect(options);
    socket.send(message);
    return socket;
  };

  test('opens a socket at the server, which knows the user and never sees the token', async () => {
    const token = mint({ sub: 'ann' });
    const socket = await enter(init(token, { a: 1 }), { target: '/a?b=1' });
    assert.equal(await next(socket), '{"type":"init","payload":{"a":1}}');
    const sent = upstream.sent(idOf(socket));
    assert.equal(sent.url, '/a?b=1');
    assert.deepEqual(values(sent.headers, 'portcullis-subject'), ['ann']);
    socket.send('more');
    assert.equal(await next(socket), 'more');
    socket.close();
  });
  test('is read in a binary message too, which stays binary', async () => {
    const socket = await enter(Buffer.from(init(mint({ sub: 'bø' }), { a: 'ü' })));
    const [data, isBinary] = await once(socket, 'message');
    assert.deepEqual([String(data), isBinary], ['{"type":"init","payload":{"a":"ü"}}', true]);
    const { headers } = upstream.sent(idOf(socket));
    assert.deepEqual(values(headers, 'portcullis-subject'), ['b%C3%B8']);
    socket.close();
  });
  test('brings along what is sent before the server is connected, in order', async () => {
    const socket = await gate.connect();
    socket.send(init(mint({ sub: 'bea' })));
    const all = Array.from({ length: 50 }, (_, at) => `${at}`);
    const seen = [];
    const last = new Promise((resolve) => {
      socket.on('message', (data) => {
        seen.push(String(data));
        if (seen.length > all.length) resolve();
      });
    });
    for (const one of all) socket.send(one);
    await last;
    assert.deepEqual(seen.slice(1), all);
    socket.close();
  });

  for (const [name, message, code, reason, cause] of [
    ['none', '{"type":"init"}', 4401, 'token_missing', 'no token in any of TOKEN_SOURCES'],
    ['not JSON', 'hello', 4401, 'token_missing', 'no token in any of TOKEN_SOURCES'],
    ['in UTF-16', Buffer.from(init(mint()), 'utf16le'), 4401, 'token_missing'],
    ['twice', `{"payload":{"token":"x","token":"${mint()}"}}`, 4401, 'token_missing'],
    ['a number', init(7), 4401, 'token_invalid'],
    ['forged', init(mint({}, { key: 'x'.repeat(64) })), 4401, 'token_invalid'],
    ['expired', init(mint({ exp: now() - 60 })), 4401, 'token_expired'],
    ['too long', init('x'.repeat(40_000)), 4401, 'token_invalid', 'the first message is too long'],
  ]) {
    test(`that is ${name} closes the socket, and the server hears of nobody`, async () => {
      const before = upstream.seen.length;
      const socket = await gate.connect();
      const closed = closing(socket);
      socket.send(message);
      assert.deepEqual(await closed, [code, reason]);
      assert.equal(upstream.seen.length, before);
      const record = await gate.log.record(idOf(socket));
      assert.equal(record.outcome, 'refused');
      if (cause) assert.equal(record.cause, cause);
    });
  }
  test('is not awaited where the handshake has a token', async () => {
    const socket = await gate.connect({ headers: withToken({ sub: 'cleo' }) });
    socket.send(init('x'));
    assert.equal(await next(socket), init('x'));
    socket.close();
  });
  test('counts its user exactly, and gives the slot back', async () => {
    const one = await enter(init(mint({ sub: 'dora' })));
    await next(one);
    const two = await gate.connect();
    const closed = closing(two);
    two.send(init(mint({ sub: 'dora' })));
    assert.deepEqual(await closed, [4429, 'too_many_sockets']);
    const left = once(one, 'close');
    one.close();
    await left;
    await until(async () => {
      const three = await gate.connect();
      const first = Promise.race([next(three), closing(three)]);
      three.send(init(mint({ sub: 'dora' })));
      const answer = await first;
      three.close();
      return typeof answer === 'string';
    });
  });
  test('a client that leaves before it sends one is recorded and holds nothing', async () => {
    const socket = await gate.connect();
    socket.terminate();
    const record = await gate.log.record(idOf(socket));
    assert.equal(record.cause, 'the client left before its first message');
  });
  test('a client that leaves while its server is connected frees its slot', async () => {
    const socket = await gate.connect();
    socket.send(init(mint({ sub: 'eve' })), () => socket.terminate());
    await gate.log.record(idOf(socket));
    await until(async () => {
      const again = await gate.connect();
      const first = Promise.race([next(again), closing(again)]);
      again.send(init(mint({ sub: 'eve' })));
      const answer = await first;
      again.close();
      return typeof answer === 'string';
    });
  });
  test('is known to administrators, and its socket ends by a revocation', async () => {
    const socket = await enter(init(mint({ sub: 'fay' })));
    await next(socket);
    const { sockets } = await done(gate, 'GET', 'sockets?sub=fay');
    assert.equal(sockets.length, 1);
    const closed = closing(socket);
    await done(gate, 'PUT', 'revocations', { body: { sub: 'fay' } });
    assert.deepEqual(await closed, [4401, 'revoked']);
    const again = await gate.connect();
    const refused = closing(again);
    again.send(init(mint({ sub: 'fay', iat: now() - 5 })));
    assert.deepEqual(await refused, [4401, 'revoked']);
  });
  test('ends its socket when it expires', async () => {
    const socket = await enter(init(mint({ sub: 'gil', exp: now() + 2 })));
    await next(socket);
    assert.deepEqual(await closing(socket), [4401, 'token_expired']);
  });
});

describe('sockets that wait for their first message', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...SETTINGS, RATE_LIMIT_IP: 'off', FIRST_MESSAGE_TIMEOUT: '2s' },
  });
  test('are closed when their time is over', async () => {
    const socket = await gate.connect();
    assert.deepEqual(await closing(socket), [4401, 'token_missing']);
    const record = await gate.log.record(idOf(socket));
    assert.deepEqual(
      [record.cause, record.setting],
      ['no message came in time', 'FIRST_MESSAGE_TIMEOUT'],
    );
  });
  test('are limited by address', async () => {
    const address = freshAddress();
    const connect = () => gate.connect({ headers: from(address) });
    const open = await Promise.all(Array.from({ length: 64 }, connect));
    const refused = await connect();
    assert.equal(refused.status, 429);
    assert.equal(reasonOf(refused), 'too_many_sockets');
    assert.ok((await gate.connect()).answer, 'another address');
    await Promise.all(open.map(closing));
    const again = await connect();
    assert.ok(again.answer);
    again.send(init(mint()));
    await next(again);
  });
});

describe('a server that takes its time', () => {
  const waiting = [];
  const upstream = useRawUpstream((head, socket) => waiting.push(() => accept(head, socket)));
  const gate = useGate({ upstream, vars: SETTINGS });
  const received = new EventTarget();
  const accept = (head, socket) => {
    socket.on('data', (data) => {
      received.dispatchEvent(new CustomEvent('data', { detail: data.length }));
    });
    socket.write(acceptance(head));
  };
  const asked = () => until(() => waiting.shift(), Boolean, { every: 10 });

  test('gets all that was sent meanwhile', async () => {
    const socket = await gate.connect();
    socket.send(init(mint()));
    const answer = await asked();
    for (let at = 0; at < 255; at += 1) socket.send('x'.repeat(1000));
    // The pong comes back behind what was sent before the ping.
    const pong = once(socket, 'pong');
    socket.ping();
    await pong;
    let bytes = 0;
    const all = new Promise((resolve) => {
      received.addEventListener('data', ({ detail }) => {
        bytes += detail;
        if (bytes > 255_000) resolve();
      });
    });
    answer();
    await all;
    socket.terminate();
  });
  for (const [name, count, size] of [
    ['messages', 257, 1],
    ['bytes', 5, 64 << 10],
  ]) {
    test(`is not waited for by a client that sends too many ${name}`, async () => {
      const socket = await gate.connect();
      const closed = closing(socket);
      socket.send(init(mint()));
      const answer = await asked();
      for (let at = 0; at < count; at += 1) socket.send('x'.repeat(size));
      const pong = once(socket, 'pong');
      socket.ping();
      await pong;
      answer();
      assert.deepEqual(await closed, [1013, 'backlog']);
    });
  }
});

describe('in report mode', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...SETTINGS, MODE: 'report', FIRST_MESSAGE_TIMEOUT: '1s' },
  });
  test('a bad token passes, and the server sees neither token nor user', async () => {
    const socket = await gate.connect();
    socket.send(init(mint({ exp: now() - 60 })));
    assert.equal(await next(socket), '{"type":"init","payload":{}}');
    assert.deepEqual(values(upstream.sent(idOf(socket)).headers, 'portcullis-subject'), []);
    const { would_be } = await gate.log.record(idOf(socket));
    assert.ok(would_be, 'the record says so');
  });
  test('a bad token in a binary message is taken out too', async () => {
    const socket = await gate.connect();
    socket.send(Buffer.from(init(mint({ exp: now() - 60 }))));
    assert.equal(await next(socket), '{"type":"init","payload":{}}');
    assert.deepEqual(values(upstream.sent(idOf(socket)).headers, 'portcullis-subject'), []);
  });
  test('a socket without a first message is closed, because its token could come later', async () => {
    const socket = await gate.connect();
    assert.deepEqual(await closing(socket), [4401, 'token_missing']);
  });
});

describe('in report mode, where the server gets the message as it came', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...SETTINGS, MODE: 'report', FIRST_MESSAGE: 'pass', FIRST_MESSAGE_TIMEOUT: '1s' },
  });
  test('a socket without a first message is connected when its time is over', async () => {
    const socket = await gate.connect();
    await gate.log.record(idOf(socket));
    socket.send('late');
    assert.equal(await next(socket), 'late');
  });
});

describe('a server that can’t be connected', () => {
  const gate = useGate({ vars: { ...SETTINGS, UPSTREAM_URL: 'ws://127.0.0.1:9' } });
  test('closes the socket with 1014', async () => {
    const socket = await gate.connect();
    const closed = closing(socket);
    socket.send(init(mint()));
    assert.deepEqual(await closed, [1014, 'upstream_unreachable']);
  });
});

describe('graphql-ws', () => {
  const user = { resolve: (root, args, { user }) => user };
  const schema = buildSchema('type Query { me: String } type Subscription { count: Int }');
  schema.getQueryType().getFields().me.resolve = user.resolve;
  schema.getSubscriptionType().getFields().count.subscribe = async function* count() {
    for (const count of [1, 2, 3]) yield { count };
  };
  const seen = [];
  const upstream = useUpstream({ onSocket: () => {} });
  const serve = () => {
    const { sockets } = upstream;
    serveGraphql(
      {
        schema,
        context: ({ extra, connectionParams }) => {
          seen.push(connectionParams);
          return { user: extra.request.headers['portcullis-subject'] };
        },
      },
      sockets,
    );
  };
  const gate = useGate(() => {
    serve();
    upstream.sockets.options.handleProtocols = (offered) =>
      offered.has('graphql-transport-ws') && 'graphql-transport-ws';
    return { upstream, vars: { ...REQUIRED, TOKEN_SOURCES: 'message:/payload/token' } };
  });
  const client = (connectionParams) =>
    createClient({
      url: gate.url.href.replace('http', 'ws'),
      connectionParams,
      retryAttempts: 0,
      webSocketImpl: class extends WebSocket {
        constructor(url, protocols) {
          super(url, protocols, { origin: ORIGIN });
        }
      },
    });
  test('authenticates by connectionParams', async () => {
    const graphql = client(async () => ({ token: mint({ sub: 'alice' }), locale: 'pt' }));
    const results = [];
    for await (const { data } of graphql.iterate({ query: '{ me }' })) results.push(data.me);
    assert.deepEqual(results, ['alice']);
    assert.deepEqual(seen.at(-1), { locale: 'pt' });
    const counted = [];
    for await (const { data } of graphql.iterate({ query: 'subscription { count }' })) {
      counted.push(data.count);
    }
    assert.deepEqual(counted, [1, 2, 3]);
    await graphql.dispose();
  });
  test('is told by a close why it may not', async () => {
    const graphql = client({ token: mint({ exp: now() - 60 }) });
    const closed = new Promise((resolve) => graphql.on('closed', resolve));
    const result = graphql.iterate({ query: '{ me }' }).next();
    await assert.rejects(result, ({ code, reason }) => code === 4401 && reason === 'token_expired');
    assert.equal((await closed).code, 4401);
  });
});

describe('a first message as Hasura’s clients send it', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...REQUIRED,
      TOKEN_SOURCES:
        'message:/payload/headers/Authorization, message:/payload/headers/authorization',
      FIRST_MESSAGE: 'pass',
    },
  });
  test('holds the token behind Bearer, and the server gets all of it', async () => {
    const payload = { headers: { Authorization: `Bearer ${mint()}`, 'x-hasura-role': 'user' } };
    const message = JSON.stringify({ type: 'connection_init', payload });
    const socket = await gate.connect();
    socket.send(message);
    assert.equal(await next(socket), message);
    assert.deepEqual(values(upstream.sent(idOf(socket)).headers, 'portcullis-subject'), ['alice']);
  });
});

describe('a server that speaks first, as Home Assistant does', () => {
  const greeting = '{"type":"auth_required","ha_version":"2026.11.0"}';
  const upstream = useUpstream({
    onSocket: (socket) => {
      socket.send('{"type":"auth_required","ha_version":"2026.11.3"}');
      socket.once('message', (first) => {
        const { type } = JSON.parse(first);
        socket.send(JSON.stringify({ type: type === 'auth' ? 'auth_ok' : 'auth_invalid' }));
        socket.on('message', (data) => socket.send(String(data)));
      });
    },
  });
  const vars = {
    ...REQUIRED,
    TOKEN_SOURCES: 'message:/access_token',
    FIRST_MESSAGE_GREETING: greeting,
  };
  const gate = useGate({ upstream, vars });
  const inWhole = useGate({ upstream, vars: { ...vars, UPSTREAM_GREETING: 'pass' } });

  const enter = async (one) => {
    const url = new URL('/api/websocket', one.url.href.replace('http', 'ws'));
    const socket = new WebSocket(url, { origin: ORIGIN });
    const heard = [];
    socket.on('message', (data) => heard.push(JSON.parse(data).type));
    const greeted = once(socket, 'message');
    await greeted;
    const pinged = new Promise((resolve) => {
      socket.on('message', () => heard.at(-1) === 'ping' && resolve());
    });
    socket.send(JSON.stringify({ type: 'auth', access_token: mint() }));
    socket.send('{"id":1,"type":"ping"}');
    await pinged;
    socket.close();
    return heard;
  };
  test('is greeted for by the gate, and its own greeting is dropped', async () => {
    assert.deepEqual(await enter(gate), ['auth_required', 'auth_ok', 'ping']);
  });
  test('greets a second time by setting', async () => {
    assert.deepEqual(await enter(inWhole), ['auth_required', 'auth_required', 'auth_ok', 'ping']);
  });
});

describe('the subprotocol of a socket whose server is not known yet', () => {
  const upstream = useUpstream({
    handleProtocols: (offered) => (offered.has('v2') ? 'v2' : false),
  });
  const vars = { ...SETTINGS, FIRST_MESSAGE: 'drop', FIRST_MESSAGE_PROTOCOLS: 'v2, v1' };
  const gate = useGate({ upstream, vars });
  test('is the best of the setting that the client offers', async () => {
    const socket = await gate.connect({ protocols: ['v1', 'v2'] });
    assert.equal(socket.protocol, 'v2');
    socket.send(init(mint()));
    socket.send('after');
    assert.equal(await next(socket), 'after', 'the first is dropped');
    const sent = upstream.sent(idOf(socket));
    assert.deepEqual(values(sent.headers, 'sec-websocket-protocol'), ['v2']);
  });
  test('is one that the server must choose', async () => {
    const socket = await gate.connect({ protocols: ['v1'] });
    assert.equal(socket.protocol, 'v1');
    const closed = closing(socket);
    socket.send(init(mint()));
    assert.deepEqual(await closed, [1014, 'upstream_refused']);
  });
  test('is none where the setting has none of the offer', async () => {
    const answer = await gate.knock({ 'Sec-WebSocket-Protocol': 'v3' });
    assert.equal(answer.status, 101);
    assert.deepEqual(values(answer.headers, 'sec-websocket-protocol'), []);
  });
});

describe('with AUTH=optional', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...SETTINGS, AUTH: 'optional' } });
  test('a first message without a token passes as it is', async () => {
    const socket = await gate.connect();
    const bytes = Buffer.from([1, 2, 3]);
    const echoed = once(socket, 'message');
    socket.send(bytes);
    assert.deepEqual((await echoed)[0], bytes);
    assert.deepEqual(values(upstream.sent(idOf(socket)).headers, 'portcullis-subject'), []);
  });
  test('a bad one is refused', async () => {
    const socket = await gate.connect({ headers: bearer(null, { Authorization: null }) });
    const closed = closing(socket);
    socket.send(init('x'));
    assert.deepEqual(await closed, [4401, 'token_invalid']);
  });
  test('a token in a binary message is checked all the same', async () => {
    const socket = await gate.connect();
    const closed = closing(socket);
    socket.send(Buffer.from(init('forged')));
    assert.deepEqual(await closed, [4401, 'token_invalid']);
  });
});
