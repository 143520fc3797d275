// `guard` of portcullis/worker: the gate in front of the handlers of one's own Worker, with hono,
// PartyServer and agents as they are on npm.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { describe as described, NAME } from '../../../tools/gate.mjs';
import { missing, update } from '../../../tools/init/update.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { bundle as bundleByWrangler } from '../../../tools/trial.mjs';
import { assertRefused } from '../../support/answers.mjs';
import { bundleWorker } from '../../support/bundle.mjs';
import { ask, useFolder, useGate, withGate } from '../../support/gate.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { bearer, REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';

const EXAMPLE = inRoot('package/one-worker');
const APP = 'https://app.example.com';

/** A Worker in one file, which imports `guard` by its name. */
function write(folder, script) {
  const path = join(folder, 'entry.mjs');
  writeFileSync(
    path,
    `import { guard } from 'portcullis/worker';\nexport * from 'portcullis/worker';\n${script}`,
  );
  return path;
}

describe('hono and PartyServer in one Worker', () => {
  const folder = useFolder();
  const settings = join(folder, 'wrangler.toml');
  copyFileSync(join(EXAMPLE, 'wrangler.toml'), settings);
  const key = makeKey('ES256');
  const gate = useGate(async () => {
    await update(settings);
    const { bindings } = described(undefined, settings);
    return {
      path: settings,
      modules: bundleWorker(join(EXAMPLE, 'worker.mjs'), folder),
      // Only what `useGate` sets for http and slow machines is added.
      vars: { AUTH: undefined, ...bindings },
      gate: { outboundService: () => Response.json({ keys: [key.jwk] }) },
    };
  });
  const token = (claims) => sign(key, { aud: 'https://chat.example.com', ...claims });
  const enter = async (room, sub) =>
    gate.connect({
      target: `/parties/room/${room}`,
      headers: bearer(await token({ sub }), { Origin: APP }),
    });

  test('is shown on its page as it is', () => {
    const page = readFileSync(inRoot('docs/package.md'), 'utf8');
    for (const name of ['worker.mjs', 'wrangler.toml']) {
      assert.ok(page.includes(`\n${readFileSync(join(EXAMPLE, name), 'utf8')}\`\`\`\n`), name);
    }
  });
  test('has all that the gate needs once its configuration is updated', () => {
    assert.deepEqual(missing(settings), []);
  });
  test('refuses what a gate of its own would refuse', async () => {
    const target = '/parties/room/hall';
    assertRefused(await gate.knock({ Origin: APP }, { target }), 'token_missing');
    const foreign = bearer(await token(), { Origin: 'https://evil.example' });
    assertRefused(await gate.knock(foreign, { target }), 'origin_not_allowed');
    const other = bearer(await token({ aud: 'https://another.example' }), { Origin: APP });
    assertRefused(await gate.knock(other, { target }), 'token_invalid');
  });
  test('opens sockets to the objects of the Worker, which learn whose they are', async () => {
    const [alice, bob] = [await enter('kitchen', 'alice'), await enter('kitchen', 'b\u00f8b')];
    const both = [alice, bob].map((socket) => once(socket, 'message'));
    bob.send('hello');
    for (const [text] of await Promise.all(both)) assert.equal(String(text), 'b\u00f8b: hello');
    const other = await enter('hall', 'carol');
    assert.equal(await ask(other, 'alone'), 'carol: alone');
  });
  test('hands plain requests to the handler where the settings say so', async () => {
    const { status, body } = await gate.call('GET', '/');
    assert.deepEqual([status, String(body)], [200, 'Rooms are at /parties/room/NAME.']);
  });
  test('counts users over all rooms', async () => {
    const { status } = await repeatedly(31, () => enter('limits', 'dora'));
    assert.equal(status, 429);
  });
});

describe('agents in one Worker', () => {
  const folder = useFolder();
  const settings = join(folder, 'wrangler.toml');
  copyFileSync(join(EXAMPLE, 'agents.toml'), settings);
  copyFileSync(join(EXAMPLE, 'agents.mjs'), join(folder, 'agents.mjs'));
  symlinkSync(inRoot('node_modules'), join(folder, 'node_modules'));
  const key = makeKey('ES256');
  const gate = useGate(async () => {
    await update(settings);
    const { bindings } = described(undefined, settings);
    const withAlias = join(folder, 'bundled.toml');
    const alias = `[alias]\n"portcullis/worker" = "${inRoot('build/main.js')}"\n`;
    writeFileSync(withAlias, `${readFileSync(settings, 'utf8')}\n${alias}`);
    return {
      path: settings,
      // Their packages need what wrangler does for modules of Node.
      modules: await bundleByWrangler(withAlias),
      vars: { AUTH: undefined, ...bindings },
      gate: { outboundService: () => Response.json({ keys: [key.jwk] }) },
    };
  });
  const target = '/agents/counter/hall';
  const enter = async (sub) => {
    const token = await sign(key, { aud: 'https://chat.example.com', sub });
    const socket = await gate.connect({ target, headers: bearer(token, { Origin: APP }) });
    const seen = [];
    socket.on('message', (text) => seen.push(JSON.parse(text)));
    return { socket, state: (isRight) => until(() => stateIn(seen), isRight, { every: 10 }) };
  };
  const stateIn = (seen) => seen.findLast(({ type }) => type === 'cf_agent_state')?.state;

  test('keep their state, and learn whose sockets they have', async () => {
    const [alice, bob] = [await enter('alice'), await enter('b\u00f8b')];
    alice.socket.send('count');
    for (const one of [alice, bob]) {
      assert.deepEqual(await one.state((state) => state?.count === 1), { count: 1, by: 'alice' });
    }
    bob.socket.send('count');
    assert.deepEqual(await alice.state((state) => state?.count === 2), {
      count: 2,
      by: 'b\u00f8b',
    });
  });
  test('are reached by nobody whom the gate refuses', async () => {
    assertRefused(await gate.knock({ Origin: APP }, { target }), 'token_missing');
    const { body } = await gate.call('GET', target);
    assert.equal(JSON.parse(body).reason, 'upgrade_required');
  });
  test('are shown on their page as they are', () => {
    const page = readFileSync(inRoot('docs/package.md'), 'utf8');
    assert.ok(page.includes(`\n${readFileSync(join(EXAMPLE, 'agents.mjs'), 'utf8')}\`\`\`\n`));
  });
});

/** What the last of some attempts came to. */
async function repeatedly(count, work) {
  for (let at = 1; at < count; at += 1) await work();
  return work();
}

const SEEN = `
const seen = (request, env, ctx) => ({
  method: request.method,
  path: new URL(request.url).pathname,
  subject: request.headers.get('portcullis-subject'),
  token: request.headers.get('authorization'),
  colo: request.cf?.colo,
  bindings: 'LEDGER' in env && !('UPSTREAM_SERVICE' in env),
  waits: typeof ctx.waitUntil,
});`;

describe('a guarded handler', () => {
  const folder = useFolder();
  const gate = useGate(() => ({
    modules: bundleWorker(
      write(
        folder,
        `${SEEN}
        export default guard({
          greeting: 'of the handler',
          async fetch(request, env, ctx) {
            if (request.url.endsWith('/throws')) throw new Error('broken');
            if (request.method === 'POST') return new Response(await request.text());
            const { 0: client, 1: server } = new WebSocketPair();
            server.accept();
            server.send(JSON.stringify({ ...seen(request, env, ctx), greeting: this.greeting }));
            return new Response(null, { status: 101, webSocket: client });
          },
          scheduled(controller) {
            console.log('scheduled ' + controller.cron + ' ' + this.greeting);
          },
        });`,
      ),
      folder,
    ),
    vars: { ...REQUIRED, PLAIN_HTTP: 'proxy' },
  }));
  test('gets the request as a server would, with the bindings and the context', async () => {
    const socket = await gate.connect({ target: '/rooms/7', headers: withToken({ sub: 'alice' }) });
    const [text] = await once(socket, 'message');
    const { colo, ...seen } = JSON.parse(text);
    assert.deepEqual(seen, {
      method: 'GET',
      path: '/rooms/7',
      subject: 'alice',
      token: null,
      bindings: true,
      waits: 'function',
      greeting: 'of the handler',
    });
    assert.equal(typeof colo, 'string');
  });
  test('that throws is a server out of reach', async () => {
    const response = await gate.knock(withToken({}), { target: '/throws' });
    assertRefused(response, 'upstream_unreachable');
  });
  test('gets the body of plain requests', async () => {
    const { body } = await gate.call('POST', '/', { body: 'some text' });
    assert.equal(String(body), 'some text');
  });
  test('keeps its other events', async () => {
    const worker = await gate.miniflare.getWorker(NAME);
    await worker.scheduled({ cron: '* * * * *' });
    await until(() => gate.log.toString().includes('scheduled * * * * * of the handler'));
  });
});

describe('guard()', () => {
  const start = (folder, script, vars) =>
    withGate({ modules: bundleWorker(write(folder, script), folder), vars }, async (gate) => {
      const { status } = await gate.call('GET', '/_portcullis/health');
      return { status, log: gate.log.toString() };
    });
  const OWN = "export default guard({ fetch: () => new Response('handler') });";
  const folder = useFolder();
  test('refuses what has no fetch', async () => {
    await assert.rejects(start(folder, 'export default guard({});', {}));
  });
  test('does not go on where the settings name another service', async () => {
    const { status } = await start(folder, OWN, { UPSTREAM_SERVICE: 'CHAT' });
    assert.equal(status, 500);
  });
  test('does not take variables of the Worker for settings, but a misspelt one', async () => {
    const own = {
      SESSION_SECRET: 'x',
      MAX_UPLOAD_BYTES: '5',
      TOKEN_ENDPOINT: 'x',
      DATABASE_URL: 'x',
    };
    const sound = await start(folder, OWN, own);
    assert.equal(sound.status, 200, sound.log);
    assert.match(sound.log, /SESSION_SECRET: there is no such setting; did you mean/);
    assert.doesNotMatch(sound.log, /DATABASE_URL/);
    const misspelt = await start(folder, OWN, { ...own, RATE_LIMT_IP: 'x' });
    assert.equal(misspelt.status, 503);
    assert.match(misspelt.log, /RATE_LIMT_IP: .*did you mean RATE_LIMIT_IP/);
  });
  test('is misconfigured where the settings name another server', async () => {
    const { status, log } = await start(folder, OWN, { UPSTREAM_URL: 'wss://chat.example' });
    assert.equal(status, 503);
    assert.match(log, /UPSTREAM_URL is set as well|UPSTREAM_SERVICE/);
  });
});
