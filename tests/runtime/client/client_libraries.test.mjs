// The browser module in libraries that connect again by themselves, as docs/libraries.md shows it: there
// is one socket, however often the server restarts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Aedes } from 'aedes';
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { useServer as serveGraphql } from 'graphql-ws/use/ws';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { Doc } from 'yjs';
import { inRoot } from '../../../tools/run.mjs';
import { ADMIN_TOKEN, done } from '../../support/admin.mjs';
import { fresh, useGate } from '../../support/gate.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';

const RESTARTS = 3;
const EVERY = { every: 20 };
const folder = inRoot('target/libraries');
const page = readFileSync(inRoot('docs/libraries.md'), 'utf8');

/** The adapter that the page shows for a library. */
async function adapter(library) {
  const [, code] = page.match(new RegExp(`^## ${library}\n\n\`\`\`js\n([^]*?)\`\`\`$`, 'm'));
  const path = `${folder}/${library}.mjs`;
  mkdirSync(folder, { recursive: true });
  // Outside browsers it takes sockets of the package ws alone; this is what bundlers take.
  writeFileSync(path, code.replace("'mqtt'", "'mqtt/dist/mqtt.esm'"));
  globalThis.window = { document: {} };
  try {
    return (await import(path)).connect;
  } finally {
    delete globalThis.window;
  }
}

/** A server whose sockets `serve` gets, and which can be restarted; `serve` may return what ends it. */
function useRestarting(serve) {
  const one = {};
  const start = async () => {
    const server = createServer();
    const sockets = new WebSocketServer({ server });
    const close = await serve(sockets);
    server.listen(one.port ?? 0, '127.0.0.1');
    await once(server, 'listening');
    one.port = server.address().port;
    one.stop = async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
      await close?.();
    };
  };
  before(start);
  after(() => one.stop());
  one.restart = async () => {
    await one.stop();
    await start();
  };
  return one;
}

after(() => rmSync(folder, { recursive: true, force: true }));

/** What holds in each library. `use` connects, and returns `works` and `end`. */
function testLibrary(name, serve, use) {
  describe(`in ${name}`, () => {
    const server = useRestarting(serve);
    const gate = useGate(() => ({
      vars: {
        ADMIN_TOKEN,
        AUTH: 'required',
        HEARTBEAT: '5s',
        JWT_SECRET: SECRET,
        ORIGIN_MISSING: 'allow',
        RATE_LIMIT_IP: 'off',
        UPSTREAM_URL: `ws://127.0.0.1:${server.port}`,
      },
    }));
    test(`there is one socket after ${RESTARTS} restarts`, async () => {
      const sub = fresh('reader');
      let asked = 0;
      const getToken = () => {
        asked += 1;
        return mint({ sub, jti: fresh('token') });
      };
      const connect = await adapter(name);
      const { works, end } = await use(connect, gate.url.href.replace('http', 'ws'), getToken);
      try {
        await works();
        for (let at = 0; at < RESTARTS; at += 1) {
          const before = asked;
          await server.restart();
          // The library noticed.
          await until(() => asked > before, Boolean, EVERY);
          await works();
        }
        const path = `sockets?sub=${sub}`;
        const count = async () => (await done(gate, 'GET', path)).sockets.length;
        await until(count, (sockets) => sockets === 1, EVERY);
        assert.ok(asked > RESTARTS, `${asked} tokens`);
      } finally {
        await end();
      }
    });
  });
}

describe('the browser module', () => {
  const ticks = {
    type: GraphQLString,
    async *subscribe() {
      yield { ticks: 'tick' };
      await new Promise(() => {});
    },
  };
  const hello = { type: GraphQLString, resolve: () => 'hello' };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { hello } }),
    subscription: new GraphQLObjectType({ name: 'Subscription', fields: { ticks } }),
  });
  testLibrary(
    'graphql-ws',
    (sockets) => {
      serveGraphql({ schema }, sockets);
    },
    (connect, url, getToken) => {
      const client = connect(url, getToken);
      let seen = 0;
      let wanted = 0;
      client.subscribe(
        { query: 'subscription { ticks }' },
        { next: () => (seen += 1), error: assert.fail, complete() {} },
      );
      const works = () => {
        wanted += 1;
        return until(
          () => seen,
          (count) => count === wanted,
          EVERY,
        );
      };
      return { works, end: () => client.dispose() };
    },
  );

  testLibrary(
    'MQTT.js',
    async (sockets) => {
      const broker = await Aedes.createBroker();
      sockets.on('connection', (socket) => {
        const stream = createWebSocketStream(socket);
        stream.on('error', () => {});
        broker.handle(stream);
      });
      return () => new Promise((resolve) => broker.close(resolve));
    },
    async (connect, url, getToken) => {
      // Browsers time it in a worker.
      const client = connect(url, getToken, { timerVariant: 'native' });
      client.on('error', () => {});
      const heard = [];
      client.on('message', (topic, text) => heard.push(String(text)));
      let round = 0;
      const works = async () => {
        round += 1;
        const text = `round ${round}`;
        if (!client.connected) await once(client, 'connect');
        await client.subscribeAsync('topic', { qos: 1 });
        await client.publishAsync('topic', text, { qos: 1 });
        await until(() => heard.includes(text), Boolean, EVERY);
      };
      return { works, end: () => client.endAsync(true) };
    },
  );

  testLibrary(
    'Phoenix',
    (sockets) => {
      sockets.on('connection', (socket) => {
        socket.on('error', () => {});
        socket.on('message', (data) => {
          const [join, ref, topic, , payload] = JSON.parse(data);
          const reply = { status: 'ok', response: payload };
          socket.send(JSON.stringify([join, ref, topic, 'phx_reply', reply]));
        });
      });
    },
    (connect, url, getToken) => {
      // Without a browser there is no storage of sessions.
      const socket = connect(url.replace(/\/$/, ''), getToken, {
        sessionStorage: { getItem() {}, setItem() {} },
      });
      const channel = socket.channel('room:7');
      channel.join();
      let round = 0;
      const works = async () => {
        round += 1;
        await until(() => socket.isConnected() && channel.state === 'joined', Boolean, EVERY);
        const answer = await new Promise((resolve) => {
          channel.push('say', { round }).receive('ok', resolve);
        });
        assert.deepEqual(answer, { round });
      };
      return { works, end: () => new Promise((resolve) => socket.disconnect(resolve)) };
    },
  );

  testLibrary(
    'y-websocket',
    (sockets) => {
      sockets.on('connection', (socket) => {
        socket.on('error', () => {});
        // What one sends reaches all others, who answer by themselves.
        socket.on('message', (data) => {
          for (const other of sockets.clients) if (other !== socket) other.send(data);
        });
        // Who comes later has missed what others said first.
        for (const other of sockets.clients)
          if (other !== socket) other.send(Buffer.of(0, 0, 1, 0));
      });
    },
    (connect, url, getToken) => {
      const docs = [new Doc(), new Doc()];
      const readers = [getToken, () => mint({ sub: fresh('other') })];
      const providers = docs.map((doc, at) => {
        const provider = connect(url.replace(/\/$/, ''), 'room', doc, readers[at]);
        provider.disconnectBc();
        return provider;
      });
      let round = 0;
      const works = async () => {
        round += 1;
        await until(() => providers.every(({ wsconnected }) => wsconnected), Boolean, EVERY);
        docs[0].getMap('m').set('round', round);
        await until(
          () => docs[1].getMap('m').get('round'),
          (seen) => seen === round,
          EVERY,
        );
      };
      return {
        works,
        end: () =>
          docs.forEach((doc, at) => {
            providers[at].destroy();
            doc.destroy();
          }),
      };
    },
  );
});
