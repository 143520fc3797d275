// Clients that do not answer a close are cut off, which is no fault to be logged.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { assertRefused, requestId } from '../../support/answers.mjs';
import { useGate } from '../../support/gate.mjs';
import { useUpstream } from '../../support/upstream.mjs';

// Miniflare's own Worker in front would keep the exception to itself.
const direct = (gate, changes) => gate.knock(changes, { to: gate.direct });

/** Lines of the log about an exception, once a later request has left its record there. */
async function exceptions(gate) {
  const later = await direct(gate, { Origin: 'https://evil.example', Upgrade: 'nonsense' });
  await gate.log.record(requestId(later));
  return gate.log.lines.filter(({ level, message }) => level === 'error' || /abort/i.test(message));
}

describe('a client that does not answer the close', { concurrency: true }, () => {
  describe('of a refusal', () => {
    const gate = useGate({ vars: { UPSTREAM_URL: 'ws://127.0.0.1:1', REJECT_WITH: 'close' } });
    test('is cut off without an exception in the log', async () => {
      const { status, socket } = await direct(gate, { Origin: 'https://evil.example' });
      assert.equal(status, 101);
      await once(socket.resume(), 'close');
      assert.deepEqual(await exceptions(gate), []);
    });
  });

  describe('of an inspected socket', () => {
    const upstream = useUpstream({ onSocket: (socket) => socket.close(1000, 'bye') });
    const gate = useGate({ upstream, vars: { RELAY: 'inspect' } });
    test('is cut off without an exception in the log', async () => {
      const { socket } = await direct(gate);
      await once(socket.resume(), 'close');
      assert.deepEqual(await exceptions(gate), []);
    });
  });

  // As one whose link was cut without a word: its TCP connection stays, and nothing comes from it.
  describe('since it is dead', () => {
    const upstream = useUpstream();
    const vars = { RATE_LIMIT_IP: 'off', KEY_REPLAY_WINDOW: 'off', MAX_SOCKETS_IP: '1' };
    const gate = useGate({ upstream, vars: { ...vars, IDLE_TIMEOUT: '1s' } });
    test('gives its slot back at IDLE_TIMEOUT, and not when it is cut off', async () => {
      const headers = { 'CF-Connecting-IP': '192.0.2.1' };
      const dead = await gate.knock(headers);
      assert.equal(dead.status, 101);
      assertRefused(await gate.knock(headers), 'too_many_sockets');
      const { reason } = await gate.log.closed(requestId(dead));
      assert.equal(reason, 'idle');
      const isOpen = () => !dead.socket.destroyed;
      while ((await gate.knock(headers)).status !== 101)
        assert.ok(isOpen(), 'it was cut off first');
      assert.ok(isOpen());
    });
  });
});
