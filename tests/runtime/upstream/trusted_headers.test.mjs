// What servers trust reaches them from the gate alone, on workerd's own socket.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { SECRET, withToken } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const vars = { AUTH: 'optional', JWT_SECRET: SECRET, PLAIN_HTTP: 'proxy' };

describe('a header that servers trust', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });
  const own = ['portcullis-request-id', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'];

  const forged = {
    Portcullis_Subject: 'admin',
    'PORTCULLIS-Issuer': 'https://evil.example',
    'portcullis.scopes': 'all',
    'Portcullis-Anything': 'x',
    X_Forwarded_For: '1.1.1.1',
    'X-Forwarded_Host': 'evil.example',
    'X!Forwarded!Proto': 'gopher',
    Forwarded: 'for=1.1.1.1',
    'X-Real-IP': '9.9.9.9',
    X_Real_IP: '9.9.9.9',
    'True-Client-IP': '9.9.9.9',
    True_Client_IP: '9.9.9.9',
    'X-Client-IP': '9.9.9.9',
    CF_Connecting_IP: '9.9.9.9',
    CF_IPCountry: 'XX',
    'X-Original-URL': '/admin',
    X_Rewrite_URL: '/admin',
    'x-partykit-props': '{"userId":"admin"}',
    'X-PartyKit-Room': 'admin',
    'x-middleware-subrequest': 'middleware',
    X_Middleware_Subrequest: 'middleware',
    'x-agents-lifecycle-props': 'admin',
    'X-Invoke-Path': '/admin',
    'X-Envoy-Original-Path': '/admin',
    'X-React-Router-Prerender-Data': 'admin',
    Client_IP: '9.9.9.9',
    'X-Original-Host': 'evil.example',
    Script_Name: '/admin',
    Proxy: 'http://evil.example',
    'Remote-User': 'admin',
    'X-MS-CLIENT-PRINCIPAL': 'admin',
    'Client-Cert': ':admin:',
    'Impersonate-User': 'admin',
    Impersonate_Group: 'admin',
  };
  const kept = {
    'X-Own': 'a',
    X_Own: 'b',
    'X-Forwarder': 'c',
    'X-Real-IPs': 'd',
    // Next.js's own client sends it.
    'X-Nextjs-Data': '1',
    'X-HTTP-Method-Override': 'PUT',
    Portcullisx: 'e',
    // Miniflare takes CF-Connecting-IP away itself.
    'CF-IPCountry': 'DE',
  };
  const folded = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, '-');
  const trusted =
    /^(portcullis-|forwarded$|x-forwarded-|x-real-ip$|true-client-ip$|x-client-ip$|x-original-url$|x-rewrite-url$|x-partykit-|x-middleware-|x-agents-|x-invoke-|x-envoy-|x-react-router-|client-|x-original-|script-name|proxy$|remote-|x-ms-|impersonate-)/;
  const assertNoneArrived = (headers) => {
    const arrived = headers.filter(([name]) => trusted.test(folded(name)));
    assert.deepEqual(arrived.map(([name]) => name.toLowerCase()).sort(), own);
    assert.ok(!JSON.stringify(headers).match(/admin|evil|9\.9\.9\.9|1\.1\.1\.1|XX|gopher/));
    for (const [name, value] of Object.entries(kept)) {
      assert.deepEqual(values(headers, name), [value], name);
    }
  };

  test('never arrives as a client sent it, however it is spelt', async () => {
    const answer = await gate.knock({ ...kept, ...forged }, { to: gate.direct });
    assert.equal(reasonOf(answer), 'admitted');
    assertNoneArrived(upstream.sent(requestId(answer)).headers);
  });
  test('nor with a plain request', async () => {
    const headers = { ...kept, ...forged };
    const answer = await gate.call('GET', '/', { headers, to: gate.direct });
    assert.equal(answer.status, 200);
    assertNoneArrived(upstream.sent(requestId(answer)).headers);
  });
  test('an issuer is named beside the subject', async () => {
    const claims = { sub: 'alice', iss: 'https://id.example/\u00e9' };
    const answer = await gate.knock({ ...withToken(claims), ...forged }, { to: gate.direct });
    const { headers } = upstream.sent(requestId(answer));
    assert.deepEqual(values(headers, 'portcullis-subject'), ['alice']);
    assert.deepEqual(values(headers, 'portcullis-issuer'), ['https://id.example/%C3%A9']);
  });
});

describe('Connection', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });
  const sent = async (connection, headers) => {
    const asked = { Connection: connection, ...headers };
    const answer = await gate.knock(asked, { to: gate.direct });
    assert.equal(reasonOf(answer), 'admitted');
    return upstream.sent(requestId(answer)).headers;
  };

  test('names headers that are for the gate alone', async () => {
    const hops = { 'X-Hop': '1', 'X-Other': '2', 'Keep-Alive': 'timeout=5' };
    const headers = await sent('keep-alive, Upgrade,, X-HOP', hops);
    assert.deepEqual(values(headers, 'x-hop'), []);
    assert.deepEqual(values(headers, 'keep-alive'), []);
    assert.deepEqual(values(headers, 'x-other'), ['2']);
  });
  test('can’t remove what the gate says', async () => {
    const headers = await sent(
      'Upgrade, Portcullis-Subject, X-Forwarded-For, Portcullis-Request-Id, X-Forwarded-Proto',
      { ...withToken(), 'CF-Connecting-IP': '192.0.2.7' },
    );
    assert.deepEqual(values(headers, 'portcullis-subject'), ['alice']);
    assert.deepEqual(values(headers, 'x-forwarded-for'), ['192.0.2.7']);
    assert.deepEqual(values(headers, 'x-forwarded-proto'), ['http']);
    assert.equal(values(headers, 'portcullis-request-id').length, 1);
  });
  test('can’t break the handshake', async () => {
    const options = 'Upgrade, Sec-WebSocket-Protocol, Sec-WebSocket-Key, Sec-WebSocket-Version';
    const headers = await sent(`${options}, a b, \u00e9, Host`, {
      'Sec-WebSocket-Protocol': 'chat',
    });
    assert.deepEqual(values(headers, 'sec-websocket-protocol'), ['chat']);
    assert.deepEqual(values(headers, 'upgrade'), ['websocket']);
  });
});
