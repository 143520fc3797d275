// RFC 6455 §4.2.1 by raw bytes, past Miniflare's own Worker.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertAdmitted, assertRefused, reasonOf, requestId } from '../../support/answers.mjs';
import { freshKey, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { useUpstream } from '../../support/upstream.mjs';

describe('a handshake', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream });
  const key = (bytes) => Buffer.alloc(bytes, 7).toString('base64');

  const malformed = [
    ['no key', { 'Sec-WebSocket-Key': null }],
    ['an empty key', { 'Sec-WebSocket-Key': '' }],
    ['a key of 15 bytes', { 'Sec-WebSocket-Key': key(15) }],
    ['a key of 17 bytes', { 'Sec-WebSocket-Key': key(17) }],
    ['a key without padding', { 'Sec-WebSocket-Key': key(16).replace('==', '') }],
    ['a key with spare bits set', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZR==' }],
    ['a key in base64url', { 'Sec-WebSocket-Key': '__79_Pv6-fj39vX08_Lx8A==' }],
    ['a key with a space in it', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBs ZSBub25jZQ==' }],
    ['two keys', { 'Sec-WebSocket-Key': [freshKey(), freshKey()] }],
    ['one key twice', { 'Sec-WebSocket-Key': [key(16), key(16)] }],
    ['no Connection', { Connection: null }],
    ['Connection: close', { Connection: 'close' }],
    ['Connection that only begins like it', { Connection: 'Upgrades' }],
    ['Connection: Keep-Alive among others', { Connection: 'Keep-Alive, TE' }],
    ['protocols of commas', { 'Sec-WebSocket-Protocol': ', ,' }],
    ['a protocol twice', { 'Sec-WebSocket-Protocol': 'chat, v2, chat' }],
    ['a protocol twice in two headers', { 'Sec-WebSocket-Protocol': ['chat', 'chat'] }],
    ['a protocol with a space', { 'Sec-WebSocket-Protocol': 'chat room' }],
    ['a protocol with a separator', { 'Sec-WebSocket-Protocol': 'chat/2' }],
    ['an extension without a name', { 'Sec-WebSocket-Extensions': '; server_no_context_takeover' }],
    ['an extension with an open quote', { 'Sec-WebSocket-Extensions': 'x; y="1' }],
    ['an extension with an empty parameter', { 'Sec-WebSocket-Extensions': 'permessage-deflate;' }],
    ['extensions of commas', { 'Sec-WebSocket-Extensions': ', ,' }],
    ['a repeated bearer', { Authorization: ['Bearer a', 'Bearer b'] }],
    ['two schemes', { Authorization: ['Basic a', 'Bearer b'] }],
  ];
  for (const [name, changes] of malformed) {
    test(`bad_handshake: ${name}`, async () => {
      assertRefused(await gate.knock(changes, { to: gate.direct }), 'bad_handshake');
    });
  }
  for (const [name, changes, body] of [
    ['with a length', { 'Content-Length': '4' }, 'body'],
    ['in chunks', { 'Transfer-Encoding': 'chunked' }, '4\r\nbody\r\n0\r\n\r\n'],
  ]) {
    test(`bad_handshake: a body ${name}`, async () => {
      assertRefused(await gate.knock(changes, { to: gate.direct, body }), 'bad_handshake');
    });
  }
  test('none of them reached the upstream', () => assert.deepEqual(upstream.seen, []));

  // Empty elements are ignored (RFC 9110 §5.6.1.2), and the server sees none.
  for (const [offered, seen] of [
    ['chat,', 'chat'],
    [',chat, ,v2', 'chat, v2'],
  ]) {
    test(`protocols with empty elements count without them: ${offered}`, async () => {
      const answer = await gate.knock({ 'Sec-WebSocket-Protocol': offered }, { to: gate.direct });
      assert.equal(reasonOf(answer), 'admitted');
      const { headers } = upstream.sent(requestId(answer));
      assert.deepEqual(values(headers, 'sec-websocket-protocol'), [seen]);
      assert.deepEqual(values(answer.headers, 'sec-websocket-protocol'), ['chat']);
    });
  }
  test('an extension with an empty element counts without it', async () => {
    const headers = { 'Sec-WebSocket-Extensions': 'permessage-deflate, ' };
    assert.equal(reasonOf(await gate.knock(headers, { to: gate.direct })), 'admitted');
  });

  // The platform drops an empty header before the Worker could refuse it.
  for (const name of ['Sec-WebSocket-Protocol', 'Sec-WebSocket-Extensions']) {
    test(`an empty ${name} counts as none`, async () => {
      assert.equal(reasonOf(await gate.knock({ [name]: '' }, { to: gate.direct })), 'admitted');
    });
  }

  const wellFormed = [
    ['Upgrade in other case', { Upgrade: 'WebSocket' }],
    ['Connection as the edge puts it', { Connection: 'Keep-Alive' }],
    ['Connection as Firefox sends it', { Connection: 'keep-alive, Upgrade' }],
    ['white space around the version', { 'Sec-WebSocket-Version': ' 13\t' }],
    ['an empty body', { 'Content-Length': '0' }],
    ['extensions with parameters', { 'Sec-WebSocket-Extensions': 'x; a="b"; c, y;d=1' }],
    ['extensions in two headers', { 'Sec-WebSocket-Extensions': ['x', 'y; z'] }],
  ];
  for (const [name, changes] of wellFormed) {
    test(`is admitted: ${name}`, async () => {
      const nonce = freshKey();
      const answer = await gate.knock(
        { 'Sec-WebSocket-Key': nonce, ...changes },
        { to: gate.direct },
      );
      assertAdmitted(answer, nonce);
    });
  }

  // workerd opens no socket to such a request, whatever the Worker answers: better to say so than
  // to blame the upstream.
  test('bad_handshake: Upgrade that names websocket among others', async () => {
    const before = upstream.seen.length;
    const answer = await gate.knock({ Upgrade: 'h2c, websocket' }, { to: gate.direct });
    assertRefused(answer, 'bad_handshake');
    assert.equal(upstream.seen.length, before);
  });
  test('the key of the client is not the one that the upstream gets', async () => {
    const nonce = freshKey();
    const answer = await gate.knock({ 'Sec-WebSocket-Key': nonce });
    assert.notDeepEqual(values(upstream.sent(requestId(answer)).headers, 'sec-websocket-key'), [
      nonce,
    ]);
  });
});
