// An administrator lifts the bans that an address's failures brought, by whatever prefix it is
// counted.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { administer, done, WATCHED } from '../../support/admin.mjs';
import { reasonOf } from '../../support/answers.mjs';
import { freshAddress, repeat, useGate } from '../../support/gate.mjs';
import { mint } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

describe('bans of routes with prefixes of their own', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...WATCHED,
      ROUTES: JSON.stringify([
        { path: '/*', ban_after: '3/1h for 1h' },
        { path: '/wide', ban_after: '3/1h for 1h', ipv6_prefix: '56' },
        { path: '/narrow', ban_after: '3/1h for 1h', ipv6_prefix: '128' },
        { path: '/unbanned', ipv6_prefix: '48' },
      ]),
    },
  });
  const knock = async (target, from, headers = {}) => {
    const answer = await gate.knock(
      { Authorization: `Bearer ${mint()}`, 'CF-Connecting-IP': from, ...headers },
      { target },
    );
    return reasonOf(answer);
  };
  const failUntilBanned = async (target, from) => {
    await repeat(3, () => knock(target, from, { Authorization: 'Bearer x' }));
    // What is counted behind an answer is known a moment later.
    while ((await knock(target, from)) !== 'banned');
  };

  let networks = 0;
  for (const [target, isOne] of [
    ['/', (ip) => `${ip}1`],
    // Another network of 64 bits, but one network of 56.
    ['/wide', (ip) => ip.replace('aa::', 'bb::1')],
    ['/narrow', (ip) => `${ip}7`],
  ]) {
    test(`are lifted on ${target}`, async () => {
      networks += 1;
      const ip = `2001:db8:${networks}:aa::`;
      await failUntilBanned(target, `${ip}7`);
      assert.equal(await knock(target, isOne(ip)), 'banned');
      await done(gate, 'DELETE', `bans/${ip}7`);
      assert.equal(await knock(target, `${ip}7`), 'admitted');
      assert.equal(await knock(target, isOne(ip)), 'admitted');
    });
  }

  test('are lifted all at once, and no others', async () => {
    const [ip, other] = ['2001:db8:10:aa::7', '2001:db8:11:aa::7'];
    for (const target of ['/', '/wide', '/narrow']) {
      await failUntilBanned(target, ip);
      await failUntilBanned(target, other);
    }
    await done(gate, 'DELETE', `bans/${ip}`);
    for (const target of ['/', '/wide', '/narrow', '/unbanned']) {
      assert.equal(await knock(target, ip), 'admitted', target);
    }
    for (const target of ['/', '/wide', '/narrow']) {
      assert.equal(await knock(target, other), 'banned', target);
    }
  });

  test('of an IPv4 address is lifted', async () => {
    const address = freshAddress();
    await failUntilBanned('/wide', address);
    await done(gate, 'DELETE', `bans/${address}`);
    assert.equal(await knock('/wide', address), 'admitted');
  });

  test('are not an administrator’s own, which hold on all routes alike', async () => {
    const [ip, other] = ['2001:db8:13:aa::7', '2001:db8:13:aa:1::'];
    const targets = ['/', '/wide', '/narrow', '/unbanned'];
    await done(gate, 'PUT', `bans/${ip}`);
    for (const target of targets) {
      for (const from of [ip, other]) assert.equal(await knock(target, from), 'banned', target);
      assert.equal(await knock(target, '2001:db8:13:bb::7'), 'admitted', target);
    }
    await done(gate, 'DELETE', `bans/${ip}`);
    for (const target of targets) assert.equal(await knock(target, ip), 'admitted', target);
  });

  test('are not looked for by a network that the gate does not count', async () => {
    for (const method of ['PUT', 'DELETE']) {
      const answer = await administer(gate, method, 'bans/2001:db8:12::/56');
      const { status, detail } = JSON.parse(answer.body);
      assert.deepEqual(
        { status, detail },
        {
          status: 400,
          detail: '"2001:db8:12::/56" is no network that is counted as one; write an address in it',
        },
      );
    }
  });
});
