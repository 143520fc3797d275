// Real protocols through the gate, with real servers and clients, in both relays.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Aedes } from 'aedes';
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { createClient } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import mqtt from 'mqtt';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws';
import { ORIGIN, useGate } from '../../support/gate.mjs';
import { withRooms } from '../../support/rooms.mjs';
import { useUpstream } from '../../support/upstream.mjs';

/** An HTTP server for the group of tests that calls this; `attach` gives it its protocol. */
function useServerWith(attach) {
  const upstream = {};
  let server;
  let stop;
  before(async () => {
    server = http.createServer();
    stop = attach(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    upstream.url = `ws://127.0.0.1:${server.address().port}`;
  });
  after(async () => {
    await stop?.();
    server.closeAllConnections();
    server.close();
  });
  return upstream;
}

/** A `ws` client as libraries want it: a class, that says where it comes from. */
class Client extends WebSocket {
  constructor(url, protocols, options) {
    super(url, protocols, { ...options, origin: ORIGIN });
  }
}
const socketUrl = (gate, path = '/') => new URL(path, gate.url).href.replace('http', 'ws');

for (const RELAY of ['passthrough', 'inspect']) {
  const vars = { RELAY, RATE_LIMIT_IP: 'off' };

  describe(`Socket.IO, RELAY=${RELAY}`, () => {
    const upstream = useServerWith((server) => {
      const sockets = new Server(server);
      sockets.on('connection', (socket) => {
        socket.on('shout', (text, bytes, answer) => answer(text.toUpperCase(), bytes));
        socket.on('leave', () => socket.disconnect(true));
      });
      return () => sockets.close();
    });
    const gate = useGate({ upstream, vars: { ...vars, PLAIN_HTTP: 'proxy' } });
    for (const transports of [['polling', 'websocket'], ['websocket']]) {
      test(`starts with ${transports[0]}`, async () => {
        const socket = io(gate.url.href, {
          transports,
          forceNew: true,
          reconnection: false,
          extraHeaders: { Origin: ORIGIN },
        });
        await new Promise((resolve, reject) => {
          socket.once('connect', resolve).once('connect_error', reject);
        });
        const { engine } = socket.io;
        if (engine.transport.name === 'polling') {
          await new Promise((resolve) => engine.once('upgrade', resolve));
        }
        assert.equal(engine.transport.name, 'websocket');
        const bytes = randomBytes(100_000);
        const [text, back] = await new Promise((resolve) =>
          socket.emit('shout', 'hello', bytes, (...answer) => resolve(answer)),
        );
        assert.equal(text, 'HELLO');
        assert.ok(bytes.equals(back));
        const left = new Promise((resolve) => socket.once('disconnect', resolve));
        socket.emit('leave');
        assert.equal(await left, 'io server disconnect');
      });
    }
  });

  describe(`graphql-ws, RELAY=${RELAY}`, () => {
    const countdown = {
      type: GraphQLString,
      async *subscribe() {
        for (const word of ['three', 'two', 'one']) yield { countdown: word };
      },
    };
    const hello = { type: GraphQLString, resolve: () => 'world' };
    const schema = new GraphQLSchema({
      query: new GraphQLObjectType({ name: 'Query', fields: { hello } }),
      subscription: new GraphQLObjectType({ name: 'Subscription', fields: { countdown } }),
    });
    const upstream = useServerWith((server) => {
      const disposable = useServer({ schema }, new WebSocketServer({ server }));
      return () => disposable.dispose();
    });
    const gate = useGate({ upstream, vars });
    test('carries queries and subscriptions', async () => {
      const client = createClient({ url: socketUrl(gate), webSocketImpl: Client, lazy: false });
      const all = async (query) => {
        const seen = [];
        for await (const { data } of client.iterate({ query })) seen.push(Object.values(data)[0]);
        return seen;
      };
      assert.deepEqual(await all('{ hello }'), ['world']);
      assert.deepEqual(await all('subscription { countdown }'), ['three', 'two', 'one']);
      await client.dispose();
    });
  });

  describe(`MQTT, RELAY=${RELAY}`, () => {
    const upstream = useServerWith((server) => {
      const broker = Aedes.createBroker();
      new WebSocketServer({ server }).on('connection', async (socket, request) => {
        (await broker).handle(createWebSocketStream(socket), request);
      });
      return async () => (await broker).close();
    });
    const gate = useGate({ upstream, vars });
    test('carries what is published to who subscribed', async () => {
      const connect = () =>
        mqtt.connectAsync(socketUrl(gate), { wsOptions: { origin: ORIGIN }, reconnectPeriod: 0 });
      const [one, other] = await Promise.all([connect(), connect()]);
      await other.subscribeAsync('rooms/+', { qos: 1 });
      const message = once(other, 'message');
      const bytes = randomBytes(70_000);
      await one.publishAsync('rooms/7', bytes, { qos: 1 });
      const [topic, payload] = await message;
      assert.equal(topic, 'rooms/7');
      assert.ok(bytes.equals(payload));
      await Promise.all([one.endAsync(), other.endAsync()]);
    });
  });

  describe(`a Durable Object, RELAY=${RELAY}`, () => {
    const script = `
      export class Room {
        constructor(state) {
          this.state = state;
        }
        fetch() {
          const [client, server] = Object.values(new WebSocketPair());
          this.state.acceptWebSocket(server);
          return new Response(null, { status: 101, webSocket: client });
        }
        webSocketMessage(from, data) {
          for (const socket of this.state.getWebSockets()) socket.send(data);
        }
        webSocketClose(socket, code, reason) {
          socket.close(code, reason);
        }
      }
      export default {
        fetch: (request, { ROOMS }) => ROOMS.getByName(new URL(request.url).pathname).fetch(request),
      };`;
    const gate = useGate({
      vars: {
        RELAY,
        ROUTES: [
          { path: '/service/*', upstream_service: 'BACKEND' },
          { path: '/object/{room}', upstream_object: 'ROOMS/{room}' },
        ],
      },
      services: { BACKEND: 'rooms' },
      ...withRooms(script),
    });
    for (const target of ['/service/kitchen', '/object/kitchen']) {
      test(`takes and gives messages, at ${target}`, async () => {
        const [one, other] = await Promise.all([
          gate.connect({ target }),
          gate.connect({ target }),
        ]);
        const bytes = randomBytes(5000);
        const heard = Promise.all([once(one, 'message'), once(other, 'message')]);
        one.send(bytes);
        for (const [data] of await heard) assert.ok(bytes.equals(data));
        const closed = once(other, 'close');
        other.close(4000, 'bye');
        const [code, reason] = await closed;
        assert.deepEqual([code, String(reason)], [4000, 'bye']);
        one.close();
      });
    }
  });

  describe(`an echo, RELAY=${RELAY}`, () => {
    const upstream = useUpstream({ maxPayload: 64 << 20 });
    const gate = useGate({ upstream, vars });
    test('of random messages comes back byte by byte, up to the platform’s largest', async () => {
      const options = { maxPayload: 64 << 20, perMessageDeflate: false };
      const client = await gate.connect(options);
      const ended = once(client, 'close').then(([code]) => assert.fail(`closed with ${code}`));
      const edges = [0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20, 32 << 20];
      const sizes = [...edges, ...Array.from({ length: 40 }, () => randomInt(2 ** randomInt(22)))];
      for (const size of sizes) {
        const bytes = randomBytes(size);
        // Text that takes one to four bytes a character.
        const isText = size < 1 << 20 && randomInt(2) === 0;
        const sent = isText ? textOf(bytes) : bytes;
        const echoed = once(client, 'message');
        client.send(sent);
        const [data, isBinary] = await Promise.race([echoed, ended]);
        assert.equal(isBinary, !isText);
        const digest = (of) => createHash('sha256').update(of).digest('hex');
        assert.equal(digest(data), digest(sent), `${size} bytes`);
      }
      ended.catch(() => {});
      client.close();
    });
  });
}

/** Characters of all planes, one for each byte. */
function textOf(bytes) {
  const planes = [0x20, 0xa0, 0x4e00, 0x1f300];
  return Array.from(bytes, (byte) => String.fromCodePoint(planes[byte & 3] + (byte >> 2))).join('');
}
