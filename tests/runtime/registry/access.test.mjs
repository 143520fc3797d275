// Administrators whom Cloudflare Access signed in, before a team's key set as Access publishes it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ADMIN_TOKEN, administer, WATCHED } from '../../support/admin.mjs';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { useGate } from '../../support/gate.mjs';
import { useServer } from '../../support/internet.mjs';
import { makeKey, sign } from '../../support/keys.mjs';
import { bearer } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const AUDIENCE = 'tag-of-the-application';

describe('Cloudflare Access', () => {
  const key = makeKey('RS256', 'a');
  const team = useServer((request, response) => {
    const isKeySet = request.url === '/cdn-cgi/access/certs';
    response.writeHead(isKeySet ? 200 : 404, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ keys: [key.jwk] }));
  });
  const upstream = useUpstream();
  const issuer = () => new URL(team.url).origin;
  const gate = useGate(() => ({
    upstream,
    vars: {
      ...WATCHED,
      ADMIN_ACCESS_TEAM: issuer(),
      ADMIN_ACCESS_AUDIENCE: AUDIENCE,
    },
  }));
  const claims = (more) => ({
    iss: issuer(),
    aud: [AUDIENCE],
    email: 'ada@example.com',
    sub: '7335d417',
    ...more,
  });
  const ask = async (method, path, assertion, headers) =>
    administer(gate, method, path, {
      headers: { Authorization: null, 'Cf-Access-Jwt-Assertion': assertion, ...headers },
    });

  test('makes administrators of those whom it signed in, under their e-mail address', async () => {
    const assertion = await sign(key, claims());
    const banned = await ask('PUT', 'bans/mallory?for=1h', assertion, {
      Origin: 'http://gate.example',
    });
    assert.equal(banned.status, 200, banned.body);
    const record = await gate.log.record(requestId(banned));
    assert.equal(record.subject, 'ada@example.com');
    assert.equal(record.outcome, 'administered');
    const { by, actions } = JSON.parse((await ask('GET', 'overview', assertion)).body);
    assert.equal(by, 'ada@example.com');
    assert.equal(actions[0].by, 'ada@example.com');
  });

  for (const [name, forged] of [
    ['another application', async () => sign(key, claims({ aud: ['another'] }))],
    ['another team', async () => sign(key, claims({ iss: 'https://other.cloudflareaccess.com' }))],
    ['another key', async () => sign(makeKey('RS256', 'a'), claims())],
    ['yesterday', async () => sign(key, claims({ exp: Math.floor(Date.now() / 1000) - 86_400 }))],
    ['nobody', async () => 'nonsense'],
  ]) {
    test(`refuses an assertion of ${name}`, async () => {
      const answer = await ask('GET', 'overview', await forged());
      assert.match(reasonOf(answer), /^token_(invalid|expired)$/);
    });
  }

  test('lets no page of another site send a command', async () => {
    const assertion = await sign(key, claims());
    for (const origin of ['https://evil.example', 'null', 'https://gate.example']) {
      const answer = await ask('DELETE', 'sockets?sub=alice', assertion, { Origin: origin });
      assert.equal(reasonOf(answer), 'origin_not_allowed', origin);
    }
  });

  test('leaves the token as it is, and decides nothing beside it', async () => {
    const right = await administer(gate, 'GET', 'sockets', { headers: bearer(ADMIN_TOKEN) });
    assert.equal(right.status, 200);
    const wrong = await ask('GET', 'sockets', await sign(key, claims()), bearer('x'.repeat(40)));
    assert.equal(reasonOf(wrong), 'token_invalid');
    const none = await ask('GET', 'sockets', null);
    assert.equal(reasonOf(none), 'token_missing');
  });
});
