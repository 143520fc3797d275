// PLAIN_HTTP=guard: plain requests meet the checks of an upgrade, and go through unharmed.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { describe, test } from 'node:test';
import {
  assertAnswer,
  assertRefused,
  readable,
  reasonOf,
  requestId,
} from '../../support/answers.mjs';
import { freshAddress, from, ORIGIN, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { bearer, mint, REQUIRED, SECRET, withToken } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const EVIL = 'https://evil.example';
const ADDED = { 'x-content-type-options': 'nosniff', 'x-frame-options': 'SAMEORIGIN' };
const file = Buffer.from('0123456789');
const pages = {
  '/page': (request, response) => response.setHeader('Content-Type', 'text/plain').end('page'),
  '/cors': (request, response) => {
    response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? 'none');
    response.setHeader('Access-Control-Allow-Methods', 'PUT');
    response.writeHead(request.method === 'OPTIONS' ? 204 : 200).end();
  },
  '/range': ({ headers }, response) => {
    const [, start, end] = headers.range.match(/^bytes=(\d+)-(\d+)$/);
    response
      .writeHead(206, { 'Content-Range': `bytes ${start}-${end}/10`, ETag: '"a"' })
      .end(file.subarray(Number(start), Number(end) + 1));
  },
  '/cached': ({ headers }, response) =>
    headers['if-none-match'] === '"a"'
      ? response.writeHead(304, { ETag: '"a"' }).end()
      : response.setHeader('ETag', '"a"').setHeader('Cache-Control', 'max-age=60').end('cached'),
  '/redirect': (request, response) => response.writeHead(303, { Location: '/page' }).end(),
  '/cookies': (request, response) =>
    response.setHeader('Set-Cookie', ['a=1', 'b=2; Path=/']).end('cookies'),
  '/hash': async (request, response) => {
    const hash = createHash('sha256');
    for await (const chunk of request) hash.update(chunk);
    response.end(hash.digest('hex'));
  },
  '/echo': (request, response) => request.pipe(response),
};

describe('PLAIN_HTTP=guard', () => {
  const upstream = useUpstream({
    onRequest: (request, response) => pages[request.url.split('?')[0]](request, response),
  });
  const gate = useGate({
    upstream,
    vars: {
      ...REQUIRED,
      PLAIN_HTTP: 'guard',
      TOKEN_SOURCES: 'header, cookie:session, query:access_token',
      UPSTREAM_HEADERS: { 'X-Team': '{claim:team|none}' },
    },
  });
  const call = (method, target, headers, more) =>
    gate.call(method, target, { headers, to: gate.direct, ...more });
  const get = (target, headers) => call('GET', target, headers);
  const sent = (answer) => upstream.sent(requestId(answer));

  test('lets a token through, and takes it out', async () => {
    const answer = await get('/page?a=1', withToken({ team: 'red' }));
    assertAnswer(answer, {
      status: 200,
      headers: { ...ADDED, 'content-type': 'text/plain' },
      body: 'page',
    });
    const { url, headers } = sent(answer);
    assert.equal(url, '/page?a=1');
    assert.deepEqual(values(headers, 'authorization'), []);
    assert.deepEqual(values(headers, 'portcullis-subject'), ['alice']);
    assert.deepEqual(values(headers, 'x-team'), ['red']);
  });
  test('takes it from a cookie or the query, where they are sources', async () => {
    const byCookie = await get('/page', { Cookie: `a=1; session=${mint()}` });
    assert.deepEqual(values(sent(byCookie).headers, 'cookie'), ['a=1']);
    const byQuery = await get(`/page?a=1&access_token=${mint()}`);
    assert.equal(sent(byQuery).url, '/page?a=1');
    assert.deepEqual(values(sent(byQuery).headers, 'portcullis-subject'), ['alice']);
  });
  test('no ticket goes to the server', async () => {
    const answer = await get('/page?ticket=abc&b=1', withToken());
    assert.equal(sent(answer).url, '/page?b=1');
  });
  test('refuses who has none, and what comes from elsewhere', async () => {
    assertRefused(await get('/page'), 'token_missing');
    assertRefused(await get('/page', bearer('forged')), 'token_invalid');
    assertRefused(await get('/page', withToken({}, { Origin: EVIL })), 'origin_not_allowed');
    assertRefused(await call('POST', '/page', withToken()), 'origin_missing');
    const cookie = { Cookie: `session=${mint()}`, 'Sec-Fetch-Site': 'cross-site' };
    assertRefused(await get('/page', cookie), 'origin_not_allowed');
    const link = await get('/page', { ...cookie, 'Sec-Fetch-Mode': 'navigate' });
    assert.equal(link.status, 200);
  });
  test('a page of an allowed origin reads refusals, and the server’s answers as it says', async () => {
    const headers = { ...readable(ORIGIN), 'access-control-allow-credentials': 'true' };
    assertRefused(await get('/page', { Origin: ORIGIN }), 'token_missing', {
      headers: { 'www-authenticate': 'Bearer', ...headers },
    });
    const own = await get('/cors', withToken({}, { Origin: ORIGIN }));
    assert.deepEqual(values(own.headers, 'access-control-allow-origin'), [ORIGIN]);
    assert.deepEqual(values(own.headers, 'access-control-expose-headers'), []);
    const silent = await get('/page', withToken({}, { Origin: ORIGIN }));
    assert.deepEqual(values(silent.headers, 'access-control-allow-origin'), []);
  });
  test('a preflight asks the server, with nothing that could authenticate it', async () => {
    const asked = {
      Origin: ORIGIN,
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'authorization',
    };
    const extra = { ...withToken(), Cookie: 'session=x', 'X-Api-Key': 'x', 'X-Team': 'admin' };
    const answer = await call('OPTIONS', '/cors?access_token=x&a=1', { ...asked, ...extra });
    assertAnswer(answer, {
      status: 204,
      headers: {
        ...ADDED,
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-methods': 'PUT',
      },
      body: '',
    });
    const { url, headers } = sent(answer);
    assert.equal(url, '/cors?a=1');
    const own =
      /^(host|connection|cf-worker|content-length|cache-control|pragma|portcullis-request-id|x-forwarded-.*)$/i;
    const rest = headers.map(([name]) => name.toLowerCase()).filter((name) => !own.test(name));
    assert.deepEqual(
      rest.sort(),
      Object.keys(asked)
        .map((name) => name.toLowerCase())
        .sort(),
    );
    assertRefused(await call('OPTIONS', '/cors', { ...asked, Origin: EVIL }), 'origin_not_allowed');
    assertRefused(await call('OPTIONS', '/page'), 'token_missing');
  });
  test('ranges, validators, redirects and cookies go through', async () => {
    const range = await get('/range', withToken({}, { Range: 'bytes=2-4' }));
    assertAnswer(range, {
      status: 206,
      headers: { ...ADDED, 'content-range': 'bytes 2-4/10', etag: '"a"' },
      body: '234',
    });
    const unchanged = await get('/cached', withToken({}, { 'If-None-Match': '"a"' }));
    assertAnswer(unchanged, { status: 304, headers: { ...ADDED, etag: '"a"' }, body: '' });
    const cached = await get('/cached', withToken());
    assert.deepEqual(values(cached.headers, 'cache-control'), ['max-age=60']);
    const redirect = await get('/redirect', withToken());
    assertAnswer(redirect, { status: 303, headers: { ...ADDED, location: '/page' }, body: '' });
    const cookies = await get('/cookies', withToken());
    assert.deepEqual(values(cookies.headers, 'set-cookie'), ['a=1', 'b=2; Path=/']);
  });
  test('a body of many megabytes arrives whole, and streams', async () => {
    const body = randomBytes(12_000_000);
    const own = withToken({}, { Origin: ORIGIN });
    const response = await fetch(new URL('/hash', gate.direct), {
      method: 'POST',
      headers: own,
      body,
    });
    assert.equal(await response.text(), createHash('sha256').update(body).digest('hex'));
    const request = http.request(new URL('/echo', gate.direct), { method: 'PUT', headers: own });
    request.write('first');
    const echo = await new Promise((resolve) => request.once('response', resolve));
    const [chunk] = await new Promise((resolve) => echo.once('data', (...all) => resolve(all)));
    assert.equal(chunk.toString(), 'first');
    request.end('last');
    assert.equal(Buffer.concat(await echo.toArray()).toString(), 'last');
  });
  test('upgrades are checked as before', async () => {
    assert.equal(reasonOf(await gate.knock({ Cookie: `session=${mint()}` })), 'admitted');
    assert.equal(reasonOf(await gate.knock()), 'token_missing');
  });
  test('a record says who asked', async () => {
    const answer = await get('/page', withToken({ sub: 'recorded' }));
    const record = await gate.log.find(
      ({ message }) => message.includes(requestId(answer)) && message.startsWith('{') && message,
    );
    const { outcome, subject } = JSON.parse(record);
    assert.deepEqual([outcome, subject], ['proxied', 'recorded']);
  });
});

describe('PLAIN_HTTP=guard with quotas', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      AUTH: 'optional',
      JWT_SECRET: SECRET,
      PLAIN_HTTP: 'guard',
      RATE_LIMIT_IP: '3/1h',
      RATE_LIMIT_USER: '1/1h',
    },
  });
  test('requests count by address and user, with upgrades', async () => {
    const address = freshAddress();
    const get = (headers) =>
      gate.call('GET', '/', { headers: from(address, headers), to: gate.direct });
    const alice = withToken({ sub: 'alice' });
    assert.equal((await get(alice)).status, 200);
    assert.equal(reasonOf(await get(alice)), 'rate_limited');
    assert.equal((await get()).status, 200);
    assert.equal(reasonOf(await gate.knock(from(address), { to: gate.direct })), 'rate_limited');
  });
});

describe('PLAIN_HTTP=guard with JWT_REPLAY=reject', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...REQUIRED, PLAIN_HTTP: 'guard', JWT_REPLAY: 'reject' },
  });
  test('is a configuration error', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    await gate.log.find(({ message }) => message.includes('PLAIN_HTTP: JWT_REPLAY is reject'));
  });
});
