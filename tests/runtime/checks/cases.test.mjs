// Inputs that once went wrong, each for a kind, on workerd's own socket.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { echoes, live, WATCHED } from '../../support/admin.mjs';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import {
  fresh,
  freshAddress,
  from,
  handshake,
  ORIGIN,
  repeat,
  UNCOUNTED,
  useGate,
  withGate,
} from '../../support/gate.mjs';
import { requestBytes, values } from '../../support/http.mjs';
import { internet, useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { bearer, mint, now, REQUIRED, withToken } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

const knock = (gate, headers, request) => gate.knock(headers, { to: gate.direct, ...request });
const admits = async (gate, headers) =>
  assert.equal(reasonOf(await knock(gate, headers)), 'admitted');

describe('the same subject of two ISSUERS', () => {
  const upstream = useUpstream();
  const issuers = ['https://one.example', 'https://two.example'].map((issuer) => ({
    issuer,
    key: makeKey('ES256', 'key'),
  }));
  const gate = useGate({
    upstream,
    vars: {
      ...UNCOUNTED,
      AUTH: 'required',
      RATE_LIMIT_USER: '1/1h',
      ISSUERS: JSON.stringify(
        issuers.map(({ issuer, key }) => ({ issuer, jwks: { keys: [key.jwk] } })),
      ),
    },
  });
  test('is two users, whom the server can tell apart', async () => {
    for (const { issuer, key } of issuers) {
      const token = await sign(key, { iss: issuer, sub: 'alice' });
      const answer = await knock(gate, bearer(token));
      assert.equal(reasonOf(answer), 'admitted');
      const { headers } = upstream.sent(requestId(answer));
      assert.deepEqual(values(headers, 'portcullis-subject'), ['alice']);
      assert.deepEqual(values(headers, 'portcullis-issuer'), [issuer]);
      assert.equal(reasonOf(await knock(gate, bearer(token))), 'rate_limited');
    }
  });
});

describe('an empty subject', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...REQUIRED, RATE_LIMIT_USER: '2/1m' } });
  test('names nobody, so there is no quota for it', async () => {
    for (const iss of ['one', 'two', 'three']) {
      assertRefused(await knock(gate, withToken({ sub: '', iss })), 'token_invalid');
    }
  });
});

describe('BAN_AFTER', () => {
  const upstream = useUpstream();
  const vars = { ...REQUIRED, BAN_AFTER: '3/1m for 1h', JWT_LEEWAY: undefined };
  const gate = useGate({ upstream, vars });
  test('spares a client whose provider’s clock is two seconds ahead', async () => {
    const address = freshAddress();
    await repeat(6, () => admits(gate, withToken({ iat: now() + 2 }, from(address))));
  });
  test('spares a client that tries an expired token six times', async () => {
    const address = freshAddress();
    await repeat(6, async () => {
      const expired = withToken({ exp: now() - 60 }, from(address));
      assert.equal(reasonOf(await knock(gate, expired)), 'token_expired');
    });
    await admits(gate, withToken({}, from(address)));
  });
});

describe('a provider on the same machine that is down', () => {
  const upstream = useUpstream();
  const gate = useGate(async () => ({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_AUDIENCE: 'any',
      JWT_JWKS_URL: `http://127.0.0.1:${await deadPort()}/jwks`,
    },
  }));
  test('is no fault of the token', async () => {
    const answer = await knock(gate, bearer(await sign(makeKey('ES256', 'key'))));
    assert.equal(reasonOf(answer), 'provider_unavailable');
    assert.equal(answer.status, 503);
  });
});

describe('a token', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: REQUIRED });
  test('of 8,754 bytes is admitted', async () => {
    const bare = mint({ pad: '' }).length;
    const token = mint({ pad: 'x'.repeat(Math.floor(((8754 - bare) * 3) / 4)) });
    assert.ok(Math.abs(token.length - 8754) <= 3, `${token.length}`);
    await admits(gate, bearer(token));
  });
  test('in the subprotocol of Phoenix 1.8 is admitted, and the server does not see it', async () => {
    const token = mint();
    const encoded = Buffer.from(token).toString('base64url');
    const offer = `phoenix, base64url.bearer.phx.${encoded}`;
    const answer = await knock(gate, { 'Sec-WebSocket-Protocol': offer });
    assert.equal(reasonOf(answer), 'admitted');
    const { headers } = upstream.sent(requestId(answer));
    assert.deepEqual(values(headers, 'sec-websocket-protocol'), ['phoenix']);
    assert.ok(!JSON.stringify(headers).includes(encoded));
  });
});

describe('a setting that is meant but not known', () => {
  for (const [name, value, meant] of [
    ['JWT_AUD', 'x', 'JWT_AUDIENCE'],
    ['SCOPES', 'admin', 'REQUIRED_SCOPES'],
    ['RATE_LIMIT', '1/1m', 'RATE_LIMIT_IP'],
    ['MAX_SOCKETS', '1', 'MAX_SOCKETS_IP'],
  ]) {
    test(`${name} lets nobody in, and the log names ${meant}`, async () => {
      await withGate({ vars: { ...REQUIRED, [name]: value } }, async (gate) => {
        assertRefused(await knock(gate, withToken()), 'misconfigured');
        assert.match(gate.log.toString(), new RegExp(`${name}: .*did you mean.* ${meant}`));
      });
    });
  }
  test('a star in a list of origins lets nobody in', async () => {
    await withGate({ vars: { ALLOWED_ORIGINS: 'https://a.example, *' } }, async (gate) => {
      assertRefused(await knock(gate), 'misconfigured');
      assert.match(gate.log.toString(), /ALLOWED_ORIGINS: /);
    });
  });
});

describe('a key set that is being fetched', () => {
  const SITE = 'https://id.example';
  const upstream = useUpstream();
  const key = makeKey('EdDSA', 'key');
  const asked = Promise.withResolvers();
  const server = useServer((request, response) => {
    server.fetches += 1;
    asked.resolve(response);
  });
  server.fetches = 0;
  const gate = useGate(() => ({
    upstream,
    vars: { ...UNCOUNTED, AUTH: 'required', JWT_JWKS_URL: `${SITE}/jwks`, JWT_AUDIENCE: 'any' },
    ...internet({ [SITE]: server.url }),
  }));
  test('arrives for those who wait when the client that asked first is gone', async () => {
    const good = bearer(await sign(key));
    const { hostname: host, port } = gate.direct;
    const client = net.connect({ host, port });
    client.write(requestBytes({ headers: handshake(good) }));
    const response = await asked.promise;
    client.destroy();
    await once(client, 'close');
    // Later requests were answered, so the gate has noticed.
    await repeat(5, () => knock(gate, {}));
    const waiting = knock(gate, good);
    await repeat(5, () => knock(gate, {}));
    response.end(JSON.stringify({ keys: [key.jwk] }));
    assert.equal(reasonOf(await waiting), 'admitted');
    assert.equal(server.fetches, 1);
  });
});

describe('two devices of one user, without sessions', () => {
  const upstream = useUpstream();
  const { ADMIN_TOKEN: _, RELAY: __, ...vars } = WATCHED;
  const gate = useGate({ upstream, vars: { ...vars, CLOSE_ON_EXPIRY: 'true' } });
  test('a refresh by one leaves the other its own end', async () => {
    const sub = fresh('user');
    const exp = now() + 6;
    const old = mint({ sub, exp, jti: 'phone' });
    const phone = await live(gate, {}, { headers: bearer(old) });
    const tablet = await live(gate, { sub, exp, jti: 'tablet' });
    const headers = withToken({ sub, exp: exp + 300, jti: 'phone 2' }, { Origin: ORIGIN });
    const answer = await gate.call('POST', '/_portcullis/refresh', { headers });
    assert.equal(reasonOf(answer), 'bad_request');
    const shown = { Origin: ORIGIN, 'Portcullis-Previous-Token': old };
    const moved = await gate.call('POST', '/_portcullis/refresh', {
      headers: { ...headers, ...shown },
    });
    assert.equal(moved.status, 200, moved.body);
    assert.deepEqual(await tablet.closed, [4401, 'token_expired']);
    assert.ok(await echoes(phone));
  });
});
