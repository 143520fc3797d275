// ON_FULL=close_oldest: the newest sockets win.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import { ask, fresh, freshAddress, from, repeat, UNCOUNTED, useGate } from '../../support/gate.mjs';
import { ofUser, plan, withLedger } from '../../support/ledgers.mjs';
import { REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const REPLACED = [4408, 'replaced'];
const newestWins = (vars) => ({ ...UNCOUNTED, ...REQUIRED, ON_FULL: 'close_oldest', ...vars });
const as = (sub, more) => withToken({ sub }, more);
const isOpen = (one) => one.status === undefined;
const isAlive = (socket) => socket.readyState === socket.OPEN;

async function open(gate, headers, options = {}) {
  const socket = await gate.connect({ headers, ...options });
  assert.ok(isOpen(socket), socket.body);
  return Object.assign(socket, { ended: closing(socket) });
}

describe('a cap whose newest sockets win', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: newestWins({ MAX_SOCKETS_USER: '2' }) });

  test('closes the oldest with 4408, and admits the newcomer', async () => {
    const user = fresh('holder');
    const sockets = [];
    await repeat(5, async (at) => {
      sockets.push(await open(gate, as(user)));
      if (at >= 2) assert.deepEqual(await sockets[at - 2].ended, REPLACED);
    });
    const { reason, code } = await gate.log.closed(requestId({ headers: sockets[0].answer }));
    assert.deepEqual([reason, code], ['replaced', 4408]);
    for (const socket of sockets.slice(3)) assert.equal(await ask(socket, 'here'), 'here');
    assert.equal(sockets.filter(isAlive).length, 2);
    await open(gate, as(fresh('holder')));
    assert.equal(sockets.filter(isAlive).length, 2, 'those of another user are not touched');
  });

  test('knows the oldest after its object slept', async () => {
    const user = fresh('holder');
    const sleep = () =>
      gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', {
        name: ofUser(user),
        webSockets: 'hibernate',
      });
    const sockets = [];
    await repeat(6, async (at) => {
      sockets.push(await open(gate, as(user)));
      await sleep();
      if (at >= 2) assert.deepEqual(await sockets[at - 2].ended, REPLACED);
    });
    assert.deepEqual(sockets.map(isAlive), [false, false, false, false, true, true]);
  });
});

describe('of a crowd in two isolates', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: newestWins({ MAX_SOCKETS_USER: '3', LIMITER_TIMEOUT: '60s' }),
    twin: true,
  });
  test('exactly as many stay as the cap says, and a later one always gets in', async () => {
    const user = fresh('holder');
    const target = (at) => new URL('/', gate.both[at % 2]).href;
    const crowd = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        gate.connect({ headers: as(user), target: target(at) }),
      ),
    );
    for (const one of crowd) {
      if (!isOpen(one)) assert.equal(reasonOf(one), 'too_many_sockets');
    }
    const admitted = crowd.filter(isOpen);
    await until(
      () => admitted.filter(isAlive).length,
      (alive) => alive === 3,
      { every: 10 },
    );
    const later = [];
    await repeat(4, async (at) => {
      later.push(await open(gate, as(user), { target: target(at) }));
    });
    assert.deepEqual(await later[0].ended, REPLACED);
    for (const socket of later.slice(1)) assert.equal(await ask(socket, 'here'), 'here');
    assert.equal(admitted.filter(isAlive).length, 0);
    // The server has no more than these either.
    await until(
      () => upstream.sockets.clients.size,
      (count) => count === 3,
      { every: 10 },
    );
  });
});

describe('a newcomer that another check refuses', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: newestWins({ MAX_SOCKETS_USER: '1', JWT_REPLAY: 'reject', RATE_LIMIT_USER: '3/1h' }),
  });
  test('closes nobody’s socket', async () => {
    const user = fresh('holder');
    const token = (jti) => withToken({ sub: user, jti });
    const first = await open(gate, token('one'));
    assert.equal(reasonOf(await gate.knock(token('one'))), 'token_invalid');
    assert.equal(await ask(first, 'here'), 'here');
    const second = await open(gate, token('two'));
    assert.deepEqual(await first.ended, REPLACED);
    await open(gate, token('three'));
    assert.deepEqual(await second.ended, REPLACED);
    assert.equal(reasonOf(await gate.knock(token('four'))), 'rate_limited');
  });
});

describe('both caps', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: newestWins({ MAX_SOCKETS_USER: '1', MAX_SOCKETS_IP: '2' }),
  });
  test('a user’s own oldest socket makes room at the address too', async () => {
    const address = freshAddress();
    const [alice, bob] = [fresh('alice'), fresh('bob')];
    const other = await open(gate, as(bob, from(address)));
    const first = await open(gate, as(alice, from(address)));
    const second = await open(gate, as(alice, from(address)));
    assert.deepEqual(await first.ended, REPLACED);
    assert.equal(await ask(other, 'here'), 'here');
    assert.equal(await ask(second, 'here'), 'here');
  });
});

describe('a close that can’t be delivered', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: newestWins({ MAX_SOCKETS_USER: '1', LIMITER_TIMEOUT: '2s' }),
    ...withLedger('Double'),
  });
  test('lets the newcomer wait no longer than half of LIMITER_TIMEOUT, and never exceeds the cap', async () => {
    const user = fresh('holder');
    const name = ofUser(user);
    const first = await open(gate, as(user));
    // The channel is cut, and can't come back.
    await plan(gate, { [name]: 'hang' });
    await gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', { name, webSockets: 'close' });
    const ledgers = await gate.miniflare.getDurableObjectNamespace('LEDGER', 'ledgers');
    const replace = `/replace/${'0'.repeat(32)}/1/200/${Date.now()}`;
    const answer = await ledgers.get(ledgers.idFromName(name)).fetch(`http://ledger${replace}`);
    assert.equal(answer.headers.get('answer'), 'too-many 0 0');
    assert.ok(isAlive(first));
    // Once it is back, it learns of the next newcomer.
    await plan(gate, { [name]: 'real' });
    const second = await until(async () => {
      const one = await gate.connect({ headers: as(user) });
      if (!isOpen(one)) assert.equal(reasonOf(one), 'too_many_sockets');
      return one;
    }, isOpen);
    assert.deepEqual(await first.ended, REPLACED);
    assert.equal(await ask(second, 'here'), 'here');
  });
});

describe('a newcomer that hangs up while it waits', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: newestWins({ MAX_SOCKETS_USER: '1' }) });
  test('leaves no slot taken', async () => {
    const user = fresh('holder');
    const first = await open(gate, as(user));
    await repeat(5, async () => {
      const socket = await open(gate, as(user));
      socket.terminate();
    });
    assert.deepEqual(await first.ended, REPLACED);
    const last = await open(gate, as(user));
    last.close();
    await once(last, 'close');
    await open(gate, as(user));
  });
});
