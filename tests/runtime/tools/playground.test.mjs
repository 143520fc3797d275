// The playground's server mints tokens: it must do so for nobody but its own page and the
// person at this machine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, request } from 'node:http';
import { networkInterfaces } from 'node:os';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startServer } from '../../../playground/server.mjs';
import { developmentKey } from '../../../playground/token.mjs';

describe('the playground’s server', () => {
  let server;
  let home;
  let away;

  before(async () => {
    server = await startServer({ port: 0, key: developmentKey() });
    server.allowConnectionsTo('ws://127.0.0.1:1');
    home = `localhost:${server.port}`;
    away = `127.0.0.1:${server.port}`;
  });
  after(() => server.stop());

  /** Sends a request whose path and headers go out as they are; resolves to the answer. */
  async function send(path, { method = 'GET', host = home, ...headers } = {}) {
    const options = { host: '127.0.0.1', port: server.port, path, method };
    const sent = request({ ...options, headers: { Host: host, ...headers } }).end();
    const [response] = await once(sent, 'response');
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk;
    return { status: response.statusCode, headers: response.headers, body };
  }

  const refusals = {
    'a name that only resolves here': ['/token', { method: 'POST', host: 'rebound.example' }, 421],
    'the page under a foreign name': ['/', { host: 'rebound.example' }, 421],
    'the right name at another port': ['/token', { method: 'POST', host: 'localhost:1' }, 421],
    'the other origin': ['/token', () => ({ method: 'POST', host: away }), 404],
    'a page of another site': ['/token', { method: 'POST', 'Sec-Fetch-Site': 'cross-site' }, 403],
    'a page of another port': ['/token', { method: 'POST', 'Sec-Fetch-Site': 'same-site' }, 403],
    'a foreign origin': ['/token', { method: 'POST', Origin: 'https://evil.example' }, 403],
    'a sandboxed page': ['/token', { method: 'POST', Origin: 'null' }, 403],
    'a foreign listener': ['/events', { 'Sec-Fetch-Site': 'cross-site' }, 403],
    'a token by GET': ['/token', {}, 405],
    'the administrator’s token by GET': ['/admin-token', {}, 405],
    'the administrator’s token to a page of another site': [
      '/admin-token',
      { method: 'POST', 'Sec-Fetch-Site': 'cross-site' },
      403,
    ],
    'documentation outside its folder': ['/docs/..%2fplayground/token.mjs', {}, 404],
    'an unknown kind': ['/token?kind=root', { method: 'POST' }, 400],
    'a file outside': ['/../tools/start.mjs', {}, 404],
    'a file of its own that is no page': ['/server.mjs', {}, 404],
  };
  for (const [name, [path, given, status]] of Object.entries(refusals)) {
    it(`refuses ${name}`, async () => {
      const answer = await send(path, typeof given === 'function' ? given() : given);
      assert.equal(answer.status, status);
      assert.doesNotMatch(answer.body, /\beyJ/);
    });
  }

  it('mints for its own page and for a command line', async () => {
    const page = { method: 'POST', 'Sec-Fetch-Site': 'same-origin', Origin: server.origin };
    for (const from of [page, { method: 'POST' }]) {
      const { status, body, headers } = await send('/token', from);
      assert.equal(status, 200);
      assert.match(body, /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
  });

  it('serves the page under a strict policy', async () => {
    const { status, headers } = await send('/');
    assert.equal(status, 200);
    assert.equal(
      headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
        `connect-src 'self' ws://127.0.0.1:1 http://127.0.0.1:1; frame-src http://${away}; frame-ancestors 'none'; ` +
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'",
    );
    assert.equal(headers['x-content-type-options'], 'nosniff');
  });

  it('lets only the playground frame the other origin’s page', async () => {
    const { status, headers } = await send('/stranger', { host: away });
    assert.equal(status, 200);
    assert.match(headers['content-security-policy'], new RegExp(`frame-ancestors http://${home};`));
  });

  it('sends who opens it by number to its name', async () => {
    const { status, headers } = await send('/', { host: away });
    assert.equal(status, 307);
    assert.equal(headers.location, `http://${home}/`);
  });

  it('tells a page that opens later how the gate is', async () => {
    server.tell('gate', { state: 'running' }, { keep: true });
    const stream = get({
      host: '127.0.0.1',
      port: server.port,
      path: '/events',
      headers: { Host: home },
    });
    const [response] = await once(stream, 'response');
    assert.equal(response.headers['content-type'], 'text/event-stream');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) {
      text += chunk;
      if (text.includes('running')) break;
    }
    assert.match(text, /^event: gate\ndata: {"state":"running"}$/m);
    stream.destroy();
  });

  it('listens to this machine alone', async (context) => {
    const outside = Object.values(networkInterfaces())
      .flat()
      .find(({ internal, family }) => !internal && family === 'IPv4');
    if (!outside) return context.skip('this machine has no other address');
    const socket = connect(server.port, outside.address);
    const [error] = await once(socket, 'error');
    assert.equal(error.code, 'ECONNREFUSED');
  });
});
