// The decision record: what it says, and what it never says.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { version } from '../../../tools/init/files.mjs';
import { requestId } from '../../support/answers.mjs';
import { recordingDataset } from '../../support/dataset.mjs';
import { freshKey, handshake, openGate, useGate } from '../../support/gate.mjs';
import { mint, SECRET, seal } from '../../support/tokens.mjs';
import { deadPort, useUpstream } from '../../support/upstream.mjs';

/** The beginning of a year that is over. */
const EXPIRED = Date.UTC(2026, 0) / 1000;
const vars = {
  AUTH: 'required',
  JWT_SECRET: SECRET,
  TOKEN_SOURCES: 'header,subprotocol,cookie:session,query:token',
};
const { modules, pointOf } = recordingDataset();

describe('the decision record', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars,
    gate: { modules },
  });
  const bearer = (token) => ({ Authorization: `Bearer ${token}` });
  const refused = (stage, reason, cause) => ({ outcome: 'refused', stage, reason, cause });

  const rows = [
    [
      'an admission',
      bearer(mint({ sub: 'alice' }, { header: { kid: 'k1' } })),
      { outcome: 'admitted', reason: null, cause: null, subject: 'alice', alg: 'HS256', kid: 'k1' },
    ],
    [
      'a wrong origin',
      { Origin: 'https://evil.example' },
      {
        ...refused('origin', 'origin_not_allowed', 'no entry of ALLOWED_ORIGINS matches'),
        setting: 'ALLOWED_ORIGINS',
        origin: 'https://evil.example',
      },
    ],
    [
      'no origin, from IPv6',
      { Origin: null, 'CF-Connecting-IP': '2001:db8:1:2:3:4:5:6' },
      {
        ...refused('origin', 'origin_missing', 'no Origin header'),
        setting: 'ORIGIN_MISSING',
        origin: null,
        address: '2001:db8:1:2::/64',
      },
    ],
    [
      'a bad handshake',
      { 'Sec-WebSocket-Key': 'x' },
      refused('handshake', 'bad_handshake', 'Sec-WebSocket-Key is not 16 bytes of base64'),
    ],
    [
      'no token',
      {},
      {
        ...refused('token', 'token_missing', 'no token in any of TOKEN_SOURCES'),
        setting: 'TOKEN_SOURCES',
      },
    ],
    [
      'a forged token, whose header and issuer are noted as claimed',
      bearer(
        mint(
          { sub: 'alice', iss: 'https://id.example' },
          { key: 'another key, as long as the right one is 0123' },
        ),
      ),
      {
        ...refused('token', 'token_invalid', 'the signature does not verify'),
        issuer: 'https://id.example',
        alg: 'HS256',
      },
    ],
    [
      'an expired token',
      bearer(mint({ sub: 'alice', iss: 'https://id.example', exp: EXPIRED })),
      {
        ...refused('token', 'token_expired', 'exp has passed'),
        detail: /^exp is 2026-01-01T00:00:00\.000Z, \d+ s ago$/,
        setting: 'JWT_LEEWAY',
        subject: 'alice',
        issuer: 'https://id.example',
        alg: 'HS256',
      },
    ],
    [
      'an unknown address',
      { 'CF-Connecting-IP': 'nonsense' },
      {
        ...refused('token', 'token_missing', 'no token in any of TOKEN_SOURCES'),
        setting: 'TOKEN_SOURCES',
        address: 'unknown',
      },
    ],
  ];
  for (const [name, changes, expected] of rows) {
    test(`is whole for ${name}, and the data point says the same`, async () => {
      const address = `192.0.2.${rows.findIndex(([other]) => other === name) + 1}`;
      const before = Date.now();
      const answer = await gate.knock({ 'CF-Connecting-IP': address, ...changes });
      const record = await gate.log.record(requestId(answer));
      const { time, duration_ms, remedy, ...rest } = record;
      assert.equal(typeof remedy, expected.reason ? 'string' : 'undefined');
      if (expected.detail) {
        assert.match(rest.detail, expected.detail);
        rest.detail = expected.detail;
      }
      assert.deepEqual(rest, {
        request_id: requestId(answer),
        stage: 'forward',
        route: '/*',
        origin: 'https://app.example',
        address,
        colo: 'LOC',
        subject: null,
        issuer: null,
        alg: null,
        kid: null,
        mode: 'enforce',
        would_be: null,
        version: version(),
        ...expected,
      });
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(Date.parse(time) >= before - 1000 && Date.parse(time) <= Date.now());
      assert.ok(Number.isInteger(duration_ms) && duration_ms >= 0);

      const texts = [
        'time',
        'request_id',
        'outcome',
        'reason',
        'cause',
        'stage',
        'route',
        'origin',
      ];
      texts.push('colo', 'subject', 'alg', 'kid', 'mode', 'version');
      texts.push('issuer', 'setting', 'path', 'upstream', 'until', 'would_be');
      assert.deepEqual(await pointOf(gate, record.request_id), {
        indexes: [record.address],
        blobs: texts.map((text) => record[text] ?? ''),
        doubles: [duration_ms],
      });
    });
  }
  test('health is no attempt and is not recorded', async () => {
    const health = await gate.send({ target: '/_portcullis/health', headers: [['Host', 'x']] });
    // What comes after it is recorded after it.
    await gate.log.record(requestId(await gate.knock()));
    assert.ok(!gate.log.toString().includes(requestId(health)));
  });
});

describe('the local Analytics Engine', () => {
  const upstream = useUpstream();
  const own = { analyticsEngineDatasets: { DECISIONS: { dataset: 'decisions' } } };
  const gate = useGate({ upstream, gate: own });
  test('takes the data point without a word', async () => {
    const answer = await gate.knock();
    await gate.log.record(requestId(answer));
    assert.equal(answer.status, 101);
    // Nothing but the warnings of its configuration and the record.
    const lines = gate.log.lines.map(({ level }) => level);
    assert.deepEqual(lines.sort(), ['log', 'warn']);
  });
});

describe('secrets', () => {
  const upstream = useUpstream();
  const token = mint({ sub: 'alice', jti: 'jti-of-the-token' });
  const wrong = [
    mint({ exp: 1 }),
    seal('{"alg":"HS256","secretheader":1}', '{"secretclaim"'),
    seal('{"alg":"HS256"', '{}'),
    `${token}x`,
    'opaque-secret-session',
  ];
  const pass = (secret) => [
    [{ Authorization: `Bearer ${secret}` }],
    [{ 'Sec-WebSocket-Protocol': `bearer, ${secret}` }],
    [{ Cookie: `session=${secret}; other=secret-cookie` }],
    [{}, { target: `/?token=${secret}&q=secret-query` }],
    [{ Authorization: `Bearer ${secret}`, Cookie: 'session=other-secret' }],
    [{ Authorization: `Bearer ${secret}`, Origin: 'https://evil.example' }],
    [{ Authorization: `Bearer ${secret}`, Upgrade: null }],
    [{ Authorization: `Bearer ${secret}` }, { target: '/_portcullis/x?q=secret-query' }],
    [{ Authorization: [`Bearer ${secret}`, 'Basic c2VjcmV0'] }],
  ];

  test('never get into the log, whatever becomes of the request', async () => {
    const keys = [];
    const logs = [];
    const more = { PLAIN_HTTP: 'proxy', UPSTREAM_TIMEOUT: '2s' };
    const gates = [
      { upstream, vars },
      { vars: { ...vars, ...more, UPSTREAM_URL: `ws://127.0.0.1:${await deadPort()}` } },
      { vars: { ...vars, ...more, UPSTREAM_URL: 'wss://nowhere.invalid/secret-path' } },
      { upstream, vars: { ...vars, ALLOWED_ORIGINS: 'wrong' } },
    ];
    for (const options of gates) {
      const gate = await openGate(options);
      try {
        // The others fail before a token is looked at, or behind it.
        const tokens = options.upstream && logs.length === 0 ? [token, ...wrong] : [token];
        const requests = tokens.flatMap(pass).map(async ([changes, request]) => {
          const key = freshKey();
          keys.push(key);
          const headers = handshake({ 'Sec-WebSocket-Key': key, ...changes });
          await gate.log.record(requestId(await gate.send({ ...request, headers })));
        });
        await Promise.all(requests);
        logs.push(gate.log.toString());
      } finally {
        await gate.stop();
      }
    }
    const log = logs.join('\n');
    assert.ok(log.includes('"admitted"') && log.includes('"upstream_unreachable"'));
    const parts = [token, ...wrong].flatMap((one) => [one, ...one.split('.')]);
    const secrets = [...parts, ...keys, SECRET, 'other-secret', 'secret-cookie', 'secret-query'];
    secrets.push(
      'jti-of-the-token',
      'secretheader',
      'secretclaim',
      'c2VjcmV0',
      '?q=',
      '?token=',
      '&q=',
    );
    const leaked = secrets.filter((secret) => secret.length > 3 && log.includes(secret));
    assert.deepEqual(leaked, []);
  });
});
