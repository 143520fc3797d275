// Input made to break things. Whatever the answer to it is, the gate stands afterwards.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { handshake, useGate } from '../../support/gate.mjs';
import { exchange, requestBytes } from '../../support/http.mjs';
import { mint, now, SECRET, seal } from '../../support/tokens.mjs';
import { useUpstream } from '../../support/upstream.mjs';

const WARNINGS = 'portcullis: warnings:';

describe('hostile input', () => {
  const upstream = useUpstream();
  const gate = useGate({
    upstream,
    vars: {
      AUTH: 'required',
      JWT_SECRET: SECRET,
      TOKEN_SOURCES: 'header,subprotocol,cookie:session,query:token',
    },
  });
  const bearer = (token) => ({ Authorization: `Bearer ${token}` });
  const list = (count, element) => Array.from({ length: count }, (_, at) => element(at)).join(', ');
  const base64 = (text) => Buffer.from(text, 'latin1').toString('base64url');
  const deep = (depth) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const exp = now() + 60;

  // The reason where the request gets to the gate, undefined where the platform refuses it.
  const rows = [
    ['a header of 64 KB', { 'X-Long': 'x'.repeat(65_000) }],
    ['a header of a megabyte', { 'X-Long': 'x'.repeat(1 << 20) }],
    [
      'a thousand headers',
      Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`X-${at}`, 'x'])),
    ],
    ['a token of 8 KB and a byte', bearer('x'.repeat(8193)), 'token_invalid'],
    [
      'a token of 60 KB',
      bearer(`${base64('{"alg":"HS256"}')}.${'A'.repeat(60_000)}.`),
      'token_invalid',
    ],
    ['a token of dots', bearer('.'.repeat(8000)), 'token_invalid'],
    [
      'three thousand protocols',
      { 'Sec-WebSocket-Protocol': list(3000, (at) => `p${at}`) },
      'token_missing',
    ],
    [
      'three thousand equal protocols',
      { 'Sec-WebSocket-Protocol': list(3000, () => 'p') },
      'bad_handshake',
    ],
    ['protocols of commas', { 'Sec-WebSocket-Protocol': ','.repeat(10_000) }, 'bad_handshake'],
    ['bearer as the last protocol', { 'Sec-WebSocket-Protocol': 'a, bearer' }, 'token_invalid'],
    ['extensions of quotes', { 'Sec-WebSocket-Extensions': '"'.repeat(9999) }, 'bad_handshake'],
    [
      'three thousand extensions',
      { 'Sec-WebSocket-Extensions': list(3000, (at) => `e${at}; a="b"`) },
      'token_missing',
    ],
    [
      'an Origin of 30 KB',
      { Origin: `https://${'a.'.repeat(15_000)}example` },
      'origin_not_allowed',
    ],
    ['an Origin of brackets', { Origin: `https://${'['.repeat(5000)}` }, 'origin_not_allowed'],
    [
      'an Origin with a monstrous port',
      { Origin: `https://app.example:${'9'.repeat(5000)}` },
      'origin_not_allowed',
    ],
    ['cookies of 30 KB', { Cookie: 'a=b; '.repeat(6000) }, 'token_missing'],
    ['a cookie of an equals sign', { Cookie: '=; session; =session;;;' }, 'token_invalid'],
    ['a cookie of one quote', { Cookie: 'session="' }, 'token_invalid'],
    ['JSON 3000 deep in the header', bearer(seal(deep(2000), '{}')), 'token_invalid'],
    ['JSON 2000 deep in the payload', bearer(seal('{"alg":"HS256"}', deep(2000))), 'token_invalid'],
    [
      'JSON 100 deep in the payload',
      bearer(seal('{"alg":"HS256"}', `{"exp":${exp},"a":${deep(100)}}`)),
      'admitted',
    ],
    [
      'an exp beyond all numbers',
      bearer(seal('{"alg":"HS256"}', '{"exp":1e999}')),
      'token_invalid',
    ],
    ['an exp at the end of time', bearer(mint({ exp: 1e300 })), 'admitted'],
    ['a negative exp', bearer(mint({ exp: -1e300 })), 'token_expired'],
    ['an iat at the end of time', bearer(mint({ iat: 1e308 })), 'token_invalid'],
    ['a payload of NUL bytes', bearer(seal('{"alg":"HS256"}', '\0'.repeat(100))), 'token_invalid'],
    [
      'a payload of no UTF-8',
      bearer(`${base64('{"alg":"HS256"}')}.${base64('\xff\xfe')}.x`),
      'token_invalid',
    ],
    [
      'a lone surrogate as subject',
      bearer(seal('{"alg":"HS256"}', `{"exp":${exp},"sub":"\\ud800"}`)),
      'token_invalid',
    ],
    ['a subject of 6 KB', bearer(mint({ sub: '\u00e9'.repeat(2000) })), 'admitted'],
    ['a kid of 5 KB', bearer(mint({}, { header: { kid: '\u{1f3f0}'.repeat(1000) } })), 'admitted'],
    [
      'bytes beyond ASCII in every header',
      { Origin: '\xff\xfe', 'Sec-WebSocket-Protocol': '\xe9', Cookie: '\xff=\xff' },
    ],
    ['bytes beyond ASCII as token', bearer('\xff\xfe.\xff.\xff')],
    ['an address of 30 KB', { 'CF-Connecting-IP': '1'.repeat(30_000) }, 'token_missing'],
    ['ten thousand parameters', {}, 'token_missing', `/?${'a=b&'.repeat(10_000)}`],
    ['broken percent-encoding in the query', {}, 'token_invalid', '/?token=%zz%ff&%=%'],
    ['broken percent-encoding in the path', {}, 'no_route', '/%?token=%zz%ff&%=%'],
    ['a path that is not UTF-8', {}, 'no_route', `/${'%ff'.repeat(5000)}`],
    ['a path of percent signs', {}, 'no_route', `/%${'25'.repeat(7000)}`],
    ['a path of slashes', {}, 'no_route', '/'.repeat(10_000)],
    ['a path of semicolons', {}, 'no_route', `/a${';'.repeat(10_000)}/${';'.repeat(100)}`],
    ['a path of segments', {}, 'token_missing', '/a'.repeat(7000)],
  ];
  for (const [name, changes, reason, target] of rows) {
    test(`${reason ?? 'any answer'}: ${name}`, async () => {
      const answer = await gate.send({ target, headers: handshake(changes) });
      if (reason) assert.equal(reasonOf(answer), reason);
      else if (answer?.status === 101) assert.fail('it was admitted');
    });
  }

  const junk = [
    ['random bytes', randomBytes(4096)],
    ['a TLS greeting', Buffer.from('1603010200010001fc0303', 'hex')],
    ['an HTTP/2 preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['no version', Buffer.from('GET /\r\n\r\n')],
    ['HTTP/0.9 and line feeds', Buffer.from('GET / HTTP/1.1\nHost: x\n\n')],
    [
      'a NUL in a header',
      requestBytes({ headers: handshake({ Origin: 'https://app.example\0' }) }),
    ],
    [
      'a folded header',
      requestBytes({ headers: handshake({ Origin: 'https://app.example,\r\n https://b' }) }),
    ],
    [
      'two lengths',
      requestBytes({ headers: handshake({ 'Content-Length': ['1', '2'] }), body: 'ab' }),
    ],
    [
      'a length and chunks',
      requestBytes({
        headers: handshake({ 'Content-Length': '3', 'Transfer-Encoding': 'chunked' }),
        body: '0\r\n\r\n',
      }),
    ],
    ['a length below zero', requestBytes({ headers: handshake({ 'Content-Length': '-1' }) })],
  ];
  for (const [name, bytes] of junk) {
    test(`no admission: ${name}`, async () => {
      // Some of it the server waits to be continued: nothing more comes.
      const answer = await exchange(gate.url, bytes, { end: true });
      answer?.socket?.destroy();
      assert.notEqual(answer?.status, 101);
    });
  }

  test('after all of it the gate stands, and nothing panicked', async () => {
    const answer = await gate.knock(bearer(mint()));
    assert.equal(reasonOf(answer), 'admitted');
    await gate.log.record(requestId(answer));
    assert.doesNotMatch(gate.log.toString(), /panicked|RuntimeError|unreachable executed/);
    // Records alone, behind the warnings of the configuration.
    const isExpected = ({ message }) => message.startsWith('{') || message.startsWith(WARNINGS);
    assert.ok(gate.log.lines.every(isExpected), gate.log.toString());
  });
});
