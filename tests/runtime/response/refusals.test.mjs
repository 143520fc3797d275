// Every refusal of the contract's §3, provoked and compared whole.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { version } from '../../../tools/init/files.mjs';
import {
  assertAdmitted,
  assertAnswer,
  assertRefused,
  requestId,
  STAMPS,
} from '../../support/answers.mjs';
import { freshAddress, freshKey, handshake, repeat, useGate } from '../../support/gate.mjs';
import { bearer, mint, now, REQUIRED, seal } from '../../support/tokens.mjs';
import { acceptance, deadPort, useRawUpstream, useUpstream } from '../../support/upstream.mjs';

const health = (status, body) => ({
  status,
  headers: { ...STAMPS, 'content-type': 'application/json', 'cache-control': 'no-store' },
  body,
});

describe('a gate that wants a token', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: { ...REQUIRED, RATE_LIMIT_IP: '2/1m' },
  });
  const token = mint();

  test('a good handshake is admitted, and its 101 holds the stamps and nothing else', async () => {
    const key = freshKey();
    assertAdmitted(await gate.knock(bearer(token, { 'Sec-WebSocket-Key': key })), key);
  });

  test('health is ok', async () => {
    const headers = [['Host', 'gate.example']];
    assertAnswer(
      await gate.send({ target: '/_portcullis/health', headers }),
      health(200, `{"status":"ok","version":"${version()}"}`),
    );
  });

  const nowhere = [
    ['the prefix', '/_portcullis'],
    ['the prefix and a slash', '/_portcullis/'],
    ['an endpoint of a later version', '/_portcullis/admin/sockets'],
    ['a percent-encoded letter', '/_portcullis/%68ealth'],
    ['a percent-encoded prefix', '/%5Fportcullis/health'],
    ['a wholly encoded prefix', '/%5f%70%6f%72%74%63%75%6c%6c%69%73/admin'],
    ['a percent-encoded slash', '/_portcullis%2Fhealth'],
    ['dot segments', '/chat/../_portcullis/admin'],
    ['encoded dot segments', '/chat/%2e%2E/_portcullis/admin'],
    ['backslashes', '/chat/..\\_portcullis\\admin'],
    ['an encoded dot segment before it', '/%2e/_portcullis/admin'],
    ['a query', '/_portcullis/?to=/health'],
    ['an absolute target', 'http://gate.example/_portcullis/admin'],
  ];
  for (const [name, target] of nowhere) {
    test(`no_route: ${name} never reaches the upstream`, async () => {
      const before = upstream.seen.length;
      assertRefused(await gate.knock(bearer(token), { target }), 'no_route');
      assertRefused(await gate.send({ target, headers: [['Host', 'gate.example']] }), 'no_route');
      assert.equal(upstream.seen.length, before);
    });
  }
  test('no_route: health by another method', async () => {
    const request = {
      method: 'POST',
      target: '/_portcullis/health',
      headers: [
        ['Host', 'gate.example'],
        ['Content-Length', '0'],
      ],
    };
    assertRefused(await gate.send(request), 'no_route');
  });

  const plain = [
    ['GET', null],
    ['GET', 'h2c'],
    ['GET', 'notwebsocket'],
    ['POST', null],
    ['DELETE', null],
  ];
  for (const [method, upgrade] of plain) {
    test(`upgrade_required: ${method} with Upgrade ${upgrade}`, async () => {
      const changes = { Upgrade: upgrade, Connection: null };
      assertRefused(await gate.knock(bearer(token, changes), { method }), 'upgrade_required');
    });
  }

  for (const method of ['POST', 'PUT', 'OPTIONS', 'DELETE']) {
    test(`method_not_allowed: ${method} with Upgrade`, async () => {
      assertRefused(
        await gate.knock(bearer(token), { method, to: gate.direct }),
        'method_not_allowed',
      );
    });
  }

  const versions = [
    ['none', null],
    ['an older one', '8'],
    ['several', '13, 8'],
    ['13 twice', ['13', '13']],
    ['another spelling', '013'],
    ['an empty one', ''],
  ];
  for (const [name, version] of versions) {
    test(`unsupported_version: ${name}`, async () => {
      assertRefused(
        await gate.knock(bearer(token, { 'Sec-WebSocket-Version': version })),
        'unsupported_version',
      );
    });
  }

  test('bad_handshake: a key that is none', async () => {
    assertRefused(await gate.knock(bearer(token, { 'Sec-WebSocket-Key': 'x' })), 'bad_handshake');
  });

  test('replayed_key: the same key from the same address; another address may use it', async () => {
    const used = { 'Sec-WebSocket-Key': freshKey(), 'CF-Connecting-IP': freshAddress() };
    assertAdmitted(await gate.knock(bearer(token, used)), used['Sec-WebSocket-Key']);
    assertRefused(await gate.knock(bearer(token, used)), 'replayed_key');
    assertAdmitted(
      await gate.knock(bearer(token, { ...used, 'CF-Connecting-IP': freshAddress() })),
      used['Sec-WebSocket-Key'],
    );
  });

  test('origin_missing', async () => {
    assertRefused(await gate.knock(bearer(token, { Origin: null })), 'origin_missing');
  });

  const origins = [
    ['null', 'null'],
    ['another', 'https://evil.example'],
    ['a prefix', 'https://app.exampl'],
    ['a suffix', 'https://app.example.evil.example'],
    ['a subdomain', 'https://x.app.example'],
    ['a look-alike of the dot', 'https://appxexample'],
    ['userinfo', 'https://app.example@evil.example'],
    ['another port', 'https://app.example:8443'],
    ['a lesser scheme', 'http://app.example'],
    ['a trailing dot', 'https://app.example.'],
    ['a path', 'https://app.example/'],
    ['two in one', 'https://app.example, https://app.example'],
    ['two headers', ['https://app.example', 'https://evil.example']],
    ['a tab', 'https://app.example\thttps://evil.example'],
    ['bytes beyond ASCII', 'https://\u00e4pp.example'],
  ];
  for (const [name, origin] of origins) {
    test(`origin_not_allowed: ${name}`, async () => {
      const answer = await gate.knock(
        bearer(token, { Origin: origin, 'Sec-WebSocket-Origin': 'https://app.example' }),
      );
      assertRefused(answer, 'origin_not_allowed');
    });
  }

  const absent = [
    ['nothing', {}],
    ['another scheme', { Authorization: `Basic ${token}` }],
    ['a source that is not set: a cookie', { Cookie: `token=${token}` }],
  ];
  for (const [name, headers] of absent) {
    test(`token_missing: ${name}`, async () => {
      assertRefused(await gate.knock(headers), 'token_missing');
    });
  }

  const signed = (claims, options) => mint(claims, options);
  const [head, body, signature] = token.split('.');
  const invalid = [
    ['empty', ''],
    ['no JWT', 'opaque'],
    ['two segments', `${head}.${body}`],
    ['four segments', `${token}.${signature}`],
    ['a tampered payload', `${head}.${body.slice(0, -4)}AAAA.${signature}`],
    ['a tampered signature', `${head}.${body}.${signature.slice(0, -4)}AAAA`],
    ['an empty signature', `${head}.${body}.`],
    ['a signature cut short', `${head}.${body}.${signature.slice(0, -4)}`],
    ['another key', signed({}, { key: 'another key, as long as the right one is 0123' })],
    ['alg none', `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`],
    [
      'an alg that the key is not for',
      seal('{"alg":"HS257"}', JSON.stringify({ exp: now() + 60 })),
    ],
    ['crit', signed({}, { header: { crit: ['exp'] } })],
    ['no exp', signed({ exp: undefined })],
    ['exp that is a text', signed({ exp: '9999999999' })],
    ['nbf to come', signed({ nbf: now() + 60 })],
    ['iat to come', signed({ iat: now() + 60 })],
    ['a member twice', seal('{"alg":"HS256"}', `{"exp":1,"exp":${now() + 60}}`)],
    ['a payload that is no object', seal('{"alg":"HS256"}', '[]')],
    ['expired and forged', `${mint({ exp: 1 }).slice(0, -4)}AAAA`],
    ['expired with a wrong sub', signed({ exp: 1, sub: 7 })],
    ['padding', `${head}=.${body}.${signature}`],
    ['too long', `${head}.${'A'.repeat(9000)}.${signature}`],
  ];
  for (const [name, wrong] of invalid) {
    test(`token_invalid is one answer: ${name}`, async () => {
      assertRefused(await gate.knock(bearer(wrong)), 'token_invalid');
    });
  }

  test('token_expired: everything is right but the time', async () => {
    assertRefused(await gate.knock(bearer(mint({ exp: now() - 1 }))), 'token_expired');
  });

  test('ambiguous_token: two sources with different tokens, both good', async () => {
    const headers = bearer(token, { 'Sec-WebSocket-Protocol': `bearer, ${mint({ sub: 'bob' })}` });
    assertRefused(await gate.knock(headers), 'ambiguous_token');
  });

  test('rate_limited: the third of two', async () => {
    const address = { 'CF-Connecting-IP': freshAddress() };
    await repeat(2, async () => {
      assert.equal((await gate.knock(bearer(token, address))).status, 101);
    });
    const answer = await gate.knock(bearer(token, address));
    const wait = new Map(answer.headers).get('retry-after');
    assert.match(wait, /^(59|60)$/);
    assertRefused(answer, 'rate_limited', {
      headers: {
        'retry-after': wait,
        ratelimit: `"ip";r=0;t=${wait}`,
        'ratelimit-policy': '"ip";q=2;w=60',
      },
    });
  });
});

describe('a gate that is not configured', () => {
  const gate = useGate({ vars: { UPSTREAM_URL: 'nonsense' } });
  for (const [name, request] of [
    ['an upgrade', { headers: handshake() }],
    ['a plain request', { headers: [['Host', 'gate.example']] }],
    ['a path under the prefix', { target: '/_portcullis/x', headers: [['Host', 'gate.example']] }],
  ]) {
    test(`misconfigured: ${name}`, async () => {
      assertRefused(await gate.send(request), 'misconfigured');
    });
  }
  test('health says so, and not why', async () => {
    const headers = [['Host', 'gate.example']];
    const answer = await gate.send({ target: '/_portcullis/health', headers });
    assertAnswer(answer, health(503, `{"status":"misconfigured","version":"${version()}"}`));
  });
});

describe('a gate that wants https', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { REQUIRE_TLS: undefined } });
  const headers = [['Host', 'gate.example:8080']];

  for (const [name, changes] of [
    ['an upgrade', {}],
    ['an upgrade that claims https', { 'X-Forwarded-Proto': 'https', Forwarded: 'proto=https' }],
  ]) {
    test(`insecure_transport: ${name}`, async () => {
      assertRefused(await gate.knock(changes, { to: gate.direct }), 'insecure_transport');
    });
  }
  test('insecure_transport: a plain POST', async () => {
    const request = { method: 'POST', headers: [...headers, ['Content-Length', '0']] };
    assertRefused(await gate.send(request), 'insecure_transport');
  });
  for (const target of ['/', '/a/b?c=d%20e&f', '/_portcullis/health', '//evil.example/']) {
    test(`insecure_transport: a reader of ${target} is sent to https`, async () => {
      const location = `https://gate.example:8080${target}`;
      const redirect = { status: 308, title: 'Use https.', headers: { location } };
      assertRefused(await gate.send({ target, headers }), 'insecure_transport', redirect);
    });
  }
  test('nothing of it reaches the upstream', () => assert.equal(upstream.seen.length, 0));
});

describe('upstreams that fail', () => {
  const plain = (status, line) =>
    `HTTP/1.1 ${status}\r\n${line}\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecret`;
  const answers = {
    '/200': () => plain('200 OK', 'X-Inside: secret'),
    '/302': () => plain('302 Found', 'Location: /followed'),
    '/401': () => plain('401 Unauthorized', 'WWW-Authenticate: Basic'),
    '/500': () => plain('500 Oops', 'Set-Cookie: a=secret'),
    '/429': () => plain('429 Busy', 'Retry-After: 1'),
    '/protocol': (head) => acceptance(head, 'Sec-WebSocket-Protocol: chat'),
    '/other-protocol': (head) => acceptance(head, 'Sec-WebSocket-Protocol: CHAT'),
    '/two-protocols': (head) => acceptance(head, 'Sec-WebSocket-Protocol: chat, v2'),
    '/extension': (head) => acceptance(head, 'Sec-WebSocket-Extensions: permessage-deflate'),
  };
  const paths = [];
  let last;
  let heard;
  const upstream = useRawUpstream((head, socket) => {
    const path = head.split(' ')[1];
    paths.push(path);
    last = socket;
    heard = undefined;
    socket.on('data', (chunk) => (heard = chunk));
    if (path === '/silent') return;
    if (path === '/hangup') socket.destroy();
    else socket.write(answers[path](head));
  });
  const gate = useGate({ upstream, vars: { UPSTREAM_TIMEOUT: '300ms' } });
  const isClosed = async () => {
    if (!last.closed) await once(last, 'close', { signal: AbortSignal.timeout(5_000) });
  };

  for (const [name, target, changes] of [
    ['200', '/200'],
    ['302, which is not followed', '/302'],
    ['401', '/401'],
    ['500', '/500'],
    ['429', '/429'],
    ['a subprotocol where none was offered', '/protocol'],
    ['a subprotocol in other case', '/other-protocol', { 'Sec-WebSocket-Protocol': 'chat' }],
    ['two subprotocols', '/two-protocols', { 'Sec-WebSocket-Protocol': 'chat, v2' }],
    ['an extension that was not offered', '/extension'],
  ]) {
    test(`upstream_refused: ${name}`, async () => {
      const asked = paths.length;
      assertRefused(await gate.knock(changes, { target }), 'upstream_refused');
      assert.deepEqual(paths.slice(asked), [target]);
    });
  }
  test('a refused upstream is not left with an open socket, but with a close of 1002', async () => {
    await gate.knock({}, { target: '/protocol' });
    if (!heard) await once(last, 'data', { signal: AbortSignal.timeout(5_000) });
    const frame = heard;
    // A close frame, masked as a client's are (RFC 6455 §5.2).
    const [opcode, , ...mask] = frame;
    assert.equal(opcode, 0x88);
    assert.equal(frame.readUInt16BE(6) ^ ((mask[0] << 8) | mask[1]), 1002);
  });

  test('upstream_timeout, and the upstream is let go', async () => {
    const began = performance.now();
    assertRefused(await gate.knock({}, { target: '/silent' }), 'upstream_timeout');
    const took = performance.now() - began;
    assert.ok(took >= 300, `${took} ms`);
    await isClosed();
  });
  test('upstream_unreachable: it hangs up', async () => {
    assertRefused(await gate.knock({}, { target: '/hangup' }), 'upstream_unreachable');
  });
});

describe('an upstream that is not there', () => {
  const gate = useGate(async () => ({
    vars: { UPSTREAM_URL: `ws://127.0.0.1:${await deadPort()}` },
  }));
  test('upstream_unreachable', async () => {
    const answer = await gate.knock();
    assertRefused(answer, 'upstream_unreachable');
    assert.equal((await gate.log.record(requestId(answer))).stage, 'forward');
  });
});
