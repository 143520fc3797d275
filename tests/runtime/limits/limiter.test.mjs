// The quota per address, exactly, and for as long as its window.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { setTimeout as passing } from 'node:timers/promises';
import { AGED, ring } from '../../support/aged.mjs';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import {
  freshAddress,
  freshKey,
  from,
  repeat,
  UNCOUNTED,
  useFolder,
  useGate,
  withGate,
} from '../../support/gate.mjs';
import { calls, ofAddress, plan, withLedger } from '../../support/ledgers.mjs';
import { rowsIn } from '../../support/sqlite.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const reasons = async (gate, count, address) => {
  const answers = Array.from({ length: count }, () => gate.knock(from(address)));
  return (await Promise.all(answers)).map(reasonOf);
};
const admitted = (list) => list.filter((reason) => reason === 'admitted').length;
const retryAfter = (answer) => Number(new Map(answer.headers).get('retry-after'));

describe('a quota', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { RATE_LIMIT_IP: '5/1h' } });

  test('admits exactly its count of many concurrent attempts', async () => {
    const seen = await reasons(gate, 40, freshAddress());
    assert.equal(admitted(seen), 5);
    assert.ok(seen.every((reason) => ['admitted', 'rate_limited'].includes(reason)));
  });
  test('of one address leaves the others alone', async () => {
    const exhausted = freshAddress();
    await reasons(gate, 6, exhausted);
    assert.equal(admitted(await reasons(gate, 5, freshAddress())), 5);
    assert.equal(reasonOf(await gate.knock(from(exhausted))), 'rate_limited');
  });
  test('counts an IPv6 address by its /64', async () => {
    await repeat(5, async (at) => {
      assert.equal(reasonOf(await gate.knock(from(`2001:db8:0:1::${at + 1}`))), 'admitted');
    });
    assert.equal(reasonOf(await gate.knock(from('2001:db8:0:1:ffff::9'))), 'rate_limited');
    assert.equal(reasonOf(await gate.knock(from('2001:DB8:0:1::1'))), 'rate_limited');
    assert.equal(reasonOf(await gate.knock(from('2001:db8:0:2::1'))), 'admitted');
  });
  test('counts an IPv4 address however it is written', async () => {
    await reasons(gate, 5, '192.0.2.1');
    assert.equal(reasonOf(await gate.knock(from('::ffff:192.0.2.1'))), 'rate_limited');
  });
  test('counts attempts with a replayed key', async () => {
    const used = from(freshAddress(), { 'Sec-WebSocket-Key': freshKey() });
    const seen = [];
    await repeat(6, async () => seen.push(reasonOf(await gate.knock(used))));
    assert.deepEqual(seen, ['admitted', ...Array(4).fill('replayed_key'), 'rate_limited']);
  });
  test('survives the eviction of its object', async () => {
    const address = freshAddress();
    await repeat(4, () => gate.knock(from(address)));
    const key = freshKey();
    await gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', { name: ofAddress(address) });
    assert.equal(
      reasonOf(await gate.knock(from(address, { 'Sec-WebSocket-Key': key }))),
      'admitted',
    );
    await gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', { name: ofAddress(address) });
    assert.equal(reasonOf(await gate.knock(from(address))), 'rate_limited');
  });
});

describe('a quota over a restart of everything', () => {
  const upstream = useUpstream();
  const persist = useFolder();
  const during = (work) => withGate({ upstream, persist, vars: { RATE_LIMIT_IP: '3/1h' } }, work);

  test('goes on where it was, and remembers the keys', async () => {
    const address = freshAddress();
    const key = freshKey();
    const used = from(address, { 'Sec-WebSocket-Key': key });
    await during(async (gate) => assert.equal(reasonOf(await gate.knock(used)), 'admitted'));
    await during(async (gate) => {
      assert.equal(reasonOf(await gate.knock(used)), 'replayed_key');
      assert.deepEqual((await reasons(gate, 3, address)).sort(), [
        'admitted',
        'rate_limited',
        'rate_limited',
      ]);
    });
  });
});

describe('a short quota', () => {
  const upstream = useUpstream();
  const vars = { RATE_LIMIT_IP: '2/2s', KEY_REPLAY_WINDOW: '2s' };
  const gate = useGate({ upstream, vars });

  test('admits again after Retry-After, and its whole count', async () => {
    const address = freshAddress();
    assert.equal(admitted(await reasons(gate, 2, address)), 2);
    const refused = await gate.knock(from(address));
    const wait = retryAfter(refused);
    assert.ok(wait === 1 || wait === 2, `Retry-After: ${wait}`);
    assertRefused(refused, 'rate_limited', {
      headers: {
        'retry-after': `${wait}`,
        ratelimit: `"ip";r=0;t=${wait}`,
        'ratelimit-policy': '"ip";q=2;w=2',
      },
    });
    await passing(wait * 1000);
    assert.equal(admitted(await reasons(gate, 4, address)), 2);
  });

  test('a key may be used again after the replay window', async () => {
    const used = from(freshAddress(), { 'Sec-WebSocket-Key': freshKey() });
    assert.equal(reasonOf(await gate.knock(used)), 'admitted');
    assert.equal(reasonOf(await gate.knock(used)), 'replayed_key');
    await passing(retryAfter(await gate.knock(used)) * 1000);
    assert.equal(reasonOf(await gate.knock(used)), 'admitted');
  });
});

describe('the storage of a ledger', () => {
  const upstream = useUpstream();
  const persist = useFolder();
  const vars = { RATE_LIMIT_IP: '2/2s', KEY_REPLAY_WINDOW: '2s' };
  const gate = useGate({ upstream, persist, vars, ...AGED });

  test('is emptied once its address was idle for a day, and used again', async () => {
    const address = freshAddress();
    await gate.knock(from(address));
    assert.equal(rowsIn(persist), 1);
    const after = (milliseconds) => ring(gate, 'LEDGER', ofAddress(address), milliseconds);
    await after(DAY - HOUR);
    assert.equal(rowsIn(persist), 1);
    await after(DAY + 2000);
    assert.equal(rowsIn(persist), 0);
    assert.deepEqual((await reasons(gate, 3, address)).sort(), [
      'admitted',
      'admitted',
      'rate_limited',
    ]);
    assert.equal(rowsIn(persist), 1);
  });
});

describe('what an isolate knows', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { RATE_LIMIT_IP: '3/1h' }, ...withLedger('Double') });

  test('an exhausted address is refused without asking its object', async () => {
    const address = freshAddress();
    assert.equal(admitted(await reasons(gate, 3, address)), 3);
    assert.equal((await calls(gate, ofAddress(address))).length, 3);
    assert.deepEqual(await reasons(gate, 20, address), Array(20).fill('rate_limited'));
    await gate.knock(from(address, { Origin: 'https://evil.example' }));
    assert.equal((await calls(gate, ofAddress(address))).length, 3);
  });
  test('an exhausted address is refused even if its object is gone', async () => {
    const address = freshAddress();
    await reasons(gate, 3, address);
    await plan(gate, { [ofAddress(address)]: 'throw' });
    const answer = await gate.knock(from(address));
    assert.equal(reasonOf(answer), 'rate_limited');
    const { stage, cause } = await gate.log.record(requestId(answer));
    assert.deepEqual({ stage, cause }, { stage: 'known', cause: 'known in this isolate' });
  });

  for (const [milliseconds, seconds] of [
    [1, 1],
    [999, 1],
    [1000, 1],
    [1001, 2],
    [59_999, 60],
    [3_600_000, 3600],
  ]) {
    test(`a wait of ${milliseconds} ms is a Retry-After of ${seconds}, rounded up`, async () => {
      const address = freshAddress();
      await plan(gate, { [ofAddress(address)]: `limited ${milliseconds}` });
      assertRefused(await gate.knock(from(address)), 'rate_limited', {
        headers: {
          'retry-after': `${seconds}`,
          ratelimit: `"ip";r=0;t=${seconds}`,
          'ratelimit-policy': '"ip";q=3;w=3600',
        },
      });
    });
  }
});

describe('without a quota and a replay window', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: UNCOUNTED, ...withLedger('Double') });
  let address;
  before(() => (address = freshAddress()));

  test('all are admitted, with a used key too, and no object is asked', async () => {
    const used = from(address, { 'Sec-WebSocket-Key': freshKey() });
    await repeat(3, async () => assert.equal(reasonOf(await gate.knock(used)), 'admitted'));
    assert.equal(admitted(await reasons(gate, 80, address)), 80);
    assert.deepEqual(await calls(gate, ofAddress(address)), []);
  });
});
