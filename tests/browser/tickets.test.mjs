// A ticket in a browser: a page of another origin gets one, reads it, and opens a socket with it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { useGate } from '../support/gate.mjs';
import { useServer } from '../support/internet.mjs';
import { mint, REQUIRED } from '../support/tokens.mjs';
import { useUpstream } from '../support/upstream.mjs';
import { useBrowser } from './playground.mjs';

const site = useBrowser();
// Two origins of one server, of which the gate allows the first.
const pages = useServer((request, response) => {
  response.setHeader('Content-Type', 'text/html');
  response.end('<!doctype html><title>A page</title>');
});

/** Does in a page of this host what an application would. */
async function visit(host, url, { headers, cookie }) {
  const context = await site.browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`http://${host}:${pages.port}/`);
    if (cookie) await context.addCookies([{ ...cookie, url }]);
    return await page.evaluate(
      async ([gate, init]) => {
        let answer;
        try {
          answer = await fetch(`${gate}_portcullis/ticket`, { method: 'POST', ...init });
        } catch (error) {
          return { fetch: error.name };
        }
        const { ticket, reason } = await answer.json();
        const challenge = answer.headers.get('www-authenticate');
        if (!ticket) return { fetch: answer.status, reason, challenge };
        const socket = new WebSocket(`${gate.replace('http', 'ws')}?ticket=${ticket}`);
        const echo = await new Promise((resolve) => {
          socket.onopen = () => socket.send('hello');
          socket.onmessage = ({ data }) => resolve(data);
          socket.onclose = ({ code }) => resolve(code);
        });
        return { fetch: answer.status, echo };
      },
      [url, { headers, credentials: cookie ? 'include' : 'same-origin' }],
    );
  } finally {
    await context.close();
  }
}

const vars = { ...REQUIRED, ALLOWED_ORIGINS: 'http://localhost:*' };
const withToken = (token) => ({ headers: { Authorization: `Bearer ${token}` } });

describe('a page', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars });
  const go = (host, how) => visit(host, gate.url.href, how);

  test('of an allowed origin opens a socket with a ticket', async () => {
    assert.deepEqual(await go('localhost', withToken(mint())), { fetch: 200, echo: 'hello' });
  });
  test('of an allowed origin can read why it gets none', async () => {
    const challenge = 'Bearer error="invalid_token"';
    const refused = { fetch: 401, reason: 'token_expired', challenge };
    assert.deepEqual(await go('localhost', withToken(mint({ exp: 1 }))), refused);
  });
  test('of another origin can’t even ask', async () => {
    assert.deepEqual(await go('127.0.0.1', withToken(mint())), { fetch: 'TypeError' });
  });
});

describe('a page with a cookie for the gate', () => {
  const upstream = useUpstream();
  const gate = useGate({ upstream, vars: { ...vars, TOKEN_SOURCES: 'cookie:session' } });

  // The gate is at localhost here, so that the cookie is of the page's own site.
  test('gets a ticket by it', async () => {
    const url = gate.url.href.replace('127.0.0.1', 'localhost');
    const how = { cookie: { name: 'session', value: mint() } };
    const { fetch } = await visit('localhost', url, how);
    assert.equal(fetch, 200);
  });
});
