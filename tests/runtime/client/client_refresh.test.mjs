// The browser module in Node keeps its sockets past the expiry of their tokens, at a real gate.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { live } from '../../support/admin.mjs';
import { echo, next, open } from '../../support/client.mjs';
import { useGate } from '../../support/gate.mjs';
import { mint, now, SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const EXPIRED = [4401, 'token_expired'];

describe('a token that will expire, at a gate that closes on expiry', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_SECRET: SECRET,
      ORIGIN_MISSING: 'allow',
      RATE_LIMIT_IP: 'off',
      REJECT_WITH: 'close',
      CLOSE_ON_EXPIRY: 'true',
      // Sockets of one room are not moved by a refresh for another, or for none.
      ROUTES: JSON.stringify([
        { path: '/' },
        { path: '/rooms/{room}', claims: { rooms: { contains: '{room}' } } },
      ]),
    },
  });
  /** The gate ended a socket whose token expired after that one. */
  const hasExpired = async (exp) =>
    assert.deepEqual(await (await live(gate, { sub: 'other', exp: exp + 1 })).closed, EXPIRED);
  const typesOf = ({ log }) => log.map(({ type }) => type);

  test('is renewed, and the socket lives past it', async () => {
    const exp = now() + 10;
    const members = ['subprotocol', 'ticket'].map((handover) => {
      const occasions = [];
      const getToken = ({ reason }) => {
        occasions.push(reason);
        const until = reason === 'expiring' ? exp + 300 : exp;
        return mint({ sub: handover, exp: until, rooms: ['a'] });
      };
      const options = { target: '/rooms/a?b=1', handover, getToken, random: () => 0 };
      return { occasions, socket: open(gate, options) };
    });
    await Promise.all(members.map(({ socket }) => next(socket, 'open')));
    await hasExpired(exp);
    for (const { occasions, socket } of members) {
      assert.equal(await echo(socket, 'still here'), 'still here');
      assert.deepEqual(typesOf(socket), ['open', 'message']);
      assert.deepEqual(occasions, ['connect', 'expiring']);
    }
  });

  test('is asked for again while the newer one moves no socket', async () => {
    const exp = now() + 8;
    const occasions = [];
    const getToken = ({ reason }) => {
      occasions.push(reason);
      if (occasions.length === 1) return { token: mint({ sub: 'dora', exp }), expiresIn: 4 };
      const sub = occasions.length === 2 ? 'nobody' : 'dora';
      return mint({ sub, exp: exp + 300 });
    };
    const socket = open(gate, { getToken, random: () => 0 });
    await next(socket, 'open');
    await hasExpired(exp);
    assert.equal(await echo(socket, 'still here'), 'still here');
    assert.deepEqual(typesOf(socket), ['open', 'message']);
    assert.deepEqual(occasions, ['connect', 'expiring', 'expiring']);
  });

  test('without a newer one ends the socket, and another opens with a new token', async () => {
    const old = mint({ sub: 'erin', exp: now() + 5 });
    const occasions = [];
    const getToken = ({ reason }) => {
      occasions.push(reason);
      return reason === 'refused' ? mint({ sub: 'erin' }) : old;
    };
    const socket = open(gate, { getToken });
    await next(socket, 'open');
    const closed = next(socket, 'close');
    const { code, reason, action } = await next(socket, 'refused');
    assert.deepEqual([code, reason, action], [...EXPIRED, 'authenticate']);
    assert.notEqual((await closed).retryIn, null);
    await next(socket, 'open');
    assert.equal(await echo(socket, 'in again'), 'in again');
    assert.deepEqual(typesOf(socket), ['open', 'refused', 'close', 'open', 'message']);
    assert.deepEqual([...new Set(occasions)], ['connect', 'expiring', 'refused']);
    assert.equal(occasions.filter((one) => one === 'refused').length, 1);
  });
});
