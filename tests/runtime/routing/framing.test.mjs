// A request reaches the server in one framing, whatever two framings came (RFC 9112 §6.3), on
// workerd's own socket.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { assertRefused } from '../../support/answers.mjs';
import { useGate } from '../../support/gate.mjs';
import { exchange, values } from '../../support/http.mjs';
import { useRawUpstream, useUpstream } from '../../support/upstream.mjs';

const SECOND = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
const chunks = (...texts) =>
  [...texts, ''].map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join('');

/** What is sent after the first line and `Host`, and the body that it means: none if it is refused. */
const FRAMINGS = {
  'a length': [['Content-Length: 5'], 'hello', 'hello'],
  chunks: [['Transfer-Encoding: chunked'], chunks('he', 'llo'), 'hello'],
  'a length and chunks': [
    ['Content-Length: 4', 'Transfer-Encoding: chunked'],
    chunks(SECOND),
    SECOND,
  ],
  'chunks and a length over a second request': [
    ['Transfer-Encoding: chunked', `Content-Length: ${5 + SECOND.length}`],
    `0\r\n\r\n`,
    '',
  ],
  'two lengths that differ': [['Content-Length: 5', 'Content-Length: 0'], 'hello'],
  'a length with a sign': [['Content-Length: +5'], 'hello'],
  'an unknown coding': [['Content-Length: 5', 'Transfer-Encoding: xchunked'], 'hello'],
  'a length that Connection names': [
    ['Content-Length: 5', 'Connection: Content-Length'],
    'hello',
    'hello',
  ],
  'framings with underscores': [
    ['Content-Length: 5', 'Content_Length: 0', 'Transfer_Encoding: chunked'],
    'hello',
    'hello',
  ],
  trailers: [
    ['Transfer-Encoding: chunked', 'Trailer: X-Late'],
    '5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n',
    'hello',
  ],
  'an expectation': [['Expect: x', 'Content-Length: 5'], 'hello', 'hello'],
};

for (const mode of ['proxy', 'guard']) {
  describe(`PLAIN_HTTP=${mode}: a body by`, () => {
    const bodies = new Map();
    const upstream = useUpstream({
      onRequest: async (request, response) => {
        const body = Buffer.concat(await request.toArray()).toString();
        bodies.set(request.url, body);
        response.end(body);
      },
    });
    const gate = useGate({ upstream, vars: { PLAIN_HTTP: mode, ORIGIN_MISSING: 'allow' } });
    Object.entries(FRAMINGS).forEach(([name, [lines, sent, body]], at) => {
      test(name, async () => {
        const head = [`POST /${at} HTTP/1.1`, 'Host: gate.example', ...lines].join('\r\n');
        const answer = await exchange(gate.direct, Buffer.from(`${head}\r\n\r\n${sent}`));
        // Whatever stood behind it on a connection to the server would be read before this one.
        const next = await gate.call('GET', `/next-${at}`, { to: gate.direct });
        assert.equal(next.status, 200);
        assert.equal(answer.status, body === undefined ? 400 : 200);
        assert.equal(bodies.get(`/${at}`), body);
        const urls = upstream.seen.map(({ url }) => url);
        assert.ok(!urls.includes('/smuggled'), urls.join());
        const { headers = [] } = upstream.seen.find(({ url }) => url === `/${at}`) ?? {};
        const framed = headers.filter(([known]) =>
          /^(content.length|transfer.encoding)$/i.test(known),
        );
        assert.ok(framed.length <= 1, JSON.stringify(framed));
        for (const hop of ['trailer', 'expect', 'x-late'])
          assert.deepEqual(values(headers, hop), []);
      });
    });
    test('nothing asks a server to send back what it was told', async () => {
      const allow = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
      assertRefused(await gate.call('TRACE', '/', { to: gate.direct }), 'method_not_allowed', {
        headers: { allow },
        title: 'Use a method that Allow lists.',
      });
      // workerd knows no such method.
      assert.equal((await gate.call('TRACK', '/', { to: gate.direct })).status, 501);
      assert.ok(!upstream.seen.some(({ method }) => /TRAC/.test(method)));
    });
  });
}

describe('a second request on the client’s connection', () => {
  let heads = '';
  const upstream = useRawUpstream((head, socket) => {
    heads += head;
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
  });
  const gate = useGate({ upstream, vars: { PLAIN_HTTP: 'proxy' } });
  test('is a request of its own, with the gate’s headers', async () => {
    const socket = net.connect({ host: gate.direct.hostname, port: gate.direct.port });
    const first = 'GET /first HTTP/1.1\r\nHost: gate.example\r\nContent-Length: 0\r\n\r\n';
    const forged = 'GET /second HTTP/1.1\r\nHost: x\r\nPortcullis-Subject: admin\r\n\r\n';
    socket.write(first + forged);
    let answers = '';
    while (!/ok[^]*ok/.test(answers)) answers += (await once(socket, 'data'))[0];
    socket.destroy();
    assert.match(heads, /GET \/second HTTP/);
    assert.doesNotMatch(heads, /admin/);
    assert.equal(heads.match(/portcullis-request-id/gi).length, 2);
  });
});
