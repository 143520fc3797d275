// The browser module in Node, through a real gate.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { PortcullisSocket } from '../../../client/portcullis.js';
import { inRoot } from '../../../tools/run.mjs';
import { DEADLINE, echo, last, next, open, several } from '../../support/client.mjs';
import { useGate } from '../../support/gate.mjs';
import { mint, now, REQUIRED } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

const vars = {
  ...REQUIRED,
  ORIGIN_MISSING: 'allow',
  RATE_LIMIT_IP: 'off',
  REJECT_WITH: 'close',
};
const headerOf = ({ headers }, name) =>
  headers.find(([known]) => known.toLowerCase() === name)?.[1];

describe('a socket', () => {
  const upstream = useUpstream({ handleProtocols: (offered) => [...offered][0] });
  const gate = useGate({ upstream, vars });

  for (const handover of ['subprotocol', 'ticket']) {
    test(`hands over its token by ${handover}, and never in the URL`, async () => {
      const token = mint({ sub: 'carol' });
      const options = { target: '/chat?a=1', handover, protocols: ['v2', 'v1'] };
      const socket = open(gate, { ...options, getToken: async () => token });
      assert.equal(socket.readyState, PortcullisSocket.CONNECTING);
      await next(socket, 'open');
      assert.equal(socket.readyState, PortcullisSocket.OPEN);
      assert.equal(await echo(socket, 'hello'), 'hello');
      assert.equal(socket.protocol, 'v2');
      assert.match(socket.url, /^ws:.*\/chat\?a=1$/);
      const asked = upstream.seen.at(-1);
      assert.equal(asked.url, '/chat?a=1');
      assert.equal(headerOf(asked, 'portcullis-subject'), 'carol');
      socket.close(4321, 'enough');
      const { code, reason, wasClean } = await last(socket);
      assert.deepEqual([code, reason, wasClean], [4321, 'enough', true]);
    });
  }
  test('has no protocol where it gave none', async () => {
    const socket = open(gate);
    await next(socket, 'open');
    assert.equal(socket.protocol, '');
  });
  test('carries bytes in the form that is set', async () => {
    const socket = open(gate);
    socket.binaryType = 'arraybuffer';
    await next(socket, 'open');
    const data = await echo(socket, new Uint8Array([0, 255]));
    assert.deepEqual(new Uint8Array(data), new Uint8Array([0, 255]));
  });
  test('sends only while it is open', async () => {
    const socket = open(gate);
    assert.throws(() => socket.send('x'), { name: 'InvalidStateError' });
    await next(socket, 'open');
    socket.close();
    assert.throws(() => socket.send('x'), { name: 'InvalidStateError' });
    await last(socket);
    assert.throws(() => socket.close(1001), { name: 'InvalidAccessError' });
  });
  test('closed before it opened opens nothing', async () => {
    const before = upstream.seen.length;
    const socket = open(gate, { getToken: () => new Promise(() => {}) });
    socket.close();
    const { code, retryIn } = await last(socket);
    assert.deepEqual([code, retryIn], [1006, null]);
    assert.equal(upstream.seen.length, before);
  });
  test('connects again when the server goes', async () => {
    const socket = open(gate);
    await next(socket, 'open');
    for (let times = 0; times < 3; times += 1) {
      const again = next(socket, 'open');
      for (const client of upstream.sockets.clients) client.terminate();
      await again;
      assert.equal(await echo(socket, `${times}`), `${times}`);
    }
    const closes = socket.log.filter(({ type }) => type === 'close');
    assert.equal(closes.length, 3);
    for (const { code, retryIn } of closes) {
      assert.equal(code, 1006);
      assert.ok(retryIn >= 0 && retryIn <= 8, `${retryIn} ms`);
    }
  });
  for (const [code, goesOn] of [
    [1000, false],
    [1001, true],
    [1008, false],
    [1012, true],
    [4000, false],
  ]) {
    test(`the server’s close of ${code} is ${goesOn ? 'not ' : ''}the end`, async () => {
      const socket = open(gate);
      await next(socket, 'open');
      const closed = next(socket, 'close');
      for (const client of upstream.sockets.clients) client.close(code, 'why');
      const { code: heard, reason, retryIn } = await closed;
      assert.deepEqual([heard, reason, retryIn !== null], [code, 'why', goesOn]);
      assert.deepEqual(
        socket.log.filter(({ type }) => type === 'refused'),
        [],
      );
      socket.close();
    });
  }
  test('keeps nothing running once it is closed', async () => {
    const script = `
      import { PortcullisSocket } from './client/portcullis.js';
      const [url, token] = process.argv.slice(1);
      for (const moment of ['open', 'close', 'at once']) {
        const options = { getToken: () => token, firstDelay: 3_600_000, mostDelay: 3_600_000 };
        const target = moment === 'close' ? 'ws://127.0.0.1:1' : url;
        const socket = new PortcullisSocket(target, options);
        if (moment === 'at once') socket.close();
        else await new Promise((done) => socket.addEventListener(moment, done, { once: true }));
        socket.close();
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, gate.url, mint()], {
      cwd: inRoot(),
      stdio: 'inherit',
      timeout: DEADLINE,
    });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
});

describe('a refusal by close code', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...vars,
      ROUTES: JSON.stringify([
        { path: '/' },
        { path: '/strict', required_scopes: 'chat' },
        { path: '/origin', origin_missing: 'reject' },
        { path: '/slow', rate_limit_ip: '1/1h' },
        { path: '/dead', upstream_url: 'ws://127.0.0.1:1' },
      ]),
    },
  });
  for (const [target, code, reason] of [
    ['/none', 4404, 'no_route'],
    ['/strict', 4403, 'insufficient_scope'],
    ['/origin', 4403, 'origin_missing'],
  ]) {
    test(`${reason} is final`, async () => {
      const socket = open(gate, { target });
      const close = await last(socket);
      assert.deepEqual([close.code, close.reason], [code, reason]);
      const refusals = socket.log.filter(({ type }) => type === 'refused');
      assert.deepEqual(
        refusals.map((event) => [event.code, event.reason, event.action]),
        [[code, reason, 'give up']],
      );
      assert.equal(socket.log.filter(({ type }) => type === 'open').length, 0);
    });
  }
  test('upstream_unreachable is not', async () => {
    const socket = open(gate, { target: '/dead' });
    for (const { code, reason, action } of await several(socket, 'refused', 3)) {
      assert.deepEqual([code, reason, action], [1014, 'upstream_unreachable', 'retry']);
    }
  });
  test('rate_limited is not', async () => {
    const first = open(gate, { target: '/slow' });
    await next(first, 'open');
    first.close();
    const { code, reason, action } = await next(open(gate, { target: '/slow' }), 'refused');
    assert.deepEqual([code, reason, action], [4429, 'rate_limited', 'retry']);
  });
  for (const [reason, token] of [
    ['token_expired', mint({ exp: 1 })],
    ['token_invalid', 'x'],
    ['token_missing', null],
  ]) {
    test(`${reason} asks for a new token`, async () => {
      const occasions = [];
      const getToken = ({ reason: occasion }) => {
        occasions.push(occasion);
        return occasion === 'refused' ? mint() : token;
      };
      const socket = open(gate, { getToken });
      const refused = await next(socket, 'refused');
      assert.deepEqual(
        [refused.code, refused.reason, refused.action],
        [4401, reason, 'authenticate'],
      );
      await next(socket, 'open');
      assert.equal(await echo(socket, 'in'), 'in');
      assert.deepEqual(occasions, ['connect', 'refused']);
    });
  }
  test('three refused tokens are the end', async () => {
    let asked = 0;
    const getToken = () => `wrong-${(asked += 1)}`;
    const socket = open(gate, { getToken });
    assert.equal((await last(socket)).code, 4401);
    assert.equal(asked, 3);
  });
});

describe('a refusal of a ticket', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...vars, REJECT_WITH: 'http', RATE_LIMIT_IP: '3/1h' } });
  const byTicket = { handover: 'ticket' };

  test('is read as well, and the wait that it tells is kept', async () => {
    const getToken = ({ reason }) => (reason === 'refused' ? mint() : mint({ exp: 1 }));
    const socket = open(gate, { ...byTicket, getToken });
    const { code, reason, status, action, requestId } = await next(socket, 'refused');
    assert.deepEqual([code, reason, status, action], [4401, 'token_expired', 401, 'authenticate']);
    assert.match(requestId, /^[0-9a-f]{32}$/);
    await next(socket, 'open');
    socket.close();

    const limited = open(gate, byTicket);
    const close = await next(limited, 'close');
    assert.deepEqual([close.code, close.reason], [4429, 'rate_limited']);
    assert.ok(close.retryIn > 3_500_000, `${close.retryIn} ms`);
    limited.close();
  });
  test('for nowhere is final', async () => {
    const prefix = open(gate, { ...byTicket, target: '/_portcullis/none' });
    assert.equal((await last(prefix)).code, 4404);
  });
});

describe('the wait before another attempt', () => {
  const upstream = useUpstream({ onSocket: (socket) => socket.terminate() });
  const gate = useGate({ upstream, vars });
  const waits = async (url, random) => {
    const socket = open(url, { random });
    const closes = await several(socket, 'close', 6);
    socket.close();
    return closes.map(({ retryIn }) => retryIn);
  };

  test('doubles up to its bound, and anything below it may come', async () => {
    const nobody = `ws://127.0.0.1:${await deadPort()}`;
    assert.deepEqual(await waits(nobody, () => 1), [1, 2, 4, 8, 8, 8]);
    assert.deepEqual(await waits(nobody, () => 0.5), [0.5, 1, 2, 4, 4, 4]);
    assert.deepEqual(await waits(nobody, () => 0), [0, 0, 0, 0, 0, 0]);
  });
  test('grows for a server that accepts and hangs up, too', async () => {
    const socket = open(gate, { random: () => 1, firstDelay: 400, mostDelay: 3_600_000 });
    const [first, second] = await several(socket, 'close', 2);
    assert.deepEqual([first.retryIn, second.retryIn], [400, 800]);
    socket.close();
  });
  test('can’t be none at all', () => {
    assert.throws(() => open(gate, { firstDelay: 0 }), RangeError);
    assert.throws(() => open(gate, { firstDelay: 2, mostDelay: 1 }), RangeError);
  });
});

describe('a token that does not come', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  test('in time is asked for again', async () => {
    let asked = 0;
    const getToken = () => ((asked += 1) === 1 ? new Promise(() => {}) : mint());
    // The attempt that is to open gets the same time.
    const socket = open(gate, { getToken, connectTimeout: 2_000 });
    const { code, error } = await next(socket, 'close');
    assert.deepEqual([code, error.name], [1006, 'TimeoutError']);
    await next(socket, 'open');
  });
  test('for an error is asked for again, and the error told', async () => {
    const failure = new Error('no network');
    let asked = 0;
    const getToken = async () => {
      asked += 1;
      if (asked === 1) throw failure;
      return mint();
    };
    const socket = open(gate, { getToken });
    assert.equal((await next(socket, 'close')).error, failure);
    await next(socket, 'open');
  });
  for (const [handover, token] of [
    ['subprotocol', 'secret of two words'],
    ['subprotocol', 'secret/=='],
    ['ticket', 'secret\r\nof: two lines'],
    ['ticket', { token: 7 }],
  ]) {
    test(`in a form that fits a ${handover} is the end, and not told`, async () => {
      const { error } = await last(open(gate, { handover, getToken: () => token }));
      assert.match(error.message, new RegExp(`handed over by ${handover}$`));
      assert.doesNotMatch(error.stack, /secret|two/);
    });
  }
});

describe('a token that will expire', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  test('is renewed ahead of that, and not again at a gate that renews none', async () => {
    const occasions = [];
    const socket = open(gate, {
      getToken({ reason }) {
        occasions.push(reason);
        if (reason === 'expiring') socket.dispatchEvent(new Event('expiring'));
        return mint({ exp: now() + 4, jti: `${occasions.length}` });
      },
    });
    await next(socket, 'open');
    await next(socket, 'expiring');
    const isRefresh = ({ message }) => message.includes('"no_route"') && JSON.parse(message);
    const { subject } = await gate.log.find(isRefresh, 'a record of the refresh');
    assert.equal(subject, null);
    assert.equal(await echo(socket, 'still here'), 'still here');
    assert.deepEqual(occasions, ['connect', 'expiring']);
  });
});
