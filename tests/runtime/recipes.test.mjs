// The recipes of docs/recipes: each page shows the files of its folder in examples/ as they are,
// and they work through the gate under exactly these settings.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { unstable_readConfig as readConfig } from 'wrangler';
import { inRoot } from '../../tools/run.mjs';
import { assertRefused } from '../support/answers.mjs';
import {
  APP,
  client,
  closing,
  heard,
  next,
  testDoor,
  testStrangers,
  useNodeRecipe,
} from '../support/recipe.mjs';
import { bearer, mint, SECRET } from '../support/tokens.mjs';

const NODE_RECIPES = [
  'graphql-ws',
  'graphql-ws-init',
  'hasura',
  'home-assistant',
  'kubernetes',
  'mqtt',
  'openai-realtime',
  'phoenix',
  'signalr',
  'socket-io',
  'socket-io-polling',
  'ws',
  'y-websocket',
];
// Their servers are run by upstream/foreign_servers.test.mjs.
const FOREIGN_RECIPES = ['aiohttp', 'gorilla', 'python-websockets'];
// Their servers are Durable Objects of another Worker, and are run by recipes_with_objects.test.mjs.
const OBJECT_RECIPES = ['agents', 'partyserver'];
const read = (...path) => readFileSync(inRoot(...path), 'utf8');

describe('the recipe for ws', () => {
  const gate = useNodeRecipe('ws');
  testDoor(gate, '/');
  test('tells everybody what one says, and who said it', async () => {
    const { join } = await client('ws');
    const [one, other] = [heard(), heard()];
    const enter = (name, { onMessage }) =>
      closing(
        join(gate.socketUrl(), () => gate.token(name), onMessage),
        (socket) => socket.close(),
      );
    const [alice, bob] = [enter('alice', one), enter('bøb', other)];
    await Promise.all([next(alice, 'open'), next(bob, 'open')]);
    const both = Promise.all([one.next(), other.next()]);
    bob.send('hello');
    assert.deepEqual(await both, ['bøb: hello', 'bøb: hello']);
  });
});

describe('the recipe for Socket.IO', () => {
  const gate = useNodeRecipe('socket-io');
  testDoor(gate, '/socket.io/?EIO=4&transport=websocket');
  test('tells who said what, and reconnects with a new token', async () => {
    const { connect } = await client('socket-io');
    let tokens = 0;
    const getToken = () => gate.token(`alice-${(tokens += 1)}`);
    const options = { forceNew: true, extraHeaders: { Origin: APP } };
    const socket = await connect(gate.url.href, getToken, options);
    closing(socket, () => socket.disconnect());
    await next(socket, 'connect');
    const said = once(socket, 'said');
    socket.emit('say', 'hello');
    assert.deepEqual(await said, ['alice-1', 'hello']);

    const back = next(socket, 'connect');
    socket.io.engine.close();
    await back;
    const again = once(socket, 'said');
    socket.emit('say', 'again');
    assert.deepEqual(await again, ['alice-2', 'again']);
  });
});

describe('the recipe for Socket.IO with polling', () => {
  const gate = useNodeRecipe('socket-io-polling', { JWT_SECRET: SECRET });
  testDoor(gate, '/socket.io/?EIO=4&transport=websocket');
  const options = { forceNew: true, extraHeaders: { Origin: APP } };
  test('polls, upgrades, and reconnects with a new token', async () => {
    const { connect } = await client('socket-io-polling');
    let tokens = 0;
    const getToken = () => gate.token(`alice-${(tokens += 1)}`);
    const socket = await connect(gate.url.href, getToken, options);
    closing(socket, () => socket.disconnect());
    await next(socket, 'connect');
    if (socket.io.engine.transport.name === 'polling') await next(socket.io.engine, 'upgrade');
    const said = once(socket, 'said');
    socket.emit('say', 'hello');
    assert.deepEqual(await said, ['alice-1', 'hello']);

    const back = next(socket, 'connect');
    socket.io.engine.close();
    await back;
    const again = once(socket, 'said');
    socket.emit('say', 'again');
    assert.deepEqual(await again, ['alice-2', 'again']);
  });
  test('a session is for the user that began it', async () => {
    const ask = async (user, query) => {
      const target = new URL(`/socket.io/?EIO=4&transport=polling${query}`, gate.url);
      const headers = bearer(await gate.token(user), { Origin: APP });
      const answer = await fetch(target, { headers });
      return { status: answer.status, text: await answer.text() };
    };
    const { text } = await ask('alice', '');
    const { sid } = JSON.parse(text.slice(1));
    assert.equal((await ask('bob', `&sid=${sid}`)).status, 400);
  });
});

describe('the recipe for SignalR', () => {
  const gate = useNodeRecipe('signalr', { JWT_SECRET: SECRET });
  testDoor(gate, '/chat?id=1');
  test('negotiates, connects and calls', async () => {
    const { connect } = await client('signalr');
    const headers = { Origin: APP };
    const hub = await connect(gate.url.href, () => gate.token('grace'), { headers });
    closing(hub, () => hub.stop());
    const said = new Promise((resolve) => hub.on('Said', (...all) => resolve(all)));
    assert.equal(await hub.invoke('Say', 'hello'), 5);
    assert.deepEqual(await said, ['grace', 'hello']);
  });
  test('a connection is for the user that negotiated it', async () => {
    const url = new URL('/chat/negotiate?negotiateVersion=1', gate.url);
    const headers = bearer(await gate.token('grace'), { Origin: APP });
    const { connectionToken } = await (await fetch(url, { method: 'POST', headers })).json();
    const target = `/chat?id=${connectionToken}&access_token=${await gate.token('mallory')}`;
    const socket = new WebSocket(gate.socketUrl(target));
    assert.equal(await next(socket, 'close'), 1008);
  });
});

describe('the recipe for graphql-ws', () => {
  const gate = useNodeRecipe('graphql-ws');
  testDoor(gate, '/graphql');
  test('knows the user in queries, and carries subscriptions', async () => {
    const { connect } = await client('graphql-ws');
    const graphql = connect(gate.socketUrl('/graphql'), () => gate.token('alice'));
    closing(graphql, () => graphql.dispose());
    const all = async (query) => {
      const seen = [];
      for await (const { data } of graphql.iterate({ query })) seen.push(Object.values(data)[0]);
      return seen;
    };
    assert.deepEqual(await all('{ me }'), ['alice']);
    assert.deepEqual(await all('subscription { countdown }'), ['three', 'two', 'one']);
  });
});

describe('the recipe for graphql-ws with connection_init', () => {
  const gate = useNodeRecipe('graphql-ws-init');
  test('knows the user by connectionParams', async () => {
    const { connect } = await client('graphql-ws-init');
    const graphql = connect(gate.socketUrl('/graphql'), () => gate.token('alice'));
    closing(graphql, () => graphql.dispose());
    const { value } = await graphql.iterate({ query: '{ me }' }).next();
    assert.deepEqual(value.data, { me: 'alice' });
  });
  test('closes who has no token', async () => {
    const { connect } = await client('graphql-ws-init');
    const graphql = connect(gate.socketUrl('/graphql'), async () => undefined);
    closing(graphql, () => graphql.dispose());
    const closed = ({ code, reason }) => code === 4401 && reason === 'token_missing';
    await assert.rejects(graphql.iterate({ query: '{ me }' }).next(), closed);
  });
});

describe('the recipe for Hasura', () => {
  const gate = useNodeRecipe('hasura', { JWT_SECRET: SECRET });
  test('lets the server read the token that the gate verified', async () => {
    const { connect } = await client('hasura');
    const graphql = connect(gate.socketUrl('/v1/graphql'), async () => mint({ sub: 'alice' }));
    closing(graphql, () => graphql.dispose());
    const { value } = await graphql.iterate({ query: '{ me }' }).next();
    assert.deepEqual(value.data, { me: 'alice' });
  });
  test('lets no forged token reach it', async () => {
    const { connect } = await client('hasura');
    const forged = mint({ sub: 'alice' }, { key: 'x'.repeat(64) });
    const graphql = connect(gate.socketUrl('/v1/graphql'), async () => forged);
    closing(graphql, () => graphql.dispose());
    const closed = ({ code, reason }) => code === 4401 && reason === 'token_invalid';
    await assert.rejects(graphql.iterate({ query: '{ me }' }).next(), closed);
  });
});

describe('the recipe for protocols whose server speaks first', () => {
  const gate = useNodeRecipe('home-assistant', { JWT_SECRET: SECRET });
  test('greets, and then answers for the user', async () => {
    const { connect } = await client('home-assistant');
    const socket = await connect(gate.socketUrl('/api/websocket'), () => mint({ sub: 'alice' }));
    closing(socket, () => socket.close());
    const answer = next(socket, 'message');
    socket.send(JSON.stringify({ id: 1, type: 'auth/current_user' }));
    const { id, result } = JSON.parse(await answer);
    assert.deepEqual([id, result], [1, { user: 'alice' }]);
  });
});

describe('the recipe for MQTT', () => {
  const gate = useNodeRecipe('mqtt');
  testDoor(gate, '/');
  test('lets users publish under their own name alone', async () => {
    const { connect } = await client('mqtt');
    const enter = async (name) =>
      closing(await connect(gate.socketUrl(), () => gate.token(name)), (one) => one.endAsync(true));
    const [alice, bob] = [await enter('alice'), await enter('bob')];
    await bob.subscribeAsync('users/+/mood', { qos: 1 });
    const message = once(bob, 'message');
    await alice.publishAsync('users/alice/mood', 'good', { qos: 1 });
    const [topic, payload] = await message;
    assert.deepEqual([topic, String(payload)], ['users/alice/mood', 'good']);

    const closed = next(alice, 'close');
    alice.publish('users/bob/mood', 'bad', { qos: 1 });
    await closed;
  });
});

describe('the recipe for y-websocket', () => {
  const gate = useNodeRecipe('y-websocket');
  testDoor(gate, '/notes');
  test('keeps what is written in a room, and tells it to all others there', async () => {
    const { edit } = await client('y-websocket');
    const enter = (name, room) => {
      const url = gate.socketUrl('/').replace(/\/$/, '');
      const editor = edit(url, room, () => gate.token(name));
      closing(editor, ({ provider, doc }) => {
        provider.destroy();
        doc.destroy();
      });
      return editor.doc.getText('notes');
    };
    const wrote = (text, wanted) =>
      new Promise((resolve) => {
        const check = () => text.toString() === wanted && resolve();
        text.observe(check);
        check();
      });
    const alice = enter('alice', 'notes');
    alice.insert(0, 'hello');
    const bob = enter('bob', 'notes');
    await wrote(bob, 'hello');
    bob.insert(5, ' there');
    await wrote(alice, 'hello there');
    const other = enter('carol', 'others');
    other.insert(0, 'apart');
    await wrote(enter('dave', 'others'), 'apart');
  });
});

describe('the recipe for Phoenix', () => {
  const gate = useNodeRecipe('phoenix');
  testDoor(gate, '/socket/websocket?vsn=2.0.0');
  test('joins a channel, and reconnects with a new token', async () => {
    const { connect } = await client('phoenix');
    let tokens = 0;
    const getToken = () => gate.token(`alice-${(tokens += 1)}`);
    // Without it, Phoenix would look for a browser's session storage.
    const options = { transport: globalThis.WebSocket, sessionStorage: null };
    const socket = closing(
      await connect(gate.socketUrl('/socket'), getToken, options),
      (one) => new Promise((resolve) => one.disconnect(resolve)),
    );
    const channel = socket.channel('room:kitchen');
    const said = () => new Promise((resolve) => channel.on('said', resolve));
    const joined = (push) =>
      new Promise((resolve, reject) => push.receive('ok', resolve).receive('timeout', reject));
    await joined(channel.join());
    const first = said();
    channel.push('say', { text: 'hello' });
    assert.deepEqual(await first, { user: 'alice-1', text: 'hello' });

    const back = new Promise((resolve) => channel.joinPush.receive('ok', resolve));
    socket.conn.terminate();
    await back;
    const again = said();
    channel.push('say', { text: 'again' });
    assert.deepEqual(await again, { user: 'alice-2', text: 'again' });
  });
});

describe('the recipe for Kubernetes', () => {
  const gate = useNodeRecipe('kubernetes');
  testStrangers(gate, '/');
  test('attaches a terminal, whose server never sees the token', async () => {
    const { attach } = await client('kubernetes');
    const socket = attach(gate.socketUrl(), await gate.token('alice'));
    closing(socket, () => socket.close());
    await next(socket, 'open');
    assert.equal(socket.protocol, 'v5.channel.k8s.io');
    const answer = next(socket, 'message');
    socket.send(Buffer.from('\0ls'));
    assert.equal(Buffer.from(await answer).toString(), '\x01alice: ls');
  });
});

describe('the recipe for OpenAI’s realtime API', () => {
  const gate = useNodeRecipe('openai-realtime');
  testStrangers(gate, '/v1/realtime');
  test('knows the user by the token that stands in for a key', async () => {
    const { connect } = await client('openai-realtime');
    const socket = connect(gate.socketUrl('/v1/realtime'), await gate.token('alice'));
    closing(socket, () => socket.close());
    const created = next(socket, 'message');
    await next(socket, 'open');
    assert.equal(socket.protocol, 'realtime');
    assert.equal(JSON.parse(await created).type, 'session.created');
    const done = next(socket, 'message');
    socket.send(JSON.stringify({ type: 'response.create' }));
    assert.deepEqual(JSON.parse(await done).response, { user: 'alice' });
  });
  test('refuses a key that is no token', async () => {
    const offer = 'realtime, openai-insecure-api-key.sk-proj-1';
    const headers = { Origin: APP, 'Sec-WebSocket-Protocol': offer };
    assertRefused(await gate.knock(headers, { target: '/v1/realtime' }), 'token_invalid');
  });
});

describe('the pages of recipes', () => {
  // Those of no recipe are shown by docs/headers.md, metrics.md and core.md, and tested with them.
  const names = readdirSync(inRoot('examples')).filter(
    (name) => !['assertion', 'prometheus', 'workers-rs'].includes(name),
  );
  test('are those of the examples', () => {
    assert.deepEqual(names.sort(), [...NODE_RECIPES, ...FOREIGN_RECIPES, ...OBJECT_RECIPES].sort());
    const pages = readdirSync(inRoot('docs/recipes')).map((page) => basename(page, '.md'));
    assert.deepEqual(pages.sort(), names.sort());
  });
  for (const name of names) {
    test(`${name}.md shows each file as it is`, () => {
      const page = read('docs/recipes', `${name}.md`);
      for (const file of readdirSync(inRoot('examples', name))) {
        const path = `examples/${name}/${file}`;
        const [, shown] =
          page.match(new RegExp(`^\\[\`${path}\`\\].*:\n\n\`\`\`\\w+\n([^]*?)\`\`\`$`, 'm')) ?? [];
        assert.equal(shown, read(path), path);
      }
    });
    test(`${name} takes five settings at most`, () => {
      const { vars } = readConfig({ config: inRoot('examples', name, 'settings.toml') });
      assert.ok(Object.keys(vars).length <= 5);
    });
  }
});
