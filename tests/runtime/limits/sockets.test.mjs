// Caps of open sockets: MAX_SOCKETS_IP and MAX_SOCKETS_USER.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { assertClosed, assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import {
  ask,
  fresh,
  freshAddress,
  freshKey,
  from,
  repeat,
  UNCOUNTED,
  useGate,
} from '../../support/gate.mjs';
import { calls, ofAddress, ofUser, plan, withLedger } from '../../support/ledgers.mjs';
import { obtain } from '../../support/tickets.mjs';
import { REQUIRED, withToken } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

/** Without quotas, so that only the sockets are counted. */
const caps = (vars) => ({ ...UNCOUNTED, ...vars });
const freshUser = () => fresh('holder');
const as = (sub, more) => withToken({ sub }, more);
const isOpen = (one) => one.status === undefined;
const reasonsOf = (all) => all.map((one) => (isOpen(one) ? 'admitted' : reasonOf(one)));
const count = (all, reason) => all.filter((one) => one === reason).length;
const evict = (gate, name, webSockets) =>
  gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', { name, webSockets });

/** Knocks until it is let in. */
const untilOpen = (gate, headers, options = {}) =>
  until(async () => {
    const one = await gate.connect({ headers, ...options });
    if (!isOpen(one)) assert.equal(reasonOf(one), 'too_many_sockets');
    return one;
  }, isOpen);

async function open(gate, headers, options = {}) {
  const socket = await gate.connect({ headers, ...options });
  assert.ok(isOpen(socket), socket.body);
  return socket;
}

describe('a cap per address', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: caps({ MAX_SOCKETS_IP: '3' }) });

  test('refuses one more, and frees a slot with each close', async () => {
    const address = freshAddress();
    const sockets = [];
    await repeat(3, async () => sockets.push(await open(gate, from(address))));
    const refused = await gate.knock(from(address));
    assertRefused(refused, 'too_many_sockets');
    const { cause, stage } = await gate.log.record(requestId(refused));
    assert.deepEqual([stage, cause], ['counters', "the answer of the address's ledger"]);
    await open(gate, from(freshAddress()));
    for (const end of [
      (socket) => socket.close(1000, 'bye'),
      (socket) => socket.terminate(),
      (socket) => socket.close(),
    ]) {
      end(sockets.shift());
      sockets.push(await untilOpen(gate, from(address)));
      assert.equal(reasonOf(await gate.knock(from(address))), 'too_many_sockets');
    }
    for (const socket of sockets) assert.equal(await ask(socket, 'still here'), 'still here');
  });

  test('an upstream that closes frees the slot too', async () => {
    const address = freshAddress();
    await repeat(3, () => open(gate, from(address)));
    [...upstream.sockets.clients].at(-1).close(4000);
    await untilOpen(gate, from(address));
  });

  test('holds when its object sleeps', async () => {
    const address = freshAddress();
    const sockets = [];
    await repeat(3, async () => sockets.push(await open(gate, from(address))));
    const sleep = () => evict(gate, ofAddress(address), 'hibernate');
    await sleep();
    assert.equal(reasonOf(await gate.knock(from(address))), 'too_many_sockets');
    await sleep();
    sockets.pop().close();
    sockets.push(await untilOpen(gate, from(address)));
    assert.equal(reasonOf(await gate.knock(from(address))), 'too_many_sockets');
    for (const socket of sockets) assert.equal(await ask(socket, 'still here'), 'still here');
  });
});

describe('a cap, of a crowd in two isolates', () => {
  const upstream = useUpstream();
  const vars = caps({ ...REQUIRED, MAX_SOCKETS_IP: '9', LIMITER_TIMEOUT: '60s' });
  const gate = useGate({ upstream, vars, twin: true });
  test('admits exactly as many as it says, of 200 at once', async () => {
    const address = freshAddress();
    const crowd = Array.from({ length: 200 }, (_, at) =>
      gate.knock(as(freshUser(), from(address)), { to: gate.both[at % 2] }),
    );
    const seen = (await Promise.all(crowd)).map(reasonOf);
    assert.deepEqual([count(seen, 'admitted'), count(seen, 'too_many_sockets')], [9, 191]);
  });
});

describe('both caps', () => {
  const upstream = useUpstream();
  const ROUTES = [
    { path: '/own', max_sockets_user: '2', max_sockets_ip: 'off' },
    { path: '/free', max_sockets_user: 'off', max_sockets_ip: 'off', relay: 'passthrough' },
    { path: '/*' },
  ];
  const vars = caps({ ...REQUIRED, MAX_SOCKETS_IP: '2', MAX_SOCKETS_USER: '3', ROUTES });
  const gate = useGate({ upstream, vars: { ...vars, TICKET_TTL: '30s' } });

  test('the one per user holds across addresses', async () => {
    const user = freshUser();
    const sockets = [];
    await repeat(3, async () => sockets.push(await open(gate, as(user))));
    assertRefused(await gate.knock(as(user)), 'too_many_sockets', {
      title: 'Too many open sockets of this user.',
    });
    sockets[0].close();
    await untilOpen(gate, as(user));
  });
  test('whom one refuses holds no slot of the other', async () => {
    const [user, address] = [freshUser(), freshAddress()];
    const sockets = [];
    await repeat(3, async () => sockets.push(await open(gate, as(user))));
    await repeat(5, async () => {
      const refused = await gate.knock(as(user, from(address)));
      assert.equal(JSON.parse(refused.body).title, 'Too many open sockets of this user.');
    });
    await repeat(2, async () =>
      sockets.push(await untilOpen(gate, as(freshUser(), from(address)))),
    );
    const other = freshUser();
    await repeat(5, async () => {
      const refused = await gate.knock(as(other, from(address)));
      assert.equal(JSON.parse(refused.body).title, 'Too many open sockets of this address.');
    });
    await repeat(3, () => untilOpen(gate, as(other)));
  });
  test('a route compares all with its own, and one without counts none', async () => {
    const user = freshUser();
    await open(gate, as(user));
    await repeat(4, () => open(gate, as(user), { target: '/free' }));
    const address = freshAddress();
    await open(gate, as(user, from(address)), { target: '/own' });
    const refused = await gate.knock(as(user), { target: '/own' });
    assert.equal(reasonOf(refused), 'too_many_sockets');
    await open(gate, as(user));
    assert.equal(reasonOf(await gate.knock(as(user))), 'too_many_sockets');
    await repeat(2, () => open(gate, as(freshUser(), from(address))));
  });
  test('a ticket takes no slot; the socket that is opened with it does', async () => {
    const [user, address] = [freshUser(), freshAddress()];
    const tickets = [];
    await repeat(4, async () =>
      tickets.push(await obtain(gate, address, { headers: as(user), query: '?path=/own' })),
    );
    const use = () => {
      const target = `/own?ticket=${tickets.shift()}`;
      return gate.connect({ headers: from(address), target });
    };
    const [first, second, third] = [await use(), await use(), await use()];
    assert.deepEqual(reasonsOf([first, second, third]), [
      'admitted',
      'admitted',
      'too_many_sockets',
    ]);
    assert.equal(JSON.parse(third.body).title, 'Too many open sockets of this user.');
    first.close();
    await untilOpen(gate, as(user), { target: '/own' });
    assert.equal(reasonsOf([await use()])[0], 'too_many_sockets');
    assert.equal(await ask(second, 'still here'), 'still here');
  });
});

for (const [name, settings, reason] of [
  [
    'can’t be reached',
    async () => ({ UPSTREAM_URL: `ws://127.0.0.1:${await deadPort()}` }),
    'upstream_unreachable',
  ],
  [
    'refuses',
    async (upstream) => ({ UPSTREAM_URL: upstream.url.replace('ws', 'http') }),
    'upstream_refused',
  ],
]) {
  describe(`an upstream that ${name}`, () => {
    const upstream = useUpstream({ verifyClient: () => false });
    const gate = useGate(async () => ({
      vars: caps({
        MAX_SOCKETS_IP: '2',
        UPSTREAM_PLAINTEXT: 'true',
        ...(await settings(upstream)),
      }),
    }));
    test('leaves no slot taken', async () => {
      const address = freshAddress();
      await repeat(8, () =>
        until(
          async () => {
            const seen = reasonOf(await gate.knock(from(address)));
            // The slot of the one before is let go behind its answer.
            assert.ok([reason, 'too_many_sockets'].includes(seen), seen);
            return seen;
          },
          (seen) => seen === reason,
        ),
      );
    });
  });
}

describe('a cap together with quotas', () => {
  const upstream = useUpstream();
  const vars = { ...REQUIRED, MAX_SOCKETS_IP: '1', RATE_LIMIT_IP: '4/1h', RATE_LIMIT_USER: '2/1h' };
  const gate = useGate({ upstream, vars });
  test('what it refuses counts as an attempt of the address, and not of the user', async () => {
    const [user, address] = [freshUser(), freshAddress()];
    await open(gate, as(user, from(address)));
    const key = freshKey();
    const knock = async (more) => reasonOf(await gate.knock(as(user, from(address, more))));
    assert.equal(await knock({ 'Sec-WebSocket-Key': key }), 'too_many_sockets');
    assert.equal(await knock({ 'Sec-WebSocket-Key': key }), 'replayed_key');
    assert.equal(await knock(), 'too_many_sockets');
    assert.equal(await knock(), 'rate_limited');
    // A quota's entry is given back behind the answer.
    const admitted = (seen) => seen === 'admitted';
    await until(async () => reasonOf(await gate.knock(as(user))), admitted);
  });
});

describe('a cap with REJECT_WITH=close', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: caps({ MAX_SOCKETS_IP: '1', REJECT_WITH: 'close' }) });
  test('closes with 4429', async () => {
    const address = freshAddress();
    await open(gate, from(address));
    const key = freshKey();
    const answer = await gate.knock(from(address, { 'Sec-WebSocket-Key': key }));
    await assertClosed(answer, 'too_many_sockets', key);
  });
});

describe('a cap whose ledger fails', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: caps({
      ...REQUIRED,
      MAX_SOCKETS_IP: '2',
      MAX_SOCKETS_USER: '2',
      LIMITER_TIMEOUT: '400ms',
    }),
    ...withLedger('Double'),
  });
  test('refuses, and holds no slot of the other', async () => {
    const address = freshAddress();
    const broken = freshUser();
    await plan(gate, { [ofUser(broken)]: 'throw' });
    await repeat(4, async () => {
      assertRefused(await gate.knock(as(broken, from(address))), 'limiter_unavailable', {
        headers: { 'retry-after': '1' },
      });
    });
    await repeat(2, () => untilOpen(gate, as(freshUser(), from(address))));
  });
  test('that refuses does not wait for the other, which is let go when it answers', async () => {
    const [address, user] = [freshAddress(), freshUser()];
    await plan(gate, { [ofAddress(address)]: 'too-many 0 0\nend 1013 limiter_unavailable' });
    await repeat(6, async () => {
      assert.equal(reasonOf(await gate.knock(as(user, from(address)))), 'too_many_sockets');
    });
    await repeat(2, () => untilOpen(gate, as(user)));
  });
  test('that restarts gets its channels back', async () => {
    const address = freshAddress();
    const sockets = [];
    const knock = () => gate.connect({ headers: as(freshUser(), from(address)) });
    await repeat(2, async () => sockets.push(await knock()));
    assert.deepEqual(sockets.map(isOpen), [true, true]);
    const name = ofAddress(address);
    await evict(gate, name, 'close');
    assert.equal(reasonOf(await knock()), 'too_many_sockets');
    const attached = async () =>
      (await calls(gate, name)).filter((path) => path.startsWith('/attach/')).length;
    await until(attached, (count) => count >= 2);
    assert.equal(reasonOf(await knock()), 'too_many_sockets');
    for (const socket of sockets) assert.equal(await ask(socket, 'still here'), 'still here');
    sockets[0].close();
    await untilOpen(gate, as(freshUser(), from(address)));
  });
  test('that breaks while it is asked gets its channels back as well', async () => {
    const address = freshAddress();
    const socket = await open(gate, as(freshUser(), from(address)));
    const name = ofAddress(address);
    await plan(gate, { [name]: 'abort' });
    await evict(gate, name, 'close');
    const untilAsked = async (count) => {
      const deadline = performance.now() + 15_000;
      while ((await calls(gate, name)).length < count) {
        assert.ok(performance.now() < deadline, 'nothing came');
      }
    };
    // What opened the socket, and a first try that found it broken.
    await untilAsked(2);
    await plan(gate, { [name]: 'real' });
    await untilAsked(3);
    assert.equal(await ask(socket, 'still here'), 'still here');
  });
});

describe('a cap with ON_LIMITER_FAILURE=admit', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: caps({ MAX_SOCKETS_IP: '1', LIMITER_TIMEOUT: '400ms', ON_LIMITER_FAILURE: 'admit' }),
    ...withLedger('Double'),
  });
  for (const [name, behaviour] of [
    ['threw', 'throw'],
    ['aborted itself', 'abort'],
    ['answered with a status', 'status 500'],
  ]) {
    test(`counts a socket whose ledger ${name} as soon as it answers, and ends what is too many`, async () => {
      const address = freshAddress();
      await plan(gate, { [ofAddress(address)]: behaviour });
      const sockets = [await open(gate, from(address)), await open(gate, from(address))];
      const ended = Promise.race(sockets.map((socket) => once(socket, 'close')));
      await plan(gate, { [ofAddress(address)]: 'real' });
      const [code, reason] = await ended;
      assert.deepEqual([code, String(reason)], [1013, 'limiter_unavailable']);
      assert.equal(reasonOf(await gate.knock(from(address))), 'too_many_sockets');
    });
  }
});

describe('RELAY=passthrough together with a cap', () => {
  const gate = useGate({
    vars: { UPSTREAM_URL: 'ws://127.0.0.1:1', RELAY: 'passthrough', MAX_SOCKETS_IP: '1' },
  });
  test('is a configuration error that says why', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    const why = ({ message }) => /RELAY: MAX_SOCKETS_IP is set, and .* natively ends/.test(message);
    await gate.log.find(why, 'the setting that RELAY contradicts');
  });
});
