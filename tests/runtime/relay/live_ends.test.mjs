// Ends of inspected sockets that a well-behaved peer does not make.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { MODULES } from '../../../tools/gate.mjs';
import { inRoot } from '../../../tools/run.mjs';
import { requestId } from '../../support/answers.mjs';
import { closeFrame, closing, frame } from '../../support/closing.mjs';
import { ask, useGate } from '../../support/gate.mjs';
import { acceptance, useRawUpstream, useUpstream } from '../../support/upstream.mjs';

/** Resolves with what a TCP socket sends, once it holds `bytes`. */
const received = (socket, bytes) =>
  new Promise((resolve) => {
    let all = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      all = Buffer.concat([all, chunk]);
      if (all.includes(bytes)) resolve(all);
    });
    socket.resume();
  });
/** The payload of a short frame that a client masked (RFC 6455 §5.3). */
const unmasked = (bytes) => {
  const mask = bytes.subarray(2, 6);
  const payload = bytes.subarray(6, 6 + (bytes[1] & 0x7f));
  return payload.map((byte, at) => byte ^ mask[at % 4]);
};

describe('an upstream that writes its own frames', () => {
  let accepted;
  const upstream = useRawUpstream((head, socket) => {
    socket.write(acceptance(head));
    accepted(socket);
  });
  for (const RELAY of ['passthrough', 'inspect']) {
    describe(`RELAY=${RELAY}`, () => {
      const gate = useGate({ upstream, vars: { RELAY } });
      const open = async () => {
        const other = new Promise((resolve) => (accepted = resolve));
        const client = await gate.connect();
        return { client, server: await other };
      };

      test('may speak on when the client has closed', async () => {
        const { client, server } = await open();
        const closed = closing(client);
        const last = once(client, 'message');
        const asked = once(server, 'data');
        client.close(1000, 'done');
        const [bytes] = await asked;
        assert.equal(bytes[0], 0x88);
        assert.deepEqual(unmasked(bytes), closeFrame(1000, 'done').subarray(2));
        server.write(frame(1, 'last'));
        assert.equal(String((await last)[0]), 'last');
        server.write(closeFrame(1000, 'bye'));
        assert.deepEqual(await closed, [1000, 'bye']);
      });
      test('may close while the client still speaks', async () => {
        const { client, server } = await open();
        // ws closes at once; a message on its way before that still arrives.
        const said = received(server, Buffer.from([0x88]));
        client.send(Buffer.alloc(0));
        server.write(closeFrame(4000, 'no more'));
        assert.deepEqual(await closing(client), [4000, 'no more']);
        assert.equal((await said)[0], 0x82);
      });
      test('may send a message in fragments', async () => {
        const { client, server } = await open();
        const message = once(client, 'message');
        server.write(Buffer.from([0x01, 2, 0xf0, 0x9f]));
        server.write(Buffer.from([0x00, 1, 0x8f]));
        server.write(Buffer.from([0x80, 1, 0xb0]));
        assert.equal(String((await message)[0]), '\u{1f3f0}');
        client.terminate();
      });
    });
  }

  describe('a close that can’t pass as it is', () => {
    const gate = useGate({ upstream, vars: { RELAY: 'inspect' } });
    for (const code of [0, 999, 1004, 1006, 1015, 1016, 2999, 5000]) {
      test(`code ${code} of the upstream`, async () => {
        const other = new Promise((resolve) => (accepted = resolve));
        const client = await gate.connect();
        const closed = closing(client);
        (await other).write(closeFrame(code));
        assert.deepEqual(await closed, [1014, 'upstream_gone']);
        const { reason, cause } = await gate.log.closed(requestId({ headers: client.answer }));
        assert.deepEqual([reason, cause], ['upstream_gone', `closed (${code})`]);
      });
    }
    test('a frame that is none', async () => {
      const other = new Promise((resolve) => (accepted = resolve));
      const client = await gate.connect();
      const closed = closing(client);
      (await other).write(Buffer.from([0xff, 0x00]));
      assert.deepEqual(await closed, [1014, 'upstream_gone']);
    });
    test('none, since the upstream does not answer the client’s', async () => {
      const other = new Promise((resolve) => (accepted = resolve));
      const client = await gate.connect();
      const server = await other;
      const closed = closing(client);
      client.close(1000, 'bye');
      assert.deepEqual(await closed, [1000, 'bye']);
      await once(server.resume(), 'close');
      const { reason, code } = await gate.log.closed(requestId({ headers: client.answer }));
      assert.deepEqual([reason, code], ['client_closed', 1000]);
    });
  });
});

describe('a client that does not do its part', () => {
  let accepted;
  const upstream = useUpstream({ onSocket: (socket) => accepted(socket) });
  const gate = useGate({ upstream, vars: { RELAY: 'inspect', MAX_MESSAGE_BYTES: '65536' } });
  const knock = async () => {
    const other = new Promise((resolve) => (accepted = resolve));
    const answer = await gate.knock();
    return { answer, client: answer.socket, server: await other };
  };

  test('gets a close for a malformed frame, and the upstream learns of the end', async () => {
    const { client, server } = await knock();
    const closed = closing(server);
    const received1002 = received(client, Buffer.from([0x88]));
    client.write(Buffer.from([0xff, 0x80, 0, 0, 0, 0]));
    assert.deepEqual(await closed, [1001, 'client_gone']);
    assert.equal((await received1002).readUInt16BE(2), 1002);
  });
  test('is cut off if it does not answer a close', async () => {
    const { answer, client, server } = await knock();
    const gone = once(client.resume(), 'close');
    server.close(1000, 'bye');
    await gone;
    const { reason } = await gate.log.closed(requestId(answer));
    assert.equal(reason, 'upstream_closed');
  });
  test('is cut off if it does not read', async () => {
    const { answer, client, server } = await knock();
    const closed = closing(server);
    const message = Buffer.alloc(65536);
    const timer = setInterval(() => {
      for (let at = 0; at < 32; at += 1) server.send(message);
    }, 5);
    assert.deepEqual(await closed, [1013, 'backlog']);
    clearInterval(timer);
    const { reason, upstream: sent } = await gate.log.closed(requestId(answer));
    assert.equal(reason, 'backlog');
    assert.ok(sent.bytes <= 32 << 20, `${sent.bytes} bytes were taken`);
    await once(client.resume(), 'close');
  });
});

// The gate under a clock that a correction sets back: each look at it shows an earlier time.
const CLOCK = `
  export { default } from './main.js';
  export * from './main.js';
  let time = Date.now();
  Date.now = () => (time -= 1000);`;

describe('a socket whose clock is set back', () => {
  const upstream = useUpstream();
  const contents = { type: 'ESModule', path: inRoot('build', 'clock.js'), contents: CLOCK };
  const gate = useGate({
    upstream,
    vars: { RELAY: 'inspect' },
    gate: { modules: [contents, ...MODULES] },
  });
  test('was open for no time, and its end is recorded', async () => {
    const client = await gate.connect();
    assert.equal(await ask(client, 'hello'), 'hello');
    client.close(1000, 'bye');
    const closed = await gate.log.closed(requestId({ headers: client.answer }));
    assert.equal(closed.reason, 'client_closed');
    assert.equal(closed.duration_ms, 0);
  });
});
