// Settings as the Worker gets them: what is wrong stops everything and is told to the log alone,
// what TOML can write is understood, and SECURITY_HEADERS are on every answer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { version } from '../../../tools/init/files.mjs';
import {
  assertAnswer,
  assertRefused,
  reasonOf,
  requestId,
  STAMPS,
} from '../../support/answers.mjs';
import { freshKey, handshake, ORIGIN, repeat, useGate } from '../../support/gate.mjs';
import { ed25519, mint, SECRET } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const plain = [['Host', 'gate.example']];

describe('a wrong configuration', () => {
  const upstream = useUpstream();
  const gate = useGate(() => ({
    vars: {
      ALLOWED_ORIGINS: 'app.example https://ok.example/path',
      ALLOWED_ORIGIN: 'x',
      UPSTREAM_URL: `ws://user@127.0.0.1:${upstream.port}`,
      REQUIRE_TLS: 'yes',
      AUTH: 'required',
      JWT_SECRET: 'sesame',
      RATE_LIMIT_IP: '0/1m',
      LIMITER_TIMEOUT: '2',
      SECURITY_HEADERS: '{"X-Frame-Options": 7}',
      MAX_SOCKETS_IP: '0',
      MINE: 'is fine',
    },
  }));
  const requests = [
    ['an upgrade', { headers: handshake() }],
    ['an upgrade with a token', { headers: handshake({ Authorization: `Bearer ${mint()}` }) }],
    ['a plain GET', { headers: plain }],
    ['a POST', { method: 'POST', headers: [...plain, ['Content-Length', '0']] }],
    ['a path of the gate', { target: '/_portcullis/admin', headers: plain }],
  ];
  for (const [name, request] of requests) {
    test(`refuses ${name}, and says nothing of the cause`, async () => {
      assertRefused(await gate.send(request), 'misconfigured');
    });
  }

  test('is logged at the start and with the first request, whole, and without its secrets', async () => {
    const answer = await gate.send({ headers: plain });
    const record = await gate.log.record(requestId(answer));
    assert.deepEqual([record.stage, record.reason], ['configuration', 'misconfigured']);
    const reports = gate.log.lines.filter(({ message }) => !message.startsWith('{'));
    assert.equal(reports.length, 2);
    assert.deepEqual(reports[0], reports[1]);
    assert.equal(reports[0].level, 'error');
    const [head, ...errors] = reports[0].message.split('\n');
    assert.equal(head, 'portcullis: every request is refused until these settings are right:');
    assert.deepEqual(errors.map((line) => line.trim().split(':')[0]).sort(), [
      'ALLOWED_ORIGIN',
      'ALLOWED_ORIGINS',
      'ALLOWED_ORIGINS',
      'JWT_SECRET',
      'LIMITER_TIMEOUT',
      'MAX_SOCKETS_IP',
      'RATE_LIMIT_IP',
      'REQUIRE_TLS',
      'SECURITY_HEADERS',
      'UPSTREAM_URL',
    ]);
    assert.ok(!gate.log.toString().includes('sesame'));
  });
  test('reaches no upstream', () => assert.deepEqual(upstream.seen, []));
});

describe('a missing binding', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, gate: { durableObjects: {} } });
  test('of the ledger is a configuration error', async () => {
    assertRefused(await gate.knock(), 'misconfigured');
    await gate.log.find(({ message }) => /LEDGER: .*is missing/.test(message));
  });
});

describe('a configuration in TOML’s own types', () => {
  const upstream = useUpstream();
  const pair = ed25519('one');
  const gate = useGate({
    upstream,
    vars: {
      REQUIRE_TLS: false,
      ALLOWED_ORIGINS: [ORIGIN, 'https://*.example.org'],
      AUTH: 'required',
      JWT_SECRET: SECRET,
      JWT_JWKS: { keys: [pair.jwk] },
      JWT_ALGORITHMS: ['HS256', 'EdDSA'],
      TOKEN_SOURCES: ['header', 'query:t'],
      SECURITY_HEADERS: { 'X-Frame-Options': 'SAMEORIGIN' },
      MINE: { anything: [1, { goes: true }] },
    },
  });
  test('is accepted: booleans, arrays, tables', async () => {
    const key = freshKey();
    const changes = { Origin: 'https://a.b.example.org', 'Sec-WebSocket-Key': key };
    const token = mint({}, { alg: 'EdDSA', key: pair.key, header: { kid: 'one' } });
    const answer = await gate.knock(changes, { target: `/?t=${token}` });
    assert.equal(reasonOf(answer), 'admitted');
    assert.equal(new Map(answer.headers).get('x-frame-options'), 'SAMEORIGIN');
    const record = await gate.log.record(requestId(answer));
    assert.equal(record.alg, 'EdDSA');
    // Besides records only the warnings: MINE is a table, so it can't be a setting.
    const remarks = gate.log.lines.filter(({ message }) => !message.startsWith('{'));
    assert.deepEqual(
      remarks.map(({ level, message }) => [level, message]),
      [
        [
          'warn',
          'portcullis: warnings:\n' +
            '  REQUIRE_TLS: off, so tokens and messages may cross networks unencrypted\n' +
            '  TOKEN_SOURCES: a token in the query is written to logs and histories; prefer ' +
            'one-time tickets',
        ],
      ],
    );
  });
});

describe('ALLOWED_ORIGINS=*', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ALLOWED_ORIGINS: '*', ORIGIN_MISSING: 'allow' } });
  for (const [name, origin, reason] of [
    ['any origin', 'https://anyone.example', 'admitted'],
    ['no origin, where that is allowed', null, 'admitted'],
    ['null', 'null', 'origin_not_allowed'],
    ['no origin at all', 'nonsense', 'origin_not_allowed'],
  ]) {
    test(`${reason}: ${name}`, async () => {
      assert.equal(reasonOf(await gate.knock({ Origin: origin })), reason);
    });
  }
  test('is warned of once', async () => {
    await repeat(3, () => gate.knock());
    const warnings = gate.log.lines.filter(({ level }) => level === 'warn');
    assert.equal(warnings.length, 1);
    assert.match(warnings[0].message, /^portcullis: warnings:\n {2}ALLOWED_ORIGINS: \*/);
  });
});

describe('SECURITY_HEADERS', () => {
  const upstream = useUpstream({
    onRequest: (request, response) => response.setHeader('X-Frame-Options', 'ALLOWALL').end('page'),
  });
  const changes = {
    'x-frame-options': 'SAMEORIGIN',
    'Content-Security-Policy': null,
    'X-Added': 'by us',
    'Cache-Control': 'max-age=1',
  };
  const vars = { PLAIN_HTTP: 'proxy', SECURITY_HEADERS: JSON.stringify(changes) };
  const gate = useGate({ upstream, vars });
  const { 'content-security-policy': removed, ...kept } = STAMPS;
  const stamps = { ...kept, 'x-frame-options': 'SAMEORIGIN', 'x-added': 'by us' };
  // A page keeps the policies of its application, but for those that the setting names.
  const page = {
    'x-content-type-options': stamps['x-content-type-options'],
    'x-frame-options': 'SAMEORIGIN',
    'x-added': 'by us',
    'cache-control': 'max-age=1',
  };

  test('replace, remove and add on a proxied page, over the upstream’s own', async () => {
    const answer = await gate.send({ headers: plain });
    assertAnswer(answer, { status: 200, headers: page, body: 'page' });
    assert.ok(removed);
  });
  test('on an admitted socket', async () => {
    const { status, headers } = await gate.knock();
    assert.equal(status, 101);
    const seen = new Map(headers);
    for (const [name, value] of Object.entries(stamps)) assert.equal(seen.get(name), value);
    assert.ok(!seen.has('content-security-policy'));
  });
  test('on health and on refusals, which are still not stored', async () => {
    const headers = { ...stamps, 'cache-control': 'no-store' };
    const health = await gate.send({ target: '/_portcullis/health', headers: plain });
    assertAnswer(health, {
      status: 200,
      headers: { ...headers, 'content-type': 'application/json' },
      body: `{"status":"ok","version":"${version()}"}`,
    });
    const refused = await gate.knock({ Origin: null });
    assertAnswer(refused, {
      status: 403,
      headers: { ...headers, 'content-type': 'application/problem+json' },
      body: refused.body,
    });
  });
});
