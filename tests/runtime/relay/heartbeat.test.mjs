// HEARTBEAT: clients that understand heartbeats are closed when they vanish.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import { ask, fresh, repeat, UNCOUNTED, useGate } from '../../support/gate.mjs';
import { REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const OWN = ['portcullis', 'portcullis.refused'];
const EVERY = 1000;
const BEAT = `portcullis.heartbeat ${EVERY}`;
const ANSWER = 'portcullis.heartbeat';
const as = (sub) => withToken({ sub });

/** Answers heartbeats while `socket.hasHeart`, and keeps them and all other texts apart. */
function live(socket) {
  Object.assign(socket, { hasHeart: true, beats: [], texts: [] });
  socket.on('message', (data) => {
    const text = String(data);
    if (!text.startsWith(ANSWER)) {
      socket.texts.push(text);
      return;
    }
    socket.beats.push(text);
    if (socket.hasHeart) socket.send(ANSWER);
  });
  return socket;
}

describe('a heartbeat', () => {
  const upstream = useUpstream();
  const ROUTES = [
    { path: '/idle', idle_timeout: '2500ms' },
    { path: '/rate', message_rate: '2/1h' },
    { path: '/backlog', max_backlog_bytes: '1000' },
    { path: '/native', heartbeat: 'off', relay: 'passthrough' },
    { path: '/*' },
  ];
  const gate = useGate({
    upstream,
    vars: { ...UNCOUNTED, HEARTBEAT: `${EVERY}ms`, ROUTES },
  });
  // Its listener is set before the first message can come.
  const open = async (target, protocols = OWN) => {
    const socket = await gate.connect({
      target,
      protocols,
      finishRequest(request, client) {
        live(client);
        request.end();
      },
    });
    assert.equal(socket.status, undefined, socket.body);
    return socket;
  };
  const recordOf = (client) => gate.log.closed(requestId({ headers: client.answer }));

  test('comes at once and again, is answered, and is not passed on', async () => {
    const heard = [];
    upstream.sockets.once('connection', (socket, { headers }) => {
      assert.equal(headers['sec-websocket-protocol'], 'chat');
      socket.on('message', (data) => heard.push(String(data)));
    });
    const client = await open('/', ['chat', ...OWN]);
    assert.equal(client.protocol, 'chat');
    await until(
      () => client.beats.length,
      (count) => count >= 3,
      { every: 20 },
    );
    client.send('hello');
    await until(() => client.texts.includes('hello'), Boolean, { every: 5 });
    assert.deepEqual([...new Set(client.beats)], [BEAT]);
    assert.deepEqual(heard, ['hello']);
    client.close();
    const { client: sent } = await recordOf(client);
    assert.deepEqual(sent, { messages: 1, bytes: 5 });
  });
  test('comes to nobody who does not understand it', async () => {
    for (const [target, protocols, chosen] of [
      ['/', ['chat'], 'chat'],
      ['/', ['portcullis'], 'portcullis'],
      ['/native', OWN, 'portcullis'],
    ]) {
      const client = await open(target, protocols);
      assert.equal(client.protocol, chosen);
      assert.equal(await ask(client, ANSWER), ANSWER, 'what it sends is the server’s');
      assert.ok(!client.beats.includes(BEAT));
      client.terminate();
    }
  });
  test('that is not answered ends both sides', async () => {
    const [socket] = await Promise.all([
      once(upstream.sockets, 'connection'),
      open('/').then((client) => {
        client.hasHeart = false;
        client.beats.length = 0;
        client.ended = closing(client);
        upstream.client = client;
      }),
    ]);
    assert.deepEqual(await upstream.client.ended, [4408, 'unresponsive']);
    if (socket.readyState !== socket.CLOSED) await once(socket, 'close');
    assert.equal((await recordOf(upstream.client)).reason, 'unresponsive');
  });
  test('is made up for by any message', async () => {
    const client = await open('/');
    client.hasHeart = false;
    const speak = setInterval(() => client.send('I speak'), EVERY / 8);
    await until(
      () => client.beats.length,
      (count) => count >= 3,
      { every: 20 },
    );
    clearInterval(speak);
    assert.deepEqual(await closing(client), [4408, 'unresponsive']);
  });
  test('is no message for IDLE_TIMEOUT, and one for MESSAGE_RATE', async () => {
    assert.deepEqual(await closing(await open('/idle')), [4408, 'idle']);
    assert.deepEqual(await closing(await open('/rate')), [1008, 'message_rate']);
  });
  test('that is answered tells that the client reads', async () => {
    const opened = once(upstream.sockets, 'connection');
    const client = await open('/backlog');
    const [server] = await opened;
    await repeat(2, async () => {
      const before = client.beats.length;
      server.send(Buffer.alloc(400));
      server.send(Buffer.alloc(300));
      await until(
        () => client.beats.length,
        // The one before was answered by then.
        (count) => count >= before + 2,
        { every: 20 },
      );
    });
    assert.equal(client.readyState, client.OPEN);
  });
});

describe('a link that is cut without a FIN', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...UNCOUNTED, ...REQUIRED, HEARTBEAT: `${EVERY}ms`, MAX_SOCKETS_USER: '1' },
  });
  const links = new Set();
  const proxy = net.createServer((near) => {
    const far = net.connect(new URL(gate.url).port, '127.0.0.1');
    links.add([near, far]);
    near.pipe(far).pipe(near);
    for (const one of [near, far]) one.on('error', () => {});
  });
  after(() => {
    for (const link of links) for (const one of link) one.destroy();
    proxy.close();
  });
  test('frees its slot within two heartbeats', async () => {
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const user = fresh('holder');
    const target = `ws://127.0.0.1:${proxy.address().port}/`;
    const client = live(await gate.connect({ headers: as(user), target, protocols: OWN }));
    assert.equal(reasonOf(await gate.knock(as(user))), 'too_many_sockets');
    const [[near, far]] = links;
    // Nothing passes any more, and nobody is told.
    near.unpipe(far);
    far.unpipe(near);
    near.pause();
    far.pause();
    await until(
      async () => reasonOf(await gate.knock(as(user))),
      (seen) => seen === 'admitted',
      { every: 20 },
    );
    assert.equal(
      (await gate.log.closed(requestId({ headers: client.answer }))).reason,
      'unresponsive',
    );
  });
});
