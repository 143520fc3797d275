// Hundreds of upgrades at once, with the object restarted half-way; and the network that counts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { freshAddress, freshKey, from, repeat, useGate } from '../../support/gate.mjs';
import { ofAddress } from '../../support/ledgers.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const CROWD = 300;
/** With more on their way, Miniflare's call that evicts an object may never come back. */
const AMID = 30;

describe('a crowd', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { RATE_LIMIT_IP: '9/1h', LIMITER_TIMEOUT: '60s' } });
  const knocks = (address, count) =>
    Array.from({ length: count }, () => gate.knock(from(address)).then(reasonOf));
  const count = (seen, reason) => seen.filter((one) => one === reason).length;

  test('of one address is admitted exactly as often as its quota says', async () => {
    const seen = await Promise.all(knocks(freshAddress(), CROWD));
    assert.deepEqual([count(seen, 'admitted'), count(seen, 'rate_limited')], [9, CROWD - 9]);
  });

  test('and never more often, with its object evicted amid it', async () => {
    const address = freshAddress();
    const evict = () =>
      gate.miniflare.unsafeEvictDurableObject('gate', 'Ledger', { name: ofAddress(address) });
    const first = knocks(address, 4);
    await Promise.race(first);
    await evict();
    const all = [...first, ...knocks(address, AMID)];
    await Promise.race(all.slice(4));
    await evict();
    all.push(...knocks(address, AMID));
    const seen = await Promise.all(all);
    // An attempt that an eviction cut off may be counted and yet be refused.
    assert.ok(count(seen, 'admitted') <= 9, `${count(seen, 'admitted')}`);
    const lost = count(seen, 'limiter_unavailable');
    assert.ok(count(seen, 'admitted') + lost >= 9, `${lost} lost`);
    assert.equal(reasonOf(await gate.knock(from(address))), 'rate_limited');
  });
});

describe('IPV6_PREFIX', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { RATE_LIMIT_IP: '3/1h', IPV6_PREFIX: '48' } });
  test('is what an address is counted and recorded by', async () => {
    await repeat(3, async (at) => {
      const answer = await gate.knock(from(`2001:db8:7:${at}::1`));
      assert.equal(reasonOf(answer), 'admitted');
      const { address } = await gate.log.record(requestId(answer));
      assert.equal(address, '2001:db8:7::/48');
    });
    assert.equal(reasonOf(await gate.knock(from('2001:db8:7:ffff::1'))), 'rate_limited');
    assert.equal(reasonOf(await gate.knock(from('2001:db8:8::1'))), 'admitted');
  });
});

describe('routes with a limit of their own', () => {
  const upstream = useUpstream();
  const vars = {
    RATE_LIMIT_IP: '2/1h',
    ROUTES: JSON.stringify([{ path: '/a', rate_limit_ip: '1/1h' }, { path: '/b' }, { path: '/c' }]),
  };
  const gate = useGate({ upstream, vars });
  test('count apart, and know the keys of the others', async () => {
    const address = freshAddress();
    const key = freshKey();
    const knock = async (target, more) =>
      reasonOf(await gate.knock(from(address, more), { target }));
    assert.equal(await knock('/b', { 'Sec-WebSocket-Key': key }), 'admitted');
    assert.equal(await knock('/a', { 'Sec-WebSocket-Key': key }), 'replayed_key');
    assert.equal(await knock('/a'), 'rate_limited');
    assert.equal(await knock('/c'), 'admitted');
    assert.equal(await knock('/b'), 'rate_limited');
  });
});
