// What the inspected sockets of an isolate hold in memory together.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { requestId } from '../../support/answers.mjs';
import { closing } from '../../support/closing.mjs';
import { ask, useGate } from '../../support/gate.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const LARGE = Buffer.alloc(31 << 20);
const CLIENTS = 6;
/** 64 MiB hold two such messages. */
const STAY = 2;

/** A client's text frame, masked with zeros (RFC 6455 §5.3). */
const textFrame = (text) =>
  Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

describe('clients that ask for much and read nothing', () => {
  const ends = [];
  const upstream = useUpstream({
    onSocket(socket) {
      socket.on('message', (data) => {
        if (String(data) !== 'much') {
          socket.send(String(data));
          return;
        }
        ends.push(closing(socket));
        socket.send(LARGE);
      });
    },
  });
  const gate = useGate({ upstream, vars: { RELAY: 'inspect' } });

  test('are closed, those that hold most first, and a bystander is not', async () => {
    const bystander = await gate.connect();
    assert.equal(await ask(bystander, 'hello'), 'hello');
    const records = [];
    for (let at = 0; at < CLIENTS; at += 1) {
      const answer = await gate.knock();
      answer.socket.pause();
      answer.socket.write(textFrame('much'));
      gate.log.closed(requestId(answer)).then(
        (record) => records.push(record),
        () => {},
      );
    }
    await until(
      () => records.length,
      (count) => count === CLIENTS - STAY,
      { every: 20 },
    );
    for (const { reason, code, cause } of records) {
      assert.deepEqual([reason, code], ['backlog', 1013]);
      assert.match(cause, /^of all sockets of its isolate it held most: \d{8} bytes$/);
    }
    assert.deepEqual(await Promise.race(ends), [1013, 'backlog']);
    assert.equal(await ask(bystander, 'still here'), 'still here');
    assert.equal(records.length, CLIENTS - STAY);
    assert.doesNotMatch(gate.log.toString(), /uncaught/i);
  });
});
