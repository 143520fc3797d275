// What the upstream gets to see, header by header, and what of its choice the client gets back.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reasonOf, requestId } from '../../support/answers.mjs';
import { ask, useGate } from '../../support/gate.mjs';
import { values } from '../../support/http.mjs';
import { mint, SECRET } from '../../support/tokens.mjs';
import { acceptance, useRawUpstream, useUpstream } from '../../support/upstream.mjs';

const token = mint({ sub: 'alice', scope: 'read write' });
const vars = {
  AUTH: 'required',
  JWT_SECRET: SECRET,
  TOKEN_SOURCES: [
    'header',
    'header:Cf-Access-Jwt-Assertion',
    'subprotocol',
    'subprotocol:openai-insecure-api-key.',
    'subprotocol:base64url.bearer.authorization.k8s.io.',
    'cookie:session',
    'query:access_token',
  ],
};
const encoded = Buffer.from(token).toString('base64url');
const packed = Buffer.from(JSON.stringify({ access_token: token, refresh_token: 'secret' }));

describe('a credential', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  const rows = [
    ['header', { Authorization: `Bearer ${token}` }, '/a?b=1', { url: '/a?b=1' }],
    ['header, scheme in other case', { Authorization: `bEARER  ${token}` }, '/', {}],
    ['subprotocol alone', { 'Sec-WebSocket-Protocol': `bearer, ${token}` }, '/', {}],
    [
      'subprotocol, first of several',
      { 'Sec-WebSocket-Protocol': `bearer, ${token}, chat, v2` },
      '/',
      { 'sec-websocket-protocol': 'chat, v2' },
    ],
    [
      'subprotocol, between others',
      { 'Sec-WebSocket-Protocol': ['chat', `bearer, ${token}`, 'v2'] },
      '/',
      { 'sec-websocket-protocol': 'chat, v2' },
    ],
    ['header of its own', { 'CF-Access-Jwt-Assertion': token }, '/', {}],
    [
      'subprotocol behind a prefix',
      { 'Sec-WebSocket-Protocol': `realtime, openai-insecure-api-key.${token}, beta` },
      '/',
      { 'sec-websocket-protocol': 'realtime, beta' },
    ],
    [
      'subprotocol behind a prefix, encoded',
      {
        'Sec-WebSocket-Protocol': `base64url.bearer.authorization.k8s.io.${encoded}, v5.channel.k8s.io`,
      },
      '/',
      { 'sec-websocket-protocol': 'v5.channel.k8s.io' },
    ],
    [
      'cookie in chunks',
      { Cookie: `session.1="${token.slice(50)}"; a=1; session.0=${token.slice(0, 50)}` },
      '/',
      { cookie: 'a=1' },
    ],
    [
      'cookie with a whole session',
      { Cookie: `a=1; session=base64-${packed.toString('base64url')}` },
      '/',
      { cookie: 'a=1' },
    ],
    ['cookie alone', { Cookie: `session=${token}` }, '/', {}],
    [
      'cookie among others',
      { Cookie: `a=1; session=${token}; b="x y"; c=d=e` },
      '/',
      { cookie: 'a=1; b="x y"; c=d=e' },
    ],
    ['cookie in quotes', { Cookie: `session="${token}"; a=1` }, '/', { cookie: 'a=1' }],
    [
      'cookie beside ones with similar names',
      { Cookie: `xsession=1; session=${token}; session2=2; Session=3` },
      '/',
      { cookie: 'xsession=1; session2=2; Session=3' },
    ],
    [
      'cookie beside bytes beyond ASCII',
      { Cookie: `n=caf\u00c3\u00a9; session=${token}` },
      '/',
      { cookie: 'n=caf\u00c3\u00a9' },
    ],
    ['query alone', {}, `/a?access_token=${token}`, { url: '/a' }],
    [
      'query among others, which stay as they are',
      {},
      `/a/%20?x=%41%2f+b&access_token=${token}&&y&z=&x=1`,
      { url: '/a/%20?x=%41%2f+b&&y&z=&x=1' },
    ],
    ['query with an encoded name', {}, `/?access%5Ftoken=${token}&a=1`, { url: '/?a=1' }],
    [
      'everywhere at once',
      {
        Authorization: `Bearer ${token}`,
        'Sec-WebSocket-Protocol': `bearer, ${token}, chat`,
        Cookie: `session=${token}; a=1`,
      },
      `/?access_token=${token}&b=2&access_token=${token}`,
      { url: '/?b=2', cookie: 'a=1', 'sec-websocket-protocol': 'chat' },
    ],
    [
      'header, with other cookies and a query of that kind',
      { Authorization: `Bearer ${token}`, Cookie: 'a=1' },
      '/?token=2',
      { url: '/?token=2', cookie: 'a=1' },
    ],
  ];
  for (const [name, headers, target, left] of rows) {
    test(`is taken out: ${name}`, async () => {
      const answer = await gate.knock(headers, { target });
      assert.equal(reasonOf(answer), 'admitted');
      const sent = upstream.sent(requestId(answer));
      const { url = '/', ...kept } = left;
      assert.equal(sent.url, url);
      for (const one of [
        'authorization',
        'cf-access-jwt-assertion',
        'cookie',
        'sec-websocket-protocol',
      ]) {
        assert.deepEqual(values(sent.headers, one), [kept[one]].flat().filter(Boolean), one);
      }
      const everything = JSON.stringify([sent, answer.headers]);
      assert.ok(!everything.includes(token) && !everything.includes(token.split('.')[2]));
      assert.ok(!everything.includes(encoded));
      assert.deepEqual(values(sent.headers, 'portcullis-subject'), ['alice']);
    });
  }

  const disagreeing = [
    [
      'header and subprotocol',
      { Authorization: `Bearer ${token}`, 'Sec-WebSocket-Protocol': 'bearer, x' },
      '/',
    ],
    ['header and cookie', { Authorization: `Bearer ${token}`, Cookie: 'session=x' }, '/'],
    ['cookie and query', { Cookie: `session=${token}` }, '/?access_token=x'],
    ['two cookies', { Cookie: `session=${token}; session=x` }, '/'],
    ['two parameters', {}, `/?access_token=${token}&access_token=x`],
    ['a good one and an empty one', { Authorization: `Bearer ${token}` }, '/?access_token='],
  ];
  for (const [name, headers, target] of disagreeing) {
    test(`ambiguous_token: ${name}`, async () => {
      const before = upstream.seen.length;
      assert.equal(reasonOf(await gate.knock(headers, { target })), 'ambiguous_token');
      assert.equal(upstream.seen.length, before);
    });
  }
  test('a token in a second Cookie header does not slip through', async () => {
    const before = upstream.seen.length;
    const answer = await gate.knock({ Cookie: ['a=1', `session=${token}`] });
    assert.equal(reasonOf(answer), 'bad_handshake');
    assert.equal(upstream.seen.length, before);
  });
});

describe('with ON_TOKEN_CONFLICT=first', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...vars, ON_TOKEN_CONFLICT: 'first' } });

  test('the first source with a token decides, and no token reaches the server', async () => {
    const old = mint({ sub: 'bob' });
    const headers = { Authorization: `Bearer ${token}`, Cookie: `session=${old}; a=1` };
    const answer = await gate.knock(headers, { target: `/?access_token=${old}` });
    assert.equal(reasonOf(answer), 'admitted');
    const sent = upstream.sent(requestId(answer));
    assert.deepEqual(values(sent.headers, 'portcullis-subject'), ['alice']);
    assert.deepEqual(values(sent.headers, 'cookie'), ['a=1']);
    assert.equal(sent.url, '/');
  });
  test('a bad one there is not made good by the next', async () => {
    const headers = { Authorization: 'Bearer x', Cookie: `session=${token}` };
    assert.equal(reasonOf(await gate.knock(headers)), 'token_invalid');
  });
});

describe('identity and whence', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  test('what a client claims in the gate’s name is replaced or removed', async () => {
    const forged = {
      'Portcullis-Subject': 'root',
      'Portcullis-Scopes': 'all',
      'Portcullis-Request-Id': 'mine',
      'Portcullis-Assertion': 'x',
      'portcullis-anything': 'x',
      Forwarded: 'for=1.1.1.1;proto=https',
      'X-Forwarded-For': '1.1.1.1',
      'X-Forwarded-Proto': 'gopher',
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Port': '1',
      'X-Forwarded-User': 'root',
    };
    const headers = {
      Authorization: `Bearer ${token}`,
      'CF-Connecting-IP': '2001:db8::7',
      'X-Own': 'stays',
      ...forged,
    };
    const answer = await gate.knock(headers, { to: gate.direct });
    const sent = upstream
      .sent(requestId(answer))
      .headers.filter(([name]) => /^(portcullis-|forwarded|x-)/i.test(name));
    assert.deepEqual(Object.fromEntries(sent.map(([name, value]) => [name.toLowerCase(), value])), {
      'portcullis-request-id': requestId(answer),
      'portcullis-scopes': 'read write',
      'portcullis-subject': 'alice',
      'x-forwarded-for': '2001:db8::7',
      'x-forwarded-host': 'gate.example',
      'x-forwarded-proto': 'http',
      'x-own': 'stays',
    });
  });

  for (const [name, sub, header] of [
    ['a line break', 'a\r\nX-Admin: 1', 'a%0D%0AX-Admin:%201'],
    ['letters beyond ASCII', 'zo\u00eb', 'zo%C3%AB'],
    ['a percent sign', 'a%20b', 'a%2520b'],
  ]) {
    test(`a subject with ${name} is encoded`, async () => {
      const answer = await gate.knock({ Authorization: `Bearer ${mint({ sub })}` });
      const sent = upstream.sent(requestId(answer)).headers;
      assert.deepEqual(values(sent, 'portcullis-subject'), [header]);
      assert.deepEqual(values(sent, 'x-admin'), []);
    });
  }

  for (const [name, claims, scopes] of [
    ['scp as an array', { scp: ['a', 'b'] }, ['a b']],
    ['permissions', { permissions: ['chat:read'] }, ['chat:read']],
    ['none', {}, []],
    ['one with a line break', { scp: ['a', 'b\r\nX-Admin: 1'] }, ['a']],
  ]) {
    test(`Portcullis-Scopes: ${name}`, async () => {
      const answer = await gate.knock({ Authorization: `Bearer ${mint(claims)}` });
      assert.deepEqual(
        values(upstream.sent(requestId(answer)).headers, 'portcullis-scopes'),
        scopes,
      );
    });
  }
  test('a token without sub is fine and names nobody', async () => {
    const answer = await gate.knock({ Authorization: `Bearer ${mint({ sub: undefined })}` });
    assert.deepEqual(values(upstream.sent(requestId(answer)).headers, 'portcullis-subject'), []);
  });
});

describe('subprotocols', () => {
  const upstream = useRawUpstream((head, socket) => {
    const choice = new URL(head.split(' ')[1], 'http://upstream').searchParams.get('choose');
    socket.write(acceptance(head, ...(choice ? [`Sec-WebSocket-Protocol: ${choice}`] : [])));
  });
  const gate = useGate({ upstream, vars: { ...vars, AUTH: 'optional' } });

  for (const [name, offer, choice, echoed] of [
    ['the upstream’s choice', `bearer, ${token}, chat, v2`, 'v2', ['v2']],
    ['else bearer', `bearer, ${token}, chat`, '', ['bearer']],
    [
      'the upstream’s choice behind a prefix',
      `realtime, openai-insecure-api-key.${token}`,
      'realtime',
      ['realtime'],
    ],
    ['never a token, where nothing else was offered', `openai-insecure-api-key.${token}`, '', []],
    ['bearer, where nothing else was offered', `bearer, ${token}`, '', ['bearer']],
    ['the upstream’s choice without a token', 'chat, v2', 'chat', ['chat']],
    ['none, where none was chosen and no token offered', 'chat, v2', '', []],
    ['none, where none was offered', null, '', []],
  ]) {
    test(`answered with: ${name}`, async () => {
      const answer = await gate.knock(
        { 'Sec-WebSocket-Protocol': offer },
        { target: `/?choose=${choice}` },
      );
      assert.equal(reasonOf(answer), 'admitted');
      assert.deepEqual(values(answer.headers, 'sec-websocket-protocol'), echoed);
    });
  }
  for (const choice of ['bearer', token]) {
    test(`upstream_refused: it chose ${choice === token ? 'the token' : choice}, which it never saw`, async () => {
      const headers = { 'Sec-WebSocket-Protocol': `bearer, ${token}, chat` };
      const answer = await gate.knock(headers, { target: `/?choose=${choice}` });
      assert.equal(reasonOf(answer), 'upstream_refused');
    });
  }
});

describe('real clients', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });

  for (const [name, options, protocol] of [
    ['header', { headers: { Authorization: `Bearer ${token}` } }, ''],
    ['subprotocol', { protocols: ['bearer', token] }, 'bearer'],
    ['subprotocol and its own', { protocols: ['bearer', token, 'chat'] }, 'chat'],
    ['cookie', { headers: { Cookie: `session=${token}` } }, ''],
    ['query', { target: `/?access_token=${token}` }, ''],
  ]) {
    test(`ws connects with its token in: ${name}`, async () => {
      const socket = await gate.connect(options);
      assert.equal(await ask(socket, 'hello'), 'hello');
      assert.equal(socket.protocol, protocol);
    });
  }

  for (const [name, protocols, protocol] of [
    ['bearer alone', ['bearer', token], 'bearer'],
    ['bearer and its own', ['bearer', token, 'chat'], 'chat'],
  ]) {
    test(`the WebSocket of browsers connects: ${name}`, async () => {
      const url = new URL(gate.url);
      url.protocol = 'ws:';
      const socket = new WebSocket(url, { protocols, headers: { Origin: 'https://app.example' } });
      const echo = await new Promise((resolve, reject) => {
        socket.onerror = reject;
        socket.onopen = () => socket.send('hello');
        socket.onmessage = ({ data }) => resolve(data);
      });
      socket.close();
      assert.deepEqual([echo, socket.protocol], ['hello', protocol]);
    });
  }
});
