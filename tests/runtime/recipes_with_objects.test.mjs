// The recipes of docs/recipes whose servers are Durable Objects of another Worker.
import assert from 'node:assert/strict';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { buildSync } from 'esbuild';
import {
  unstable_getMiniflareWorkerOptions as workerOptions,
  unstable_readConfig as readConfig,
} from 'wrangler';
import { describe as described } from '../../tools/gate.mjs';
import { inRoot } from '../../tools/run.mjs';
import { bundle } from '../../tools/trial.mjs';
import { useFolder, worker } from '../support/gate.mjs';
import {
  APP,
  client,
  closing,
  DEADLINE,
  heard,
  next,
  testDoor,
  useRecipe,
} from '../support/recipe.mjs';
import { bearer } from '../support/tokens.mjs';
import { until } from '../support/until.mjs';

/** The objects that a gate with a recipe's settings has. */
function boundBy(name) {
  const { durable_objects } = readConfig({ config: inRoot('examples', name, 'settings.toml') });
  const bound = durable_objects.bindings.map(({ name, class_name, script_name }) => [
    name,
    { className: class_name, scriptName: script_name },
  ]);
  return { ...described().durableObjects, ...Object.fromEntries(bound) };
}

describe('the recipe for PartyServer', () => {
  const folder = (file) => inRoot('examples/partyserver', file);
  const gate = useRecipe('partyserver', () => {
    const { outputFiles } = buildSync({
      entryPoints: [folder('server.mjs')],
      bundle: true,
      write: false,
      format: 'esm',
      conditions: ['workerd', 'worker', 'browser'],
      external: ['cloudflare:*'],
    });
    const { name, durableObjects } = workerOptions(folder('wrangler.toml')).workerOptions;
    const { name: script } = readConfig({ config: folder('wrangler.toml') });
    return {
      gate: { durableObjects: boundBy('partyserver') },
      workers: [worker(name ?? script, outputFiles[0].text, { durableObjects })],
    };
  });
  testDoor(gate, '/rooms/kitchen');
  test('is one object for each room, and says who said what', async () => {
    const { enter } = await client('partyserver');
    const rooms = ['kitchen', 'kitchen', 'hall 1'];
    const people = await Promise.all(
      rooms.map(async (room, at) => {
        const texts = heard();
        const token = await gate.token(`user-${at}`);
        const socket = enter(gate.socketUrl(), room, token, texts.onMessage);
        closing(socket, () => socket.close());
        await next(socket, 'open');
        return { socket, texts };
      }),
    );
    const [cook, guest, other] = people;
    const kitchen = Promise.all([cook.texts.next(), guest.texts.next()]);
    const hall = other.texts.next();
    guest.socket.send('hello');
    assert.deepEqual(await kitchen, ['user-1: hello', 'user-1: hello']);
    other.socket.send('alone');
    assert.equal(await hall, 'user-2: alone');
  });
});

describe('the recipe for agents', () => {
  // A copy, beside which wrangler may leave what it writes.
  const folder = useFolder();
  const settings = join(folder, 'wrangler.toml');
  cpSync(inRoot('examples/agents'), folder, { recursive: true });
  symlinkSync(inRoot('node_modules'), join(folder, 'node_modules'));
  const gate = useRecipe('agents', async () => ({
    gate: { durableObjects: boundBy('agents') },
    workers: [
      {
        ...workerOptions(settings).workerOptions,
        name: readConfig({ config: settings }).name,
        // Their packages need what wrangler does for modules of Node.
        ...(await bundle(settings)),
      },
    ],
  }));
  const enter = async (name, getToken, options) => {
    const { connect } = await client('agents');
    const agent = connect(gate.url.host, name, getToken, {
      connectionTimeout: DEADLINE,
      ...options,
    });
    return closing(agent, (one) => one.close());
  };
  const seen = (state) => [state?.count, state?.by];
  testDoor(gate, '/agents/counter/hall');
  test('does what one calls, and tells its state to everybody', async () => {
    const [alice, bob] = await Promise.all([
      enter('hall', () => gate.token('alice')),
      enter('hall', () => gate.token('bøb')),
    ]);
    await Promise.all([alice.ready, bob.ready]);
    assert.deepEqual([bob.agent, bob.name, bob.state], ['counter', 'hall', { count: 0, by: null }]);
    assert.equal(await alice.call('add', [2]), 2);
    assert.equal(await bob.stub.add(3), 5);
    for (const one of [alice, bob]) {
      await until(
        () => seen(one.state),
        ([count]) => count === 5,
        { every: 10 },
      );
      assert.deepEqual(seen(one.state), [5, 'bøb']);
    }
    const other = await enter('kitchen', () => gate.token('carol'));
    await other.ready;
    assert.equal(await other.call('add', [1]), 1);
  });
  test('takes no state from clients', async () => {
    const refused = Promise.withResolvers();
    const options = { onStateUpdateError: refused.resolve };
    const mallory = await enter('vault', () => gate.token('mallory'), options);
    await mallory.ready;
    mallory.setState({ count: 1e6, by: 'alice' });
    await refused.promise;
    assert.equal(await mallory.call('add', [1]), 1);
  });
  test('ends where a token is refused, and connects again with another', async () => {
    const ended = Promise.withResolvers();
    let token = 'forged';
    const alice = await enter('attic', () => token, { onConnectionError: ended.resolve });
    const { code, reason } = await ended.promise;
    assert.deepEqual([code, reason], [4401, 'token_invalid']);
    await assert.rejects(alice.call('add', [1]), /Connection closed/);
    token = await gate.token('alice');
    const open = next(alice, 'open');
    alice.reconnect();
    await open;
    assert.equal(await alice.call('add', [1]), 1);
  });
  test('connects with a token alone, where there is no browser module', async () => {
    const protocols = async () => ['bearer', await gate.token('dave')];
    const dave = await enter('cellar', undefined, { WebSocket, protocols });
    assert.equal(await dave.call('add', [1]), 1);
  });
  test('believes no client that sends headers of frameworks', async () => {
    const forged = {
      'X-Agents-Lifecycle-Props': 'no JSON',
      'X-CF-Agents-SubAgent-URL': 'https://gate.example/agents/counter/attic/sub/counter/other',
      'X-PartyKit-Props': 'no JSON',
      'X-PartyKit-Room': 'vault',
      'X-PartyKit-Namespace': 'vault',
    };
    const headers = bearer(await gate.token('mallory'), { Origin: APP, ...forged });
    const socket = await gate.connect({ target: '/agents/counter/forged', headers });
    const texts = [];
    socket.on('message', (text) => texts.push(JSON.parse(text)));
    const isStarted = ({ type, error }) => error || type === 'cf_agent_state';
    await until(() => texts.some(isStarted), Boolean, { every: 10 });
    const identity = texts.find(({ type }) => type === 'cf_agent_identity');
    assert.deepEqual([identity?.agent, identity?.name], ['counter', 'forged'], texts[0].error);
  });
});
