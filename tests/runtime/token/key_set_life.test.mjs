// How long a key set by URL lives: refreshed ahead of its expiry while sockets are being opened,
// and shared by isolates in the platform's cache.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ADMITTED, outcome } from '../../support/answers.mjs';
import { UNCOUNTED, useFolder, useGate, withGate } from '../../support/gate.mjs';
import { internet, useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const SITE = 'https://id.example';
const PACE = 100;

/** What the platform's cache has for a URL, once `isRight` says so; `meanwhile` is done until then. */
async function cached(gate, url, isRight, meanwhile = () => {}) {
  const caches = await gate.miniflare.getCaches();
  const cache = await caches.open('portcullis');
  const look = async () => {
    await meanwhile();
    const response = await cache.match(url);
    return { text: await response?.text(), headers: response?.headers };
  };
  return until(look, ({ text }) => isRight(text), { every: PACE });
}

/**
 * A server of one key set, which counts how often it was asked. `open`: the answers that are
 * awaited; none is given before `held`, if that is a promise.
 */
function useKeySet(maxAge) {
  const server = useServer(async (request, response) => {
    server.fetches += 1;
    server.open.add(response);
    response.on('close', () => server.open.delete(response));
    await server.held;
    response.setHeader('Cache-Control', `public, max-age=${maxAge}`);
    response.end(server.body ?? JSON.stringify({ keys: server.keys.map(({ jwk }) => jwk) }));
  });
  return Object.assign(server, { fetches: 0, open: new Set(), keys: [] });
}

const trusting = (server) => ({
  vars: { ...UNCOUNTED, AUTH: 'required', JWT_JWKS_URL: `${SITE}/jwks`, JWT_AUDIENCE: 'any' },
  ...internet({ [SITE]: server.url }),
});

// The first of these takes most of a minute, in which the others run.
describe('a key set by URL', { concurrency: true }, () => {
  describe('in the last fifth of its time', () => {
    const [old, renewed] = [makeKey('EdDSA', 'old'), makeKey('EdDSA', 'renewed')];
    const upstream = useUpstream();
    // Less than the least that it is kept for, a minute.
    const server = useKeySet(1);
    const gate = useGate(() => ({ upstream, ...trusting(server) }));

    test('is fetched behind an answer, and nobody waits for it', async () => {
      server.keys = [old];
      const token = await sign(old);
      const began = performance.now();
      assert.deepEqual(await outcome(gate, token), ADMITTED);
      assert.equal(server.fetches, 1);

      let release;
      server.held = new Promise((resolve) => (release = resolve));
      // Knocks until one was sent and answered while the provider was being asked and said nothing.
      for (;;) {
        const [awaited] = server.open;
        assert.deepEqual(await outcome(gate, token), ADMITTED);
        if (server.open.has(awaited)) break;
        assert.ok(server.fetches < 5, 'each fetch was over before an upgrade was answered');
        await pause(PACE);
      }
      const least = 60_000 - 60_000 / 5;
      assert.ok(performance.now() - began >= least, 'not before it is due');
      assert.equal(server.open.size, 1, 'one at a time');

      server.keys = [renewed, old];
      release();
      const knock = async () => assert.deepEqual(await outcome(gate, token), ADMITTED);
      await cached(gate, `${SITE}/jwks`, (text) => text?.includes('renewed'), knock);
      const { fetches } = server;
      assert.deepEqual(await outcome(gate, await sign(renewed)), ADMITTED);
      assert.equal(server.fetches, fetches, 'what came behind is what serves');
    });
  });

  describe('in the platform’s cache', { concurrency: false }, () => {
    const persist = useFolder();
    const [one, two] = [makeKey('ES256', 'one'), makeKey('ES256', 'two')];
    const upstream = useUpstream();
    const server = useKeySet(600);
    const url = `${SITE}/jwks`;

    /** What `work` gives with a new gate, whose isolate knows nothing but what the cache has. */
    const withAnother = (work) => withGate({ upstream, persist, ...trusting(server) }, work);

    test('is found by an isolate that comes later, the provider being down', async () => {
      server.keys = [one];
      await withAnother(async (gate) => {
        assert.deepEqual(await outcome(gate, await sign(one)), ADMITTED);
        const { headers } = await cached(gate, url, Boolean);
        // Until it is refreshed ahead: four fifths of its time, less what passed already.
        const [, left] = /^max-age=(\d+)$/.exec(headers.get('cache-control'));
        assert.ok(left > 360 && left <= 480, left);
      });
      await server.stop();
      await withAnother(async (gate) => {
        assert.deepEqual(await outcome(gate, await sign(one)), ADMITTED);
      });
      assert.equal(server.fetches, 1);
      await server.start();
    });

    test('does not hide a rotation, which others then find there', async () => {
      server.keys = [one, two];
      const before = server.fetches;
      await withAnother(async (gate) => {
        assert.deepEqual(await outcome(gate, await sign(two)), ADMITTED);
        assert.equal(server.fetches, before + 1);
        await cached(gate, url, (text) => text?.includes('two'));
      });
      await withAnother(async (gate) => {
        assert.deepEqual(await outcome(gate, await sign(two)), ADMITTED);
      });
      assert.equal(server.fetches, before + 1);
    });
  });

  describe('that is not sound', () => {
    const key = makeKey('ES256', 'one');
    const upstream = useUpstream();
    const server = useKeySet(600);
    const gate = useGate(() => ({ upstream, ...trusting(server) }));

    test('is not kept in the platform’s cache, and a sound one after it is', async () => {
      const token = await sign(key);
      server.body = '{"keys":[]}';
      const [reason, cause] = await outcome(gate, token);
      assert.equal(reason, 'provider_unavailable');
      assert.match(cause, /the key set has no usable key$/);
      await cached(gate, `${SITE}/jwks`, (text) => text === undefined);

      server.body = undefined;
      server.keys = [key];
      const admitted = ([reason]) => reason === 'admitted';
      await until(() => outcome(gate, token), admitted, { every: PACE });
      await cached(gate, `${SITE}/jwks`, (text) => text?.includes('one'));
    });
  });
});
