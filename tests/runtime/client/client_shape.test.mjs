// The browser module in Node has the shape of a WebSocket, and what its users expect beside.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PortcullisSocket } from '../../../client/portcullis.js';
import { echo, last, next, open } from '../../support/client.mjs';
import { useGate } from '../../support/gate.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

const vars = {
  AUTH: 'required',
  JWT_SECRET: SECRET,
  ORIGIN_MISSING: 'allow',
  RATE_LIMIT_IP: 'off',
  REJECT_WITH: 'close',
  ROUTES: JSON.stringify([
    { path: '/' },
    { path: '/open', auth: 'off' },
    { path: '/strict', required_scopes: 'chat' },
    { path: '/dead', upstream_url: 'ws://127.0.0.1:1' },
  ]),
};
const NEVER = { firstDelay: 3_600_000, mostDelay: 3_600_000, random: () => 1 };
const typesOf = ({ log }) => log.map(({ type }) => type);

describe('its shape', () => {
  const upstream = useUpstream({ handleProtocols: (offered) => [...offered][0] });
  const gate = useGate({ upstream, vars });

  test('is a WebSocket’s', () => {
    const socket = open(gate);
    for (const name of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']) {
      assert.equal(PortcullisSocket[name], WebSocket[name], name);
      assert.equal(socket[name], WebSocket[name], name);
    }
    const members = Object.keys(Object.getOwnPropertyDescriptors(WebSocket.prototype));
    assert.deepEqual(
      members.filter((name) => !(name in PortcullisSocket.prototype)),
      [],
    );
  });
  for (const protocols of ['chat', ['chat', 'v1']]) {
    test(`takes ${typeof protocols === 'string' ? 'a subprotocol' : 'subprotocols'} in place of options`, async (t) => {
      const url = new URL('/open', gate.url);
      const socket = new PortcullisSocket(url, protocols);
      t.after(() => socket.close());
      await next(socket, 'open');
      assert.equal(socket.protocol, 'chat');
    });
  }
  test('calls the function that on… was set to last', async () => {
    const socket = open(gate);
    assert.equal(socket.onopen, null);
    const calls = [];
    socket.onopen = () => calls.push('never');
    socket.onopen = function ({ type }) {
      calls.push([type, this === socket]);
    };
    socket.onmessage = () => calls.push('never');
    socket.onmessage = null;
    socket.onclose = 'no function';
    assert.equal(socket.onclose, null);
    await next(socket, 'open');
    await echo(socket, 'x');
    assert.deepEqual(calls, [['open', true]]);
  });
  test('keeps its binaryType where another is unknown', async () => {
    const socket = open(gate);
    socket.binaryType = 'arraybuffer';
    socket.binaryType = 'text';
    assert.equal(socket.binaryType, 'arraybuffer');
  });
  for (const [what, url] of [
    ['no URL at all', 'no URL'],
    ['another scheme', 'ftp://gate.example/'],
    ['a fragment', 'wss://gate.example/#'],
  ]) {
    test(`does not take ${what}`, () => {
      assert.throws(() => new PortcullisSocket(url), { name: 'SyntaxError' });
    });
  }
  for (const [options, name] of [
    [{ protocols: ['chat', 'chat'] }, 'SyntaxError'],
    [{ protocols: 'bearer' }, 'SyntaxError'],
    [{ getToken: 'a token' }, 'TypeError'],
    [{ handover: 'cookie' }, 'TypeError'],
    [{ connectTimeout: 0 }, 'RangeError'],
    [{ firstDelay: 0 }, 'RangeError'],
    [{ firstDelay: 2, mostDelay: 1 }, 'RangeError'],
  ]) {
    test(`does not take ${JSON.stringify(options)}`, () => {
      assert.throws(() => new PortcullisSocket('wss://gate.example/', options), { name });
    });
  }
  test('takes no reason that a close can’t carry', async () => {
    const socket = open(gate);
    assert.throws(() => socket.close(1000, 'é'.repeat(62)), { name: 'SyntaxError' });
    await next(socket, 'open');
    socket.close(1000, 'é'.repeat(61));
    assert.equal((await last(socket)).reason, 'é'.repeat(61));
  });
  test('tells of a failure by an error before the close', async () => {
    const socket = open(`ws://127.0.0.1:${await deadPort()}`, NEVER);
    const types = [];
    for (const type of ['error', 'close']) socket.addEventListener(type, () => types.push(type));
    const failed = next(socket, 'error');
    const { error } = await next(socket, 'close');
    assert.deepEqual(types, ['error', 'close']);
    assert.equal((await failed).error, error);
    assert.equal((await failed).message, error.message);
  });
});

describe('a token', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  test('is not asked for before it is needed', async () => {
    let asked = 0;
    const getToken = () => {
      asked += 1;
      return mint();
    };
    const closed = open(gate, { getToken });
    assert.equal(asked, 0);
    closed.close();
    await last(closed);
    assert.equal(asked, 0);
  });
  test('is not asked for again by a function that closes the socket', async () => {
    const socket = open(gate, {
      async getToken() {
        socket.close();
        throw new Error('nobody is signed in');
      },
    });
    const { code, retryIn } = await last(socket);
    assert.deepEqual([code, retryIn], [1006, null]);
    assert.deepEqual(typesOf(socket), ['close']);
  });
  test('that was refused is not taken from a cache, also where another does not come', async () => {
    const occasions = [];
    const socket = open(gate, {
      getToken({ reason, failures }) {
        occasions.push([reason, failures]);
        if (occasions.length === 2) throw new Error('no network');
        return reason === 'refused' ? mint() : 'x';
      },
    });
    await next(socket, 'refused');
    await next(socket, 'open');
    assert.deepEqual(occasions, [
      ['connect', 0],
      ['refused', 1],
      ['refused', 2],
    ]);
  });
  test('may be refused time and again while others are not', async () => {
    const getToken = ({ reason }) => (reason === 'refused' ? mint() : 'x');
    const socket = open(gate, { target: '/dead', getToken });
    const codes = [];
    socket.addEventListener('refused', ({ code }) => codes.push(code));
    while (codes.length < 8) await next(socket, 'refused');
    assert.deepEqual(codes, [4401, 1014, 4401, 1014, 4401, 1014, 4401, 1014]);
    assert.equal(socket.readyState, PortcullisSocket.CONNECTING);
  });
  test('that is one of the subprotocols is the end', async () => {
    const socket = open(gate, { protocols: ['chat'], getToken: () => 'chat' });
    const { error } = await last(socket);
    assert.match(error.message, /handed over by subprotocol$/);
  });
  test('of one socket is not another’s', async () => {
    const sockets = ['ann', 'bob'].map((sub) => open(gate, { getToken: () => mint({ sub }) }));
    const before = upstream.seen.length;
    await Promise.all(sockets.map((socket) => next(socket, 'open')));
    const subjects = upstream.seen
      .slice(before)
      .map(({ headers }) => new Map(headers.map(([name, value]) => [name.toLowerCase(), value])))
      .map((headers) => headers.get('portcullis-subject'));
    assert.deepEqual(subjects.sort(), ['ann', 'bob']);
    sockets[0].close();
    await last(sockets[0]);
    assert.equal(await echo(sockets[1], 'still here'), 'still here');
  });
});

describe('another connection', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  test('is made on demand in place of an open one', async () => {
    const socket = open(gate, NEVER);
    await next(socket, 'open');
    const closed = next(socket, 'close');
    const again = next(socket, 'open');
    socket.reconnect();
    assert.equal(socket.readyState, PortcullisSocket.CONNECTING);
    assert.equal((await closed).retryIn, 0);
    await again;
    assert.equal(await echo(socket, 'again'), 'again');
    assert.deepEqual(typesOf(socket), ['open', 'close', 'open', 'message']);
  });
  test('is made on demand in place of a wait', async () => {
    const socket = open(gate, NEVER);
    await next(socket, 'open');
    const closed = next(socket, 'close');
    for (const client of upstream.sockets.clients) client.terminate();
    assert.equal((await closed).retryIn, 3_600_000);
    socket.reconnect();
    await next(socket, 'open');
  });
  test('is not made after the end', async () => {
    const socket = open(gate);
    await next(socket, 'open');
    socket.close();
    socket.reconnect();
    await last(socket);
    socket.reconnect();
    assert.equal(socket.readyState, PortcullisSocket.CLOSED);
  });
  test('follows a code of the server’s own where it is named', async () => {
    const socket = open(gate, { retryCodes: [4000] });
    await next(socket, 'open');
    const closed = next(socket, 'close');
    for (const client of upstream.sockets.clients) client.close(4000, 'come back');
    assert.equal((await closed).code, 4000);
    await next(socket, 'open');
  });
  test('does not follow a refusal whose listener closes the socket', async () => {
    const socket = open(gate, { target: '/dead' });
    socket.onrefused = () => socket.close();
    const { retryIn } = await last(socket);
    assert.equal(retryIn, null);
    assert.deepEqual(typesOf(socket), ['refused', 'close']);
  });
});
