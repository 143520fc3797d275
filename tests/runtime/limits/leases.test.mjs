// Attempts that are lent to a machine, and refused ones that it tells together.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf } from '../../support/answers.mjs';
import { freshAddress, from, repeat, useGate } from '../../support/gate.mjs';
import { calls, ofAddress, plan, withLedger } from '../../support/ledgers.mjs';
import { REQUIRED } from '../../support/tokens.mjs';
import { until } from '../../support/until.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const FORGED = { Authorization: 'Bearer a.b.c' };
/** The operations of calls, without the names of leases. */
const operations = (paths) =>
  paths.map((path) => path.split('/')[1].replaceAll(/\d{4,}/g, 'lease'));

describe('an address that comes often', () => {
  const upstream = useUpstream();
  const vars = { RATE_LIMIT_IP: '6400/1h', KEY_REPLAY_WINDOW: 'off' };
  const gate = useGate({ upstream, vars, ...withLedger('Double') });
  test('is admitted from its lease without a call', async () => {
    const address = freshAddress();
    await plan(gate, { [ofAddress(address)]: 'lent.100 0 0' });
    await repeat(60, async () => {
      assert.equal(reasonOf(await gate.knock(from(address))), 'admitted');
    });
    const made = operations(await calls(gate, ofAddress(address)));
    assert.deepEqual(made.slice(0, 2), ['admit', 'borrow.lease.2']);
    // A second may end meanwhile.
    assert.ok(made.length < 30, `${made}`);
  });
});

describe('a quota', () => {
  const upstream = useUpstream();
  const vars = { RATE_LIMIT_IP: '256/1h', KEY_REPLAY_WINDOW: 'off' };
  const gate = useGate({ upstream, vars });
  test('holds with what is lent, over restarts of its counter', async () => {
    const address = freshAddress();
    const name = ofAddress(address);
    let admitted = 0;
    for (let knocks = 0; knocks < 300; knocks += 1) {
      const reason = reasonOf(await gate.knock(from(address)));
      admitted += reason === 'admitted' ? 1 : 0;
      if (reason === 'rate_limited') break;
      if (knocks % 60 === 59) {
        await gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', { name });
      }
    }
    assert.ok(admitted <= 256 && admitted > 128, `${admitted}`);
    assert.equal(reasonOf(await gate.knock(from(address))), 'rate_limited');
  });
});

describe('refused tokens of one address', () => {
  const upstream = useUpstream();
  const vars = { ...REQUIRED, RATE_LIMIT_IP: '800/1h' };
  const gate = useGate({ upstream, vars, ...withLedger('Double') });
  test('are told together after the first', async () => {
    const address = freshAddress();
    await repeat(20, async () => {
      assert.equal(reasonOf(await gate.knock(from(address, FORGED))), 'token_invalid');
    });
    const told = await until(
      async () => {
        const made = operations(await calls(gate, ofAddress(address)));
        return made.map((operation) => Number(operation.split('.')[1]));
      },
      (numbers) => numbers.reduce((sum, number) => sum + number, 0) === 20,
    );
    assert.equal(told[0], 1);
    assert.ok(told.length < 10, `${told}`);
  });
});
