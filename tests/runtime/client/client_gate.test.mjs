// What the browser module and the gate tell each other, and what an application sees of it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, test } from 'node:test';
import { PortcullisSocket } from '../../../client/portcullis.js';
import { echo, last, next, open, several } from '../../support/client.mjs';
import { fresh, useGate } from '../../support/gate.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const vars = {
  AUTH: 'required',
  JWT_SECRET: SECRET,
  ORIGIN_MISSING: 'allow',
  RATE_LIMIT_IP: 'off',
};
const EVERY = 1_000;
const typesOf = ({ log }) => log.map(({ type }) => type);

describe('at a gate that refuses by HTTP', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  test('a bad token is told, and not tried for ever', async () => {
    const reasons = [];
    const getToken = ({ reason }) => {
      reasons.push(reason);
      return 'bad';
    };
    const socket = open(gate, { getToken });
    const { code, reason } = await last(socket);
    assert.deepEqual([code, reason], [4401, 'token_invalid']);
    assert.deepEqual(reasons, ['connect', 'refused', 'refused']);
    assert.ok(!typesOf(socket).includes('open'), 'no open comes before a refusal');
  });
  test('a socket that gave up is started anew on demand', async () => {
    const token = { current: 'bad' };
    const reasons = [];
    const getToken = ({ reason, failures }) => {
      reasons.push([reason, failures]);
      return token.current;
    };
    const socket = open(gate, { getToken });
    await last(socket);
    reasons.length = 0;
    token.current = mint();
    socket.reconnect();
    assert.equal(socket.readyState, PortcullisSocket.CONNECTING);
    await next(socket, 'open');
    assert.deepEqual(reasons, [['refused', 0]]);
    assert.equal(await echo(socket, 'anew'), 'anew');
    // It goes on by itself as before.
    for (const client of upstream.sockets.clients) client.terminate();
    await next(socket, 'open');
  });
  test('the server sees no subprotocol of the gate', async () => {
    const before = upstream.seen.length;
    const socket = open(gate, { protocols: ['chat'] });
    await next(socket, 'open');
    assert.equal(socket.protocol, 'chat');
    const { headers } = upstream.seen[before];
    const offered = headers.filter(([name]) => name.toLowerCase() === 'sec-websocket-protocol');
    assert.deepEqual(
      offered.map(([, value]) => value),
      ['chat'],
    );
  });
});

describe('with reconnect: false', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  for (const [what, options, types] of [
    ['ends', {}, ['open', 'close']],
    ['is refused', { getToken: () => 'bad' }, ['refused', 'close']],
  ]) {
    test(`a socket that ${what} stays closed`, async () => {
      const socket = open(gate, { reconnect: false, ...options });
      const closed = last(socket);
      if (types.includes('open')) {
        await next(socket, 'open');
        for (const client of upstream.sockets.clients) client.close(1012);
      }
      const { retryIn } = await closed;
      assert.equal(retryIn, null);
      assert.deepEqual(typesOf(socket), types);
      assert.equal(socket.readyState, PortcullisSocket.CLOSED);
    });
  }
  test('getToken is told of the sockets before', async () => {
    const occasions = [];
    const Socket = PortcullisSocket.with({
      getToken({ reason, failures }) {
        occasions.push([reason, failures]);
        return reason === 'refused' ? mint() : 'bad';
      },
    });
    const refused = new Socket(gate.url);
    await next(refused, 'close');
    const socket = new Socket(gate.url, 'chat');
    await next(socket, 'open');
    assert.equal(socket.protocol, 'chat');
    assert.deepEqual(occasions, [
      ['connect', 0],
      ['refused', 1],
    ]);
    socket.close();
  });
});

describe('under a cap whose newest sockets win', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...vars, MAX_SOCKETS_USER: '1', ON_FULL: 'close_oldest' },
  });
  test('two tabs don’t replace each other for ever', async () => {
    const sub = fresh('holder');
    const getToken = () => mint({ sub });
    const first = open(gate, { getToken });
    await next(first, 'open');
    const gone = last(first);
    const second = open(gate, { getToken });
    await next(second, 'open');
    const { code, reason, retryIn } = await gone;
    assert.deepEqual([code, reason, retryIn], [4408, 'replaced', null]);
    // The user looks at the first one again, and says so.
    const replaced = last(second);
    first.reconnect();
    await next(first, 'open');
    assert.equal((await replaced).reason, 'replaced');
    assert.equal(await echo(first, 'here'), 'here');
  });
});

describe('a heartbeat', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...vars, HEARTBEAT: `${EVERY}ms` } });
  const links = [];
  const proxy = net.createServer((near) => {
    const far = net.connect(new URL(gate.url).port, '127.0.0.1');
    links.push([near, far]);
    near.pipe(far).pipe(near);
    for (const one of [near, far]) one.on('error', () => {});
  });
  after(() => {
    for (const link of links) for (const one of link) one.destroy();
    proxy.close();
  });

  test('keeps a socket open on which nobody speaks, and is no message', async () => {
    const heard = [];
    upstream.sockets.once('connection', (socket) => {
      socket.on('message', (data) => heard.push(String(data)));
    });
    const socket = open(gate);
    await next(socket, 'open');
    const began = performance.now();
    while (performance.now() - began < 3 * EVERY) await echo(socket, 'x');
    assert.deepEqual([...new Set(heard)], ['x']);
    assert.ok(!socket.log.some(({ data }) => data?.startsWith?.('portcullis')));
  });
  test('that fails to come tells that the link is cut', async () => {
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const socket = open(`ws://127.0.0.1:${proxy.address().port}`);
    await next(socket, 'open');
    await echo(socket, 'x');
    for (const one of links[0]) one.unpipe().pause();
    const [failed] = await Promise.all([next(socket, 'error'), several(socket, 'close', 1)]);
    assert.equal(failed.message, 'the gate is not heard any more');
    await next(socket, 'open');
    assert.equal(await echo(socket, 'back'), 'back');
  });
});
