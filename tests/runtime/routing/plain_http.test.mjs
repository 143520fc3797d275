// PLAIN_HTTP=proxy: requests that are no upgrade go through, under the gate's headers.
import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { assertAnswer, assertRefused, HSTS, reasonOf, requestId } from '../../support/answers.mjs';
import { freshAddress, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

const zipped = gzipSync('unzip me '.repeat(100));
/** An application's own, which no default replaces. */
const OWN = {
  'content-security-policy': "default-src 'self'; frame-ancestors https://partner.example",
  'x-frame-options': 'SAMEORIGIN',
  'x-content-type-options': 'nosniff, nosniff',
  'referrer-policy': 'origin',
  'cross-origin-resource-policy': 'cross-origin',
  'cross-origin-opener-policy': 'unsafe-none',
  'permissions-policy': 'camera=(self)',
};
const pages = {
  '/own': (request, response) => response.writeHead(200, OWN).end('own'),
  '/strict': (request, response) =>
    response.setHeader('Strict-Transport-Security', 'max-age=1').end('strict'),
  '/plain': (request, response) => response.setHeader('Content-Type', 'text/plain').end('plain'),
  '/404': (request, response) => response.writeHead(404, { 'X-Own': 'a' }).end('nothing here'),
  '/redirect': (request, response) => response.writeHead(302, { Location: '/plain' }).end(),
  '/telling': (request, response) =>
    response
      .setHeader('Server', 'secret/1.0')
      .setHeader('X-Powered-By', 'secret')
      .setHeader('Strict-Transport-Security', 'max-age=1')
      .setHeader('Portcullis-Request-Id', 'forged')
      .setHeader('Cache-Control', 'max-age=60')
      .setHeader('Set-Cookie', ['a=1; Path=/', 'b=2; HttpOnly'])
      .end('telling'),
  '/gzip': (request, response) =>
    response
      .writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Type': 'text/plain' })
      .end(zipped),
  '/204': (request, response) => response.writeHead(204).end(),
  '/echo': async (request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/octet-stream' });
    request.pipe(response);
  },
  '/silent': () => {},
};

/** What an answer gets that has none of these, over http. */
const ADDED = { 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN' };

describe('PLAIN_HTTP=proxy', () => {
  const upstream = useUpstream({
    onRequest: (request, response) => pages[request.url.split('?')[0]](request, response),
  });
  const gate = useGate({
    upstream,
    vars: { PLAIN_HTTP: 'proxy', AUTH: 'required', JWT_SECRET: SECRET, UPSTREAM_TIMEOUT: '1s' },
  });
  const host = ['Host', 'gate.example'];
  const get = (target, headers = []) => gate.send({ target, headers: [host, ...headers] });

  test('a GET is answered by the upstream, headers stamped, with its own caching', async () => {
    assertAnswer(await get('/plain?a=1'), {
      status: 200,
      headers: { ...ADDED, 'content-type': 'text/plain' },
      body: 'plain',
    });
  });
  test('an error of the upstream passes as it is', async () => {
    assertAnswer(await get('/404'), {
      status: 404,
      headers: { ...ADDED, 'x-own': 'a' },
      body: 'nothing here',
    });
  });
  test('a redirect is passed on, not followed', async () => {
    const before = upstream.seen.length;
    assertAnswer(await get('/redirect'), {
      status: 302,
      headers: { ...ADDED, location: '/plain' },
      body: '',
    });
    assert.equal(upstream.seen.length, before + 1);
  });
  test('what tells of the upstream is removed, its cookies kept apart', async () => {
    const answer = await get('/telling');
    const [first, second] = values(answer.headers, 'set-cookie');
    assert.deepEqual([first, second], ['a=1; Path=/', 'b=2; HttpOnly']);
    const headers = answer.headers.filter(([name]) => name !== 'set-cookie');
    assertAnswer(
      { ...answer, headers },
      { status: 200, headers: { ...ADDED, 'cache-control': 'max-age=60' }, body: 'telling' },
    );
  });
  test('an application keeps its own security headers', async () => {
    assertAnswer(await get('/own'), { status: 200, headers: OWN, body: 'own' });
  });
  test('a compressed page can be read', async () => {
    const request = http.get(new URL('/gzip', gate.url), {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    const [response] = await new Promise((resolve) =>
      request.once('response', (...all) => resolve(all)),
    );
    const body = Buffer.concat(await response.toArray());
    if (response.headers['content-encoding'] === 'gzip') assert.deepEqual(body, zipped);
    else assert.equal(body.toString(), 'unzip me '.repeat(100));
  });
  test('204 and HEAD have no body', async () => {
    assert.equal((await get('/204')).status, 204);
    const response = await fetch(new URL('/plain', gate.url), { method: 'HEAD' });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), '');
  });
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    test(`a ${method} takes its body along`, async () => {
      const body = Buffer.alloc(300_000, method);
      const response = await fetch(new URL('/echo', gate.url), { method, body });
      assert.ok(body.equals(Buffer.from(await response.arrayBuffer())));
      assert.equal(upstream.seen.at(-1).method, method);
    });
  }
  test('a body streams: the upstream answers before it has ended', async () => {
    const request = http.request(new URL('/echo', gate.url), { method: 'POST' });
    request.write('first');
    const response = await new Promise((resolve) => request.once('response', resolve));
    const [chunk] = await new Promise((resolve) => response.once('data', (...all) => resolve(all)));
    assert.equal(chunk.toString(), 'first');
    request.end('last');
    assert.equal(Buffer.concat(await response.toArray()).toString(), 'last');
  });
  test('a GET with an empty body passes too', async () => {
    assert.equal((await get('/plain', [['Content-Length', '0']])).status, 200);
  });

  test('the upstream is told whence, and gets credentials as they are', async () => {
    const answer = await get('/plain', [
      ['CF-Connecting-IP', '192.0.2.7'],
      ['Authorization', 'Bearer x'],
      ['Cookie', 'a=1'],
      ['Portcullis-Subject', 'root'],
      ['X-Forwarded-For', '1.1.1.1'],
      ['Forwarded', 'for=1.1.1.1'],
    ]);
    const sent = upstream.sent(requestId(answer)).headers;
    const seen = (name) => values(sent, name);
    assert.deepEqual(seen('x-forwarded-for'), ['192.0.2.7']);
    assert.deepEqual(seen('x-forwarded-host'), ['gate.example']);
    assert.deepEqual(seen('x-forwarded-proto'), ['http']);
    assert.deepEqual(seen('portcullis-request-id'), [requestId(answer)]);
    assert.deepEqual(seen('authorization'), ['Bearer x']);
    assert.deepEqual(seen('cookie'), ['a=1']);
    assert.deepEqual(seen('portcullis-subject'), []);
    assert.deepEqual(seen('forwarded'), []);
  });
  test('upstream_timeout for a plain request', async () => {
    assertRefused(await get('/silent'), 'upstream_timeout');
  });
  test('the gate’s own prefix is never the upstream’s', async () => {
    const before = upstream.seen.length;
    assertRefused(await get('/_portcullis/plain'), 'no_route');
    assert.equal(JSON.parse((await get('/_portcullis/health')).body).status, 'ok');
    assert.equal(upstream.seen.length, before);
  });
  test('upgrades are still checked', async () => {
    assert.equal(reasonOf(await gate.knock({}, { target: '/plain' })), 'token_missing');
    const good = { Authorization: `Bearer ${mint()}`, 'CF-Connecting-IP': freshAddress() };
    assert.equal(reasonOf(await gate.knock(good)), 'admitted');
  });
});

describe('PLAIN_HTTP=proxy with SECURITY_HEADERS', () => {
  const upstream = useUpstream({
    onRequest: (request, response) => pages[request.url](request, response),
  });
  const changes = { 'Referrer-Policy': 'no-referrer', 'X-Extra': 'a', 'X-Frame-Options': null };
  const gate = useGate({
    upstream,
    vars: { PLAIN_HTTP: 'proxy', SECURITY_HEADERS: JSON.stringify(changes) },
  });
  const get = (target) => gate.send({ target, headers: [['Host', 'gate.example']] });

  test('what it sets replaces the application’s own, and what it removes is not added', async () => {
    const headers = { ...OWN, 'referrer-policy': 'no-referrer', 'x-extra': 'a' };
    assertAnswer(await get('/own'), { status: 200, headers, body: 'own' });
    const added = { 'x-content-type-options': 'nosniff' };
    const set = { 'referrer-policy': 'no-referrer', 'x-extra': 'a' };
    const text = { 'content-type': 'text/plain' };
    const plain = { status: 200, headers: { ...added, ...set, ...text }, body: 'plain' };
    assertAnswer(await get('/plain'), plain);
  });
});

describe('over https', () => {
  const upstream = useUpstream({
    onRequest: (request, response) => pages[request.url](request, response),
  });
  const gate = useGate({
    upstream,
    vars: { PLAIN_HTTP: 'proxy', REQUIRE_TLS: undefined },
    shared: { https: true },
  });
  const hsts = async (target) => {
    const answer = await gate.send({ target, headers: [['Host', 'gate.example']] });
    return values(answer.headers, 'strict-transport-security');
  };

  test('answers have Strict-Transport-Security, an application its own', async () => {
    const gates = [HSTS['strict-transport-security']];
    assert.deepEqual(await hsts('/_portcullis/health'), gates);
    assert.deepEqual(await hsts('/_portcullis/x'), gates);
    assert.deepEqual(await hsts('/plain'), ['max-age=63072000']);
    assert.deepEqual(await hsts('/strict'), ['max-age=1']);
    const socket = await gate.connect();
    assert.deepEqual(values(socket.answer, 'strict-transport-security'), gates);
  });
});

describe('PLAIN_HTTP=proxy before nobody', () => {
  const gate = useGate(async () => ({
    vars: { PLAIN_HTTP: 'proxy', UPSTREAM_URL: `ws://127.0.0.1:${await deadPort()}` },
  }));
  test('upstream_unreachable', async () => {
    assertRefused(await gate.send({ headers: [['Host', 'gate.example']] }), 'upstream_unreachable');
  });
});
