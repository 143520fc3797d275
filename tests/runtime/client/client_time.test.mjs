// The browser module's waits and renewals, by clocks that the tests set where none can be waited for.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readOptions, readUrl } from '../../../client/options.js';
import { Renewal } from '../../../client/renewal.js';
import { after, within } from '../../../client/timer.js';
import { live } from '../../support/admin.mjs';
import { next, open, several } from '../../support/client.mjs';
import { useGate } from '../../support/gate.mjs';
import { mint, now, SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const MOST = 2 ** 31 - 1;
const vars = {
  AUTH: 'required',
  JWT_SECRET: SECRET,
  ORIGIN_MISSING: 'allow',
  RATE_LIMIT_IP: 'off',
  REJECT_WITH: 'close',
};

describe('a timer', () => {
  test('holds for longer than the platform’s', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let called = 0;
    after(2 * MOST + 5, () => (called += 1));
    for (const step of [MOST, MOST, 4]) {
      t.mock.timers.tick(step);
      assert.equal(called, 0);
    }
    t.mock.timers.tick(1);
    assert.equal(called, 1);
  });
  test('is prevented at any time', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const prevent = after(2 * MOST, () => assert.fail('it was prevented'));
    t.mock.timers.tick(MOST);
    prevent();
    t.mock.timers.tick(MOST);
  });
  test('bounds work that does not end', async () => {
    const { signal } = new AbortController();
    const forever = (limited) =>
      new Promise((resolve, reject) => {
        limited.addEventListener('abort', () => reject(limited.reason));
      });
    await assert.rejects(within(1, signal, forever), { name: 'TimeoutError' });
  });
});

describe('the wait before another attempt', () => {
  let opened = 0;
  const upstream = useUpstream({
    onSocket(socket) {
      opened += 1;
      if (opened <= 2) socket.terminate();
    },
  });
  const gate = useGate({
    upstream,
    vars: {
      ...vars,
      ROUTES: JSON.stringify([{ path: '/' }, { path: '/slow', rate_limit_ip: '1/1h' }]),
    },
  });

  test('starts anew after a connection that lasted', async (t) => {
    const socket = open(gate, { random: () => 1, firstDelay: 100, mostDelay: 3_600_000 });
    const closes = several(socket, 'close', 3);
    while (opened < 3) await next(socket, 'open');
    const later = performance.now() + 10_000;
    t.mock.method(performance, 'now', () => later);
    for (const client of upstream.sockets.clients) client.terminate();
    assert.deepEqual(
      (await closes).map(({ retryIn }) => retryIn),
      [100, 200, 100],
    );
  });
  for (const [random, retryIn] of [
    [0, 30_000],
    [1, 60_000],
  ]) {
    test(`is ${retryIn / 1000} s at a limit whose end is not told`, async () => {
      // The first of all is admitted.
      await next(open(gate, { target: '/slow' }), random === 0 ? 'open' : 'refused');
      const limited = open(gate, {
        target: '/slow',
        firstDelay: 1_000,
        mostDelay: 60_000,
        random: () => random,
      });
      const close = await next(limited, 'close');
      assert.deepEqual([close.code, close.retryIn], [4429, retryIn]);
    });
  }
});

describe('a renewal', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...vars, CLOSE_ON_EXPIRY: 'true' } });

  /**
   * A renewal for `sub` whose first `asks` tokens are asked for at once. `getToken` gets the number
   * of the question. Gives the occasions.
   */
  const renew = (t, { sub, getToken, asks, token = mint({ sub }), ...more }) => {
    const occasions = [];
    const options = readOptions({
      getToken({ reason }) {
        occasions.push(reason);
        return getToken(occasions.length);
      },
      firstDelay: 1,
      // Below 0 comes to no share at all of the time that is left.
      random: () => (occasions.length < asks ? -3.5 : 0),
      ...more,
    });
    const url = readUrl(gate.url);
    const renewal = new Renewal(url, options, token, 3_600);
    t.after(() => renewal.stop());
    return occasions;
  };
  const refreshed = (sub, outcome = 'refreshed') =>
    gate.log.find(({ message }) => {
      if (!message.startsWith('{"time"')) return undefined;
      const record = JSON.parse(message);
      return record.outcome === outcome && record.subject === sub && record;
    }, `a record of ${sub}`);

  for (const [what, sub, first] of [
    ['does not come', 'ann', () => new Promise(() => {})],
    ['fails', 'bob', () => Promise.reject(new Error('no network'))],
    ['is none', 'cid', () => undefined],
    ['is malformed', 'dan', () => 'two words'],
  ]) {
    test(`whose token ${what} is tried again`, async (t) => {
      await live(gate, { sub });
      const getToken = (time) => (time === 1 ? first() : mint({ sub, exp: now() + 600 }));
      // As long for the one that is answered.
      const occasions = renew(t, { sub, getToken, asks: 3, connectTimeout: 3_000 });
      await refreshed(sub);
      assert.deepEqual([...new Set(occasions)], ['expiring']);
      assert.ok(occasions.length > 1);
    });
  }
  test('whose token is the same is none, unless its life is told', async (t) => {
    const sub = 'eve';
    await live(gate, { sub });
    const token = mint({ sub });
    const getToken = (time) => (time < 3 ? token : { token, expiresIn: 600 });
    const occasions = renew(t, { sub, token, getToken, asks: 3 });
    await refreshed(sub);
    assert.ok(occasions.length >= 3);
  });
  test('whose token is refused asks for new ones, and not for ever', async (t) => {
    const wrong = (time) => mint({ sub: `fay-${time}` }, { key: 'k'.repeat(32) });
    let ended;
    const third = new Promise((resolve) => (ended = resolve));
    const getToken = (time) => {
      if (time === 3) ended();
      return wrong(time);
    };
    const occasions = renew(t, { sub: 'fay', getToken, asks: 99 });
    await third;
    // Longer than a fourth would take.
    await live(gate, { sub: 'fay' });
    await live(gate, { sub: 'fay' });
    assert.deepEqual(occasions, ['expiring', 'refused', 'refused']);
  });
  test('of a token for two months is not early', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const days = 24 * 3_600;
    let asked = 0;
    const options = readOptions({
      getToken() {
        asked += 1;
        return new Promise(() => {});
      },
      random: () => 0,
    });
    const renewal = new Renewal(readUrl('ws://gate.example/'), options, 'token', 60 * days);
    t.mock.timers.tick(MOST);
    assert.equal(asked, 0);
    t.mock.timers.tick(42 * days * 1_000 - MOST);
    assert.equal(asked, 1);
    renewal.stop();
  });
  for (const [how, shift] of [
    ['fast', 3_600_000],
    ['slow', -3_600_000],
  ]) {
    test(`comes in time by a clock that is ${how} by an hour`, async (t) => {
      const iat = now();
      const first = mint({ sub: how, iat, exp: iat + 20 });
      const second = mint({ sub: how, iat, exp: iat + 600 });
      const getToken = ({ reason }) => (reason === 'expiring' ? second : first);
      const clock = Date.now;
      t.mock.method(Date, 'now', () => clock() + shift);
      // Ten seconds early, rather than the least that is left.
      open(gate, { getToken, random: () => -2 });
      const { reason } = await refreshed(how);
      assert.equal(reason, null);
    });
  }
});
