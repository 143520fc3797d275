// The limits of live sockets: each ends both sides with its code, and is recorded.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import { assertRefused, requestId } from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import { ask, repeat, useGate } from '../../support/gate.mjs';
import { now, SECRET, withToken } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const ROUTES = [
  { path: '/size', max_message_bytes: '5' },
  { path: '/rate', message_rate: '3/1h' },
  { path: '/quick', message_rate: '3/200ms' },
  { path: '/idle', idle_timeout: '300ms' },
  { path: '/spoken', idle_timeout: '1s' },
  { path: '/lifetime', max_lifetime: '300ms' },
  { path: '/expiry', auth: 'required', close_on_expiry: 'true' },
  { path: '/leeway', auth: 'required', close_on_expiry: 'true', jwt_leeway: '1h' },
  { path: '/age', auth: 'required', close_on_expiry: 'true', jwt_max_age: '1h' },
  { path: '/kept', auth: 'required', relay: 'inspect' },
  { path: '/anyone', auth: 'optional', close_on_expiry: 'true' },
  { path: '/backlog', max_backlog_bytes: '1000' },
  { path: '/all', max_message_bytes: '100', message_rate: '100/1s', idle_timeout: '1h' },
  { path: '/*', relay: 'inspect' },
];

describe('a limit of live sockets', () => {
  let accepted;
  const upstream = useUpstream({
    maxPayload: 64 << 20,
    onSocket(socket, request) {
      accepted?.(socket, request);
      socket.on('message', (data, binary) => {
        if (!String(data).startsWith('quiet')) socket.send(data, { binary });
      });
    },
  });
  const gate = useGate({ upstream, vars: { ROUTES, JWT_SECRET: SECRET, RATE_LIMIT_IP: 'off' } });
  const open = async (target, options = {}) => {
    const other = new Promise((resolve) => (accepted = resolve));
    const client = await gate.connect({ target, ...options });
    const server = await other;
    return { client, server, both: Promise.all([closing(client), closing(server)]) };
  };
  const bearer = (claims) => ({ headers: withToken(claims) });
  const same = (...end) => [end, end];
  const recordOf = (client) => gate.log.closed(requestId({ headers: client.answer }));

  test('MAX_MESSAGE_BYTES counts the bytes of UTF-8, of the client', async () => {
    const { client, both } = await open('/size');
    assert.equal(await ask(client, 'five!'), 'five!');
    assert.equal(await ask(client, 'z\u00fcri'), 'z\u00fcri');
    client.send('z\u00fcrich');
    assert.deepEqual(await both, same(1009, 'message_too_big'));
    const { reason, cause, code, client: sent, upstream: answered } = await recordOf(client);
    assert.deepEqual(
      { reason, cause, code, sent, answered },
      {
        reason: 'message_too_big',
        cause: '7 bytes from the client',
        code: 1009,
        sent: { messages: 2, bytes: 10 },
        answered: { messages: 2, bytes: 10 },
      },
    );
  });
  test('MAX_MESSAGE_BYTES holds for the upstream as well', async () => {
    const { client, server, both } = await open('/size');
    const passed = once(client, 'message');
    server.send(Buffer.alloc(5));
    await passed;
    server.send(Buffer.alloc(6));
    assert.deepEqual(await both, same(1009, 'message_too_big'));
    assert.equal((await recordOf(client)).cause, '6 bytes from the upstream');
  });
  test('the platform’s own limit of a message ends both sides too', async () => {
    const { client, both } = await open('/');
    client.send(Buffer.alloc((32 << 20) + 1));
    const [[code], [other]] = await both;
    assert.deepEqual([code, other], [1009, 1009]);
    assert.equal((await recordOf(client)).reason, 'message_too_big');
  });
  test('MESSAGE_RATE counts messages of the client', async () => {
    const { client, server, both } = await open('/rate');
    await repeat(3, (at) => ask(client, `message ${at}`));
    await repeat(10, async () => {
      const passed = once(client, 'message');
      server.send('as many as it likes');
      await passed;
    });
    client.send('one more');
    assert.deepEqual(await both, same(1008, 'message_rate'));
    assert.equal((await recordOf(client)).client.messages, 3);
  });
  test('MESSAGE_RATE admits again when the window has passed', async () => {
    const { client, both } = await open('/quick');
    await repeat(3, (at) => ask(client, `message ${at}`));
    await passing(250);
    assert.equal(await ask(client, 'four'), 'four');
    client.close();
    assert.equal((await both)[0][0], 1005);
  });
  test('IDLE_TIMEOUT ends a socket on which nobody speaks', async () => {
    const { client, both } = await open('/idle');
    assert.equal(await ask(client, 'hello'), 'hello');
    assert.deepEqual(await both, same(4408, 'idle'));
    const { duration_ms: duration } = await recordOf(client);
    assert.ok(duration >= 300, `it was open for ${duration} ms`);
  });
  test('IDLE_TIMEOUT leaves a socket alone on which somebody speaks', async () => {
    const { client, server, both } = await open('/spoken');
    const began = performance.now();
    const speak = setInterval(() => server.send('still here'), 20);
    while (performance.now() - began < 2000) await once(client, 'message');
    clearInterval(speak);
    assert.deepEqual(await both, same(4408, 'idle'));
  });
  test('MAX_LIFETIME ends a socket however busy', async () => {
    const { client, server, both } = await open('/lifetime');
    const speak = setInterval(() => server.send('still here'), 20);
    client.resume();
    assert.deepEqual(await both, same(4408, 'lifetime'));
    clearInterval(speak);
  });
  test('CLOSE_ON_EXPIRY ends a socket with its token', async () => {
    const { client, both } = await open('/expiry', bearer({ exp: now() + 2 }));
    assert.equal(await ask(client, 'hello'), 'hello');
    assert.deepEqual(await both, same(4401, 'token_expired'));
    const { subject, reason, stage, outcome } = await recordOf(client);
    assert.deepEqual(
      { subject, reason, stage, outcome },
      { subject: 'alice', reason: 'token_expired', stage: 'live', outcome: 'closed' },
    );
  });
  for (const [name, target, claims] of [
    ['with JWT_LEEWAY', '/leeway', () => ({ exp: now() - 3598 })],
    ['with JWT_MAX_AGE', '/age', () => ({ exp: now() + 7200, iat: now() - 3598 })],
  ]) {
    test(`CLOSE_ON_EXPIRY counts ${name}`, async () => {
      const { both } = await open(target, bearer(claims()));
      assert.deepEqual(await both, same(4401, 'token_expired'));
    });
  }
  for (const [name, target, options] of [
    ['of a route without CLOSE_ON_EXPIRY', '/kept', () => bearer({ exp: now() + 1 })],
    ['of nobody', '/anyone', () => ({})],
  ]) {
    test(`the socket ${name} outlives every token`, async () => {
      const { client, both } = await open(target, options());
      const until = Date.now() + 1500;
      while (Date.now() < until) assert.equal(await ask(client, 'hello'), 'hello');
      client.close(1000, 'bye');
      assert.deepEqual(await both, same(1000, 'bye'));
    });
  }
  test('MAX_BACKLOG_BYTES ends a socket whose receiver says nothing', async () => {
    const { client, server, both } = await open('/backlog');
    for (let at = 0; at < 8; at += 1) server.send('quiet');
    assert.deepEqual(await both, same(1013, 'backlog'));
    const { cause, upstream: sent } = await recordOf(client);
    assert.deepEqual(sent, { messages: 7, bytes: 35 });
    assert.equal(cause, 'the client was sent 931 bytes and said nothing');
  });
  test('MAX_BACKLOG_BYTES counts from zero when the receiver sends something', async () => {
    const { client, both } = await open('/backlog');
    await repeat(30, (at) => ask(client, `message ${at}`));
    for (let at = 0; at < 8; at += 1) client.send('quiet');
    assert.deepEqual(await both, same(1013, 'backlog'));
    assert.equal(
      (await recordOf(client)).cause,
      'the upstream was sent 931 bytes and said nothing',
    );
  });
  test('MAX_BACKLOG_BYTES lets one message pass that is larger', async () => {
    const { client, both } = await open('/backlog');
    assert.equal((await ask(client, Buffer.alloc(5000))).length, 5000);
    client.close();
    await both;
  });

  for (const [name, end, expected] of [
    ['client closed', ({ client }) => client.close(1000, 'bye'), ['client_closed', 1000]],
    ['client closed without a code', ({ client }) => client.close(), ['client_closed', 1005]],
    ['upstream closed', ({ server }) => server.close(4321, 'x'), ['upstream_closed', 4321]],
    ['client was gone', ({ client }) => client.terminate(), ['client_gone', 1006]],
    ['upstream was gone', ({ server }) => server.terminate(), ['upstream_gone', 1014]],
  ]) {
    test(`the record says that the ${name}`, async () => {
      const sockets = await open('/all');
      assert.equal(await ask(sockets.client, 'four'), 'four');
      end(sockets);
      await sockets.both;
      const record = await recordOf(sockets.client);
      const admission = await gate.log.record(requestId({ headers: sockets.client.answer }));
      const { time, duration_ms: duration, ...rest } = record;
      assert.ok(time >= admission.time && duration >= 0);
      const { time: then, duration_ms: took, ...same } = admission;
      assert.deepEqual(rest, {
        ...same,
        outcome: 'closed',
        reason: expected[0],
        cause: expected[0].endsWith('gone')
          ? 'WebSocket disconnected without sending Close frame. (1006)'
          : null,
        stage: 'live',
        code: expected[1],
        client: { messages: 1, bytes: 4 },
        upstream: { messages: 1, bytes: 4 },
      });
    });
  }
});

describe('RELAY=passthrough together with a limit', () => {
  const gate = useGate({
    vars: { UPSTREAM_URL: 'ws://127.0.0.1:1', RELAY: 'passthrough', MESSAGE_RATE: '1/1s' },
  });
  test('is a configuration error', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    const names = ({ message }) => /RELAY: MESSAGE_RATE is set/.test(message);
    await gate.log.find(names, 'the setting that RELAY contradicts');
  });
});
