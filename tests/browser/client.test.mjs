// The browser module in Chromium, and what a page reads of refusals without it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { inRoot } from '../../tools/run.mjs';
import { useGate } from '../support/gate.mjs';
import { useServer } from '../support/internet.mjs';
import { mint, REQUIRED } from '../support/tokens.mjs';
import { useUpstream } from '../support/upstream.mjs';
import { useBrowser } from './playground.mjs';

let context;

// Pages that are left are kept for a return, as in everybody’s browser.
const site = useBrowser({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
const pages = useServer(({ url }, response) => {
  const isModule = /^\/[\w-]+\.js$/.test(url);
  response.setHeader('Content-Type', isModule ? 'text/javascript' : 'text/html');
  response.end(
    isModule
      ? readFileSync(inRoot('client', url.slice(1)))
      : '<!doctype html><title>A page</title>',
  );
});
beforeEach(async () => {
  context = await site.browser.newContext();
});
afterEach(() => context.close());

/** A page of this host. */
async function visit(host = 'localhost') {
  const page = await context.newPage();
  await page.goto(`http://${host}:${pages.port}/`);
  return page;
}

/**
 * Opens `socket` there. `tokens`: what getToken gives, the last one ever after. Its events stand in
 * `log`; `until(type, count)` waits for so many of a type and gives them.
 */
const open = (page, gate, { target = '/', tokens = [mint()], ...options } = {}) =>
  page.evaluate(
    async ([url, given, rest]) => {
      const { PortcullisSocket } = await import('/portcullis.js');
      const occasions = [];
      const getToken = async ({ reason }) => {
        occasions.push(reason);
        return given[Math.min(occasions.length, given.length) - 1];
      };
      const socket = new PortcullisSocket(url, { getToken, firstDelay: 1, mostDelay: 8, ...rest });
      const log = [];
      const waiting = new Set();
      for (const type of ['open', 'message', 'refused', 'close']) {
        socket.addEventListener(type, (event) => {
          const { code, reason, action, status, retryIn, data } = event;
          log.push({ type, code, reason, action, status, retryIn, data });
          for (const check of waiting) check();
        });
      }
      const until = (type, count = 1) =>
        new Promise((resolve) => {
          const check = () => {
            const found = log.filter((event) => event.type === type);
            if (found.length >= count) resolve(found);
          };
          waiting.add(check);
          check();
        });
      Object.assign(globalThis, { socket, log, occasions, until });
    },
    [new URL(target, gate.url).href, tokens, options],
  );
const until = (page, type, count) =>
  page.evaluate(([...what]) => globalThis.until(...what), [type, count]);
const say = (page, text) =>
  page.evaluate(async (message) => {
    globalThis.socket.send(message);
    const messages = await globalThis.until('message');
    return messages.at(-1).data;
  }, text);

const vars = {
  ...REQUIRED,
  ALLOWED_ORIGINS: 'http://localhost:*',
  RATE_LIMIT_IP: 'off',
  REJECT_WITH: 'close',
};

describe('a page', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  for (const [host, protocols, code, reason] of [
    ['localhost', [], 4401, 'token_missing'],
    ['localhost', ['bearer', 'a.b.c'], 4401, 'token_invalid'],
    ['localhost', ['bearer', mint({ exp: 1 }), 'chat'], 4401, 'token_expired'],
    ['127.0.0.1', ['bearer', mint()], 4403, 'origin_not_allowed'],
  ]) {
    test(`reads ${reason} with a WebSocket of its own`, async () => {
      const page = await visit(host);
      const close = await page.evaluate(
        ([url, offered]) =>
          new Promise((resolve) => {
            const socket = new WebSocket(url, offered);
            socket.onclose = (event) => resolve([event.code, event.reason, event.wasClean]);
          }),
        [gate.url.href.replace('http', 'ws'), protocols],
      );
      assert.deepEqual(close, [code, reason, true]);
    });
  }

  for (const handover of ['subprotocol', 'ticket']) {
    test(`opens a socket with a token by ${handover}`, async () => {
      const page = await visit();
      const requested = [];
      page.on('request', (request) => requested.push(request.url()));
      page.on('websocket', (socket) => requested.push(socket.url()));
      const token = mint();
      await open(page, gate, { handover, tokens: [token] });
      await until(page, 'open');
      assert.equal(await say(page, 'hello'), 'hello');
      assert.ok(requested.length > 0);
      for (const url of requested) assert.ok(!url.includes(token), url);
    });
  }
  test('gets a new token where one is refused', async () => {
    const page = await visit();
    await open(page, gate, { handover: 'ticket', tokens: [mint({ exp: 1 }), mint()] });
    const [{ code, reason, status, action }] = await until(page, 'refused');
    assert.deepEqual([code, reason, status, action], [4401, 'token_expired', 401, 'authenticate']);
    await until(page, 'open');
    assert.deepEqual(await page.evaluate(() => globalThis.occasions), ['connect', 'refused']);
  });
  test('connects again when the server goes, until it is closed', async () => {
    const page = await visit();
    await open(page, gate);
    for (const times of [1, 2, 3]) {
      await until(page, 'open', times);
      for (const client of upstream.sockets.clients) client.terminate();
      await until(page, 'close', times);
    }
    await until(page, 'open', 4);
    await page.evaluate(() => globalThis.socket.close());
    const closes = await until(page, 'close', 4);
    assert.equal(closes.at(-1).retryIn, null);
  });
  test('of another origin is refused for good, and says so', async () => {
    const page = await visit('127.0.0.1');
    await open(page, gate);
    const [{ code, reason, action }] = await until(page, 'refused');
    assert.deepEqual([code, reason, action], [4403, 'origin_not_allowed', 'give up']);
    assert.equal(await page.evaluate(() => globalThis.socket.readyState), 3);
  });

  // With waits of an hour, only what cuts them short lets it connect again.
  const patient = { firstDelay: 1, mostDelay: 3_600_000 };
  /** The gate by a name that is not known for this machine's own. */
  const remote = () => ({ ...patient, target: `//gate.localhost:${gate.url.port}/` });
  const lose = async (page) => {
    await context.setOffline(true);
    await page.waitForFunction(() => !navigator.onLine);
  };

  test('without a network waits for it', async () => {
    const page = await visit();
    await open(page, gate, remote());
    await until(page, 'open');
    // The connection itself is not ended by this, and would not tell.
    await lose(page);
    const [{ code, retryIn }] = await until(page, 'close');
    assert.deepEqual([code, retryIn], [1006, 3_600_000]);
    await context.setOffline(false);
    await until(page, 'open', 2);
    assert.equal(await say(page, 'back'), 'back');
  });
  test('that is looked at again does not wait long', async () => {
    const page = await visit();
    await open(page, gate, remote());
    await until(page, 'open');
    await lose(page);
    await until(page, 'close');
    // The network is back without a word of it.
    await page.evaluate(() => {
      globalThis.addEventListener('online', (event) => event.stopImmediatePropagation(), {
        capture: true,
      });
    });
    await context.setOffline(false);
    await page.evaluate(() => globalThis.document.dispatchEvent(new Event('visibilitychange')));
    await until(page, 'open', 2);
  });
  test('needs no network for a gate of its own machine', async () => {
    const page = await visit();
    await open(page, gate, patient);
    await until(page, 'open');
    await lose(page);
    for (const client of upstream.sockets.clients) client.terminate();
    const [{ retryIn }] = await until(page, 'close');
    assert.ok(retryIn <= 1, `${retryIn} ms`);
  });
  test('that is left holds no connection, and connects again when it is returned to', async () => {
    const page = await visit();
    await open(page, gate, patient);
    await until(page, 'open');
    // Not every browser tells of it by this one.
    await page.evaluate(() => {
      const hide = (event) => event.stopImmediatePropagation();
      globalThis.document.addEventListener('visibilitychange', hide, { capture: true });
    });
    const closed = [...upstream.sockets.clients].map((client) => once(client, 'close'));
    await page.goto(`http://127.0.0.1:${pages.port}/`);
    await Promise.all(closed);
    await page.goBack({ waitUntil: 'commit' });
    await page.waitForFunction(() => globalThis.until !== undefined);
    await until(page, 'open', 2);
    const [{ code, retryIn }] = await until(page, 'close');
    assert.deepEqual([code, retryIn], [1001, 3_600_000]);
    assert.equal(await say(page, 'back'), 'back');
  });
  test('has sockets in a worker, too', async () => {
    const page = await visit();
    const answer = await page.evaluate(
      ([url, token]) => {
        const work = async ({ data: [from, ...given] }) => {
          const { PortcullisSocket } = await import(from);
          const socket = new PortcullisSocket(given[0], { getToken: () => given[1] });
          socket.onopen = () => socket.send('from a worker');
          socket.onmessage = ({ data }) => globalThis.postMessage(data);
          socket.onrefused = ({ reason }) => globalThis.postMessage(reason);
        };
        const script = new Blob([`onmessage = ${work}`], { type: 'text/javascript' });
        const worker = new globalThis.Worker(URL.createObjectURL(script));
        return new Promise((resolve) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.postMessage([`${globalThis.location.origin}/portcullis.js`, url, token]);
        });
      },
      [gate.url.href, mint()],
    );
    assert.equal(answer, 'from a worker');
  });
  test('reads a 1006 alone of what is refused by HTTP', async () => {
    const page = await visit();
    // An upgrade of what takes none is refused by HTTP in any case.
    await open(page, gate, { ...patient, target: '/_portcullis/ticket' });
    const [{ code, reason }] = await until(page, 'close');
    assert.deepEqual([code, reason], [1006, '']);
  });
});
