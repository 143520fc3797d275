// Crowds of sockets: those that an administrator's word meets under way, and more than a list holds.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { done, live, WATCHED } from '../../support/admin.mjs';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { fresh, freshAddress, useGate } from '../../support/gate.mjs';
import { plan, withRegistry } from '../../support/ledgers.mjs';
import { mint, now } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

/** Upgrades under way at once, and those that come until the word is answered, at most. */
const [FIRST, MOST] = [60, 300];

const vars = { ...WATCHED, LIMITER_TIMEOUT: '60s', UPSTREAM_TIMEOUT: '60s' };

let time = now() - 10_000;
const laterTime = () => (time += 10);

const revocation = (body) => ['PUT', 'revocations', { body }];
/** What a crowd's tokens have in common, what is said of it, and what it is told who comes later. */
const words = [
  ['revoked by jti', () => ({ jti: fresh('jti') }), ({ jti }) => revocation({ jti }), 'revoked'],
  ['revoked by sid', () => ({ sid: fresh('sid') }), ({ sid }) => revocation({ sid }), 'revoked'],
  ['revoked by sub', () => ({ sub: fresh('sub') }), ({ sub }) => revocation({ sub }), 'revoked'],
  [
    'revoked by sub of an issuer',
    () => ({ sub: fresh('sub'), iss: fresh('https://id') }),
    ({ sub, iss }) => revocation({ sub, iss }),
    'revoked',
  ],
  [
    'issued before a time, of an issuer',
    () => ({ iss: fresh('https://id'), iat: laterTime() }),
    ({ iss, iat }) => revocation({ iss, before: iat + 1 }),
    'revoked',
  ],
  ['banned by sub', () => ({ sub: fresh('sub') }), ({ sub }) => ['PUT', `bans/${sub}`], 'banned'],
  ['banned by ip', () => ({}), (_, address) => ['PUT', `bans/${address}`], 'banned'],
  // Last, for it is about everybody who came before.
  [
    'issued before a time',
    () => ({ iat: laterTime() }),
    ({ iat }) => revocation({ before: iat + 1 }),
    'revoked',
  ],
].map(([name, common, word, refusal]) => ({ name, common, word, refusal }));
const ENDS = { revoked: [4401, 'revoked'], banned: [4403, 'disconnected'] };

/** Upgrades of one crowd, over both gates: each resolves to why it was refused, or how it ended. */
function crowd(gate, urls, claims, address, count) {
  return Array.from({ length: count }, async (_, at) => {
    const who = { sub: fresh('sub'), iat: now() - 10, ...claims };
    const socket = await gate.connect({
      target: new URL('/', urls[at % 2]).href,
      headers: { Authorization: `Bearer ${mint(who)}`, 'CF-Connecting-IP': address },
    });
    if (!socket.answer) return reasonOf(socket);
    const [code, reason] = await once(socket, 'close');
    return [code, reason.toString()];
  });
}

describe('upgrades under way, in two isolates,', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars, twin: true });

  for (const { name, common, word, refusal } of words) {
    test(`that are ${name} meanwhile are refused or closed, all of them`, async (t) => {
      const urls = gate.both;
      const seen = { refused: 0, closed: 0 };
      // At once, and when a part of them is open.
      for (const early of [0, FIRST / 2]) {
        const [claims, address] = [common(), freshAddress()];
        const before = upstream.seen.length;
        const come = (count) => crowd(gate, urls, claims, address, count);
        const ends = come(FIRST);
        while (upstream.seen.length < before + early) await once(upstream.sockets, 'connection');
        let isAnswered = false;
        const said = done(gate, ...word(claims, address)).finally(() => (isAnswered = true));
        while (!isAnswered && ends.length < MOST) {
          ends.push(...come(4));
          await turn();
        }
        await said;
        for (const end of await Promise.all(ends)) {
          if (end === refusal) seen.refused += 1;
          else {
            assert.deepEqual(end, ENDS[refusal]);
            seen.closed += 1;
          }
        }
        assert.deepEqual(await Promise.all(come(4)), Array(4).fill(refusal));
      }
      t.diagnostic(`${seen.refused} refused, ${seen.closed} closed`);
    });
  }
});

describe('upgrades that wait for the server, in two isolates,', () => {
  const held = [];
  const upstream = useUpstream({ verifyClient: (_, accept) => held.push(() => accept(true)) });
  const gate = useGate({ upstream, vars, twin: true });
  const COUNT = 20;

  for (const { name, common, word, refusal } of [
    {
      name: 'disconnected by ip',
      common: () => ({}),
      word: (_, address) => ['DELETE', `sockets?ip=${address}`],
      refusal: 'banned',
    },
    {
      name: 'disconnected by sub',
      common: () => ({ sub: fresh('sub') }),
      word: ({ sub }) => ['DELETE', `sockets?sub=${sub}`],
      refusal: 'banned',
    },
    ...words,
  ]) {
    test(`and are ${name} meanwhile, are closed as soon as they are open`, async () => {
      const urls = gate.both;
      const [claims, address] = [common(), freshAddress()];
      const ends = crowd(gate, urls, claims, address, COUNT);
      while (held.length < COUNT) await once(upstream.sockets.options.server, 'upgrade');
      const { disconnected } = await done(gate, ...word(claims, address));
      assert.equal(disconnected, COUNT);
      const closed = [];
      const onSocket = (socket) => closed.push(once(socket, 'close'));
      upstream.sockets.on('connection', onSocket);
      for (const accept of held.splice(0)) accept();
      for (const end of await Promise.all(ends)) assert.deepEqual(end, ENDS[refusal]);
      // The server is told the same.
      assert.equal(closed.length, COUNT);
      for (const [code, reason] of await Promise.all(closed)) {
        assert.deepEqual([code, reason.toString()], ENDS[refusal]);
      }
      upstream.sockets.off('connection', onSocket);
    });
  }

  test('and are disconnected by several words at once, are counted by one', async () => {
    const address = freshAddress();
    const ends = crowd(gate, gate.both, {}, address, COUNT);
    while (held.length < COUNT) await once(upstream.sockets.options.server, 'upgrade');
    const word = () => done(gate, 'DELETE', `sockets?ip=${address}`);
    const answers = await Promise.all(Array.from({ length: 4 }, word));
    const sum = answers.reduce((total, { disconnected }) => total + disconnected, 0);
    assert.equal(sum, COUNT);
    for (const accept of held.splice(0)) accept();
    for (const end of await Promise.all(ends)) assert.deepEqual(end, ENDS.banned);
  });
});

describe('more live sockets than a list holds', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  test('are listed from the oldest on, and the list says that there are more', async () => {
    const sub = fresh('sub');
    const open = () => live(gate, { sub });
    const idOf = (socket) => requestId({ headers: socket.answer });
    const list = () => done(gate, 'GET', `sockets?sub=${sub}`);
    const sockets = [];
    while (sockets.length < 1000) {
      sockets.push(...(await Promise.all(Array.from({ length: 50 }, open))));
    }
    const all = await list();
    assert.deepEqual([all.truncated, all.sockets.length], [false, 1000]);
    const newest = await open();
    const part = await list();
    assert.deepEqual([part.truncated, part.sockets.length], [true, 1000]);
    const ids = (listed) => listed.sockets.map(({ id }) => id).sort();
    assert.deepEqual(ids(part), sockets.map(idOf).sort());
    assert.deepEqual(await done(gate, 'GET', `sockets?id=${idOf(newest)}`).then(ids), [
      idOf(newest),
    ]);
    const { disconnected } = await done(gate, 'DELETE', `sockets?sub=${sub}`);
    assert.equal(disconnected, 1001);
    for (const { closed } of [...sockets, newest]) {
      assert.deepEqual(await closed, [4403, 'disconnected']);
    }
  });
});

describe('more live sockets than a list holds, none of them more than an object tells of', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: WATCHED, ...withRegistry('Double') });
  const socketOf = (since, id) => ({
    id: `${id}`,
    sub: null,
    sid: null,
    ip: 'unknown',
    route: '/*',
    origin: null,
    since,
    expires: null,
    has_token: false,
    issued: null,
    realm: '',
  });
  const answers = (each, truncated = false) =>
    Object.fromEntries(
      Array.from({ length: 16 }, (_, shard) => {
        const sockets = Array.from({ length: each }, (_, at) =>
          socketOf((at * 16 + shard) * 1000, shard),
        );
        return [shard, JSON.stringify({ listed: { sockets, truncated: truncated === shard } })];
      }),
    );
  const list = () => done(gate, 'GET', 'sockets');

  test('are listed from the oldest on, and the list says that there are more', async () => {
    await plan(gate, answers(63));
    const { sockets, truncated } = await list();
    assert.equal(truncated, true);
    assert.deepEqual(
      sockets.map(({ since }) => since),
      Array.from({ length: 1000 }, (_, at) => at),
    );
  });
  test('are not fewer than it holds', async () => {
    await plan(gate, answers(62));
    const { sockets, truncated } = await list();
    assert.deepEqual([sockets.length, truncated], [992, false]);
  });
  test('and one that an object leaves out is told of too', async () => {
    await plan(gate, answers(2, 9));
    const { sockets, truncated } = await list();
    assert.deepEqual([sockets.length, truncated], [32, true]);
  });
});
