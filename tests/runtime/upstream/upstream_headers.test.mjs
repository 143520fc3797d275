// UPSTREAM_HEADERS: what a server is told beside what the gate says anyway.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { freshAddress, ORIGIN, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { obtain, use } from '../../support/tickets.mjs';
import { bearer, mint, REQUIRED, withToken } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const KEY = 'sk-only-for-the-server';

describe('UPSTREAM_HEADERS', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      ...REQUIRED,
      VOICE_KEY: `${KEY}\n`,
      PLAIN_HTTP: 'proxy',
      UPSTREAM_HEADERS: JSON.stringify({
        Authorization: 'Bearer {secret:VOICE_KEY}',
        'X-Team': '{claim:/org/team|none}',
        'X-User': 'user {claim:sub}',
        Origin: '{upstream_origin}',
        Cookie: null,
      }),
      ROUTES: [
        { path: '/*' },
        { path: '/rooms/{room}', upstream_headers: { 'X-Room': '{param:room}' } },
        { path: '/again', upstream_headers: { Authorization: 'Bearer {token}' } },
      ],
    },
  });
  const sent = async (headers, target = '/') => {
    const answer = await gate.knock(headers, { target, to: gate.direct });
    assert.equal(reasonOf(answer), 'admitted');
    return (name) => values(upstream.sent(requestId(answer)).headers, name);
  };

  test('sets secrets, claims and the origin, and removes', async () => {
    const told = await sent(
      withToken({ org: { team: 'réd' } }, { Cookie: 'a=1', 'X-Team': 'admins', 'X-Own': 'b' }),
    );
    assert.deepEqual(told('authorization'), [`Bearer ${KEY}`]);
    assert.deepEqual(told('x-team'), ['r%C3%A9d']);
    assert.deepEqual(told('x-user'), ['user alice']);
    assert.deepEqual(told('origin'), [upstream.url.replace('ws', 'http')]);
    assert.deepEqual(told('cookie'), []);
    assert.deepEqual(told('x-own'), ['b']);
    assert.deepEqual(told('portcullis-subject'), ['alice']);
  });
  test('a default stands for a claim that is missing, and nothing else does', async () => {
    assert.deepEqual((await sent(withToken()))('x-team'), ['none']);
    const answer = await gate.knock(withToken({ sub: undefined }));
    assertRefused(answer, 'insufficient_scope', {
      headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
    });
  });
  test('a route has its own, with its parameters', async () => {
    const told = await sent(withToken(), '/rooms/a%20b');
    assert.deepEqual(told('x-room'), ['a b']);
    assert.deepEqual(told('authorization'), []);
    assert.deepEqual(told('origin'), [ORIGIN]);
  });
  test('gives back the token that was taken out', async () => {
    const token = mint();
    assert.deepEqual((await sent(bearer(token), '/again'))('authorization'), [`Bearer ${token}`]);
    const inProtocol = await sent({ 'Sec-WebSocket-Protocol': `bearer, ${token}` }, '/again');
    assert.deepEqual(inProtocol('authorization'), [`Bearer ${token}`]);
    assert.deepEqual(inProtocol('sec-websocket-protocol'), []);
  });
  test('a ticket is no token, and is not told as one', async () => {
    const address = freshAddress();
    const show = async (target) => {
      const ticket = await obtain(gate, address, { query: `?path=${target}` });
      return use(gate, ticket, address, { target, to: gate.direct });
    };
    const answer = await show('/rooms/7');
    assert.deepEqual(values(upstream.sent(requestId(answer)).headers, 'x-room'), ['7']);
    assertRefused(await show('/again'), 'token_missing');
  });
  test('a proxied request has no secret, no user, and not what the client says of either', async () => {
    const forged = { Authorization: 'Bearer forged', 'X-User': 'admin', Origin: ORIGIN };
    const answer = await gate.call('GET', '/', { headers: forged, to: gate.direct });
    assert.equal(answer.status, 200);
    const told = (name) => values(upstream.sent(requestId(answer)).headers, name);
    assert.deepEqual(told('authorization'), []);
    assert.deepEqual(told('x-user'), []);
    assert.deepEqual(told('x-team'), []);
    assert.deepEqual(told('origin'), [upstream.url.replace('ws', 'http')]);
  });
  test('no secret is in the log', async () => {
    await gate.knock(withToken({ sub: undefined }));
    assert.ok(!String(gate.log).includes(KEY));
  });
});

describe('UPSTREAM_HEADERS without its secret', () => {
  const gate = useGate({
    vars: {
      UPSTREAM_URL: 'wss://server.example',
      UPSTREAM_HEADERS: { 'X-Key': '{secret:VOICE_KEY}', Host: 'x' },
    },
  });
  test('is a configuration error', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    await gate.log.find(({ message }) =>
      message.includes('UPSTREAM_HEADERS: "X-Key": there is no secret VOICE_KEY'),
    );
  });
});
