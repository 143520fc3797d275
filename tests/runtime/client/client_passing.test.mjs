// The browser module in Node where the gate can't tell, and where a newer socket took a place.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { last, next, open } from '../../support/client.mjs';
import { useGate } from '../../support/gate.mjs';
import { internet, useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const SITE = 'https://id.example';

describe('a token that can’t be verified at the moment', () => {
  const key = makeKey('ES256', 'one');
  const upstream = useUpstream({ onSocket: (socket) => socket.send('in') });
  let isUp = false;
  const server = useServer((request, response) => {
    response.writeHead(isUp ? 200 : 503);
    response.end(JSON.stringify({ keys: [key.jwk] }));
  });
  const gate = useGate(() => ({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_JWKS_URL: `${SITE}/jwks`,
      JWT_AUDIENCE: 'chat',
      ORIGIN_MISSING: 'allow',
      REJECT_WITH: 'close',
      RATE_LIMIT_IP: 'off',
    },
    ...internet({ [SITE]: server.url }),
  }));

  for (const [handover, least] of [
    ['subprotocol', 0],
    // The Retry-After of the endpoint; a close can't carry one.
    ['ticket', 5_000],
  ]) {
    test(`is kept and handed over again by ${handover}`, async () => {
      const token = await sign(key, { aud: 'chat' });
      const occasions = [];
      const getToken = ({ reason }) => {
        occasions.push(reason);
        return token;
      };
      const socket = open(gate, { handover, getToken });
      const refused = await next(socket, 'refused');
      assert.deepEqual(
        [refused.code, refused.reason, refused.action],
        [1013, 'provider_unavailable', 'retry'],
      );
      const { retryIn } = await next(socket, 'close');
      assert.ok(retryIn >= least && retryIn <= least + 8, `${retryIn} ms`);
      assert.deepEqual([...new Set(occasions)], ['connect']);
      socket.close();
    });
  }
  test('connects as soon as the provider is back', async () => {
    const token = await sign(key, { aud: 'chat' });
    const occasions = [];
    const getToken = ({ reason }) => {
      occasions.push(reason);
      return token;
    };
    const socket = open(gate, { getToken, firstDelay: 100, mostDelay: 200 });
    await next(socket, 'refused');
    isUp = true;
    const { data } = await next(socket, 'message');
    assert.equal(data, 'in');
    assert.deepEqual([...new Set(occasions)], ['connect']);
  });
});

describe('a socket whose place a newer one took', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { AUTH: 'off', ORIGIN_MISSING: 'allow', RATE_LIMIT_IP: 'off' },
  });
  const replace = () => {
    for (const client of upstream.sockets.clients) client.close(4408, 'replaced');
  };

  test('gives up, and says why', async () => {
    const socket = open(gate, { getToken: undefined });
    await next(socket, 'open');
    replace();
    const { code, reason } = await last(socket);
    assert.deepEqual([code, reason], [4408, 'replaced']);
    const [refused] = socket.log.filter(({ type }) => type === 'refused');
    assert.deepEqual([refused.reason, refused.action], ['replaced', 'give up']);
  });
  test('goes on where 4408 is among the retryCodes', async () => {
    const socket = open(gate, { getToken: undefined, retryCodes: [4408] });
    await next(socket, 'open');
    replace();
    await next(socket, 'open');
  });
});
