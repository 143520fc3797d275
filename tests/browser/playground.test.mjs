// A browser at the playground: connecting, and being refused wherever it should be.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { startDemo } from '../../playground/demo.mjs';
import { connect, exchange, open, press, shown, usePlayground } from './playground.mjs';

// What Chromium itself writes for each refused handshake; nothing else may be written.
const REFUSAL = /^WebSocket connection to 'ws:\/\/127\.0\.0\.1:\d+\/\?attempt=[\w-]+' failed: /;

const site = usePlayground();

/** Runs `work` on a fresh page, of whose errors only this many refused handshakes are expected. */
async function onPage(work, { refusals = 0, at = site.demo, ...options } = {}) {
  const { page, complaints, close } = await open({ ...site, demo: at }, options);
  await work(page);
  await close();
  assert.deepEqual(
    complaints.filter((text) => !REFUSAL.test(text)),
    [],
  );
  assert.equal(complaints.length, refusals, complaints.join('\n'));
}

describe('the playground', () => {
  it('connects with one click, and messages go both ways', () =>
    onPage(async (page) => {
      await connect(page);
      const { record, status, headers, stopped } = await shown(page);
      assert.equal(status, 'HTTP/1.1 101 Switching Protocols');
      assert.equal(headers['Sec-WebSocket-Protocol'], 'bearer');
      assert.equal(headers['Portcullis-Request-Id'], record.request_id);
      assert.equal(stopped, undefined);
      assert.equal(record.outcome, 'admitted');
      assert.equal(record.subject, 'ada');
      assert.equal(record.origin, site.demo.origin);
      const told = await page.locator('#told').innerText();
      assert.match(told, /you are ada, with the scopes chat:read and chat:write/);
      assert.ok(told.includes(record.request_id));
      await exchange(page, 'hello');
      await exchange(page, '<b>✓ more</b>');
      await page.getByRole('button', { name: 'Disconnect' }).click();
      await page.getByText('Disconnected.').waitFor();
    }));

  it('shows the server the identity and not the token', () =>
    onPage(async (page) => {
      await connect(page);
      await page.getByText('Headers about you that the server got').click();
      const headers = await page.locator('#told-headers').innerText();
      assert.match(headers, /portcullis-subject\s+ada/);
      assert.match(headers, /x-forwarded-for\s+127\.0\.0\.1/);
      assert.match(headers, /authorization\s+none: taken out by the gate/);
      assert.match(headers, /sec-websocket-protocol\s+none: taken out by the gate/);
    }));

  const refusals = [
    {
      button: 'From another origin',
      headline: 'Refused: pages of this origin may not connect.',
      stopped: 'Origin',
      status: 'HTTP/1.1 403 Forbidden',
      then: /Connect from a page of an allowed origin/,
      record: {
        reason: 'origin_not_allowed',
        stage: 'origin',
        origin: () => site.demo.origin.replace('localhost', '127.0.0.1'),
        alg: '–',
      },
    },
    {
      button: 'With an expired token',
      headline: 'Refused: the token has expired.',
      stopped: 'Token',
      status: 'HTTP/1.1 401 Unauthorized',
      challenge: 'Bearer error="invalid_token"',
      then: /Get a fresh token/,
      record: { reason: 'token_expired', stage: 'token', cause: 'exp has passed', alg: 'HS256' },
    },
    {
      button: 'With a tampered token',
      headline: 'Refused: the token is not valid.',
      stopped: 'Token',
      status: 'HTTP/1.1 401 Unauthorized',
      challenge: 'Bearer error="invalid_token"',
      then: /Get a new token/,
      record: { reason: 'token_invalid', stage: 'token', cause: 'the signature does not verify' },
    },
    {
      button: 'Without a token',
      headline: 'Refused: there is no token.',
      stopped: 'Token',
      status: 'HTTP/1.1 401 Unauthorized',
      challenge: 'Bearer',
      then: /get a token/,
      record: { reason: 'token_missing', stage: 'token', alg: '–', subject: '–' },
    },
  ];
  for (const row of refusals) {
    it(`is refused: ${row.button}`, () =>
      onPage(
        async (page) => {
          await press(page, row.button, row.headline);
          const found = await shown(page);
          assert.equal(found.stopped, row.stopped);
          assert.equal(found.status, row.status);
          assert.equal(found.headers['WWW-Authenticate'], row.challenge);
          assert.match(found.then, row.then);
          assert.match(found.view, /keeps a refusal’s answer from its page.* code 1006/);
          assert.equal(found.headers['Portcullis-Request-Id'], found.record.request_id);
          assert.equal(found.record.outcome, 'refused');
          for (const [name, value] of Object.entries(row.record)) {
            assert.equal(found.record[name], typeof value === 'function' ? value() : value, name);
          }
          const [newest] = await page.locator('#history tr').allInnerTexts();
          assert.ok(newest.includes(row.record.reason), newest);
        },
        { refusals: 1 },
      ));
  }

  it('tells the cause beside the verdict, which checks are off, and every setting', () =>
    onPage(
      async (page) => {
        await press(page, 'With a tampered token', 'Refused');
        const cause = await page.locator('#cause').innerText();
        assert.equal(cause, 'The cause, which only the log has: the signature does not verify.');
        const permission = page.locator('#journey li', { hasText: 'Permission' });
        assert.match(await permission.innerText(), /off: no scopes are required/);
        const settings = await page.locator('#settings').innerText();
        assert.match(settings, /RATE_LIMIT_IP\s+20\/30s/);
        assert.match(settings, /JWT_SECRET\s+set/);
        assert.ok(!settings.includes(site.demo.adminToken));
        assert.match(await page.locator('#off').innerText(), /BAN_AFTER/);
      },
      { refusals: 1 },
    ));

  it('connects with a ticket, and refreshes with a newer token', () =>
    onPage(async (page) => {
      await press(page, 'Connect with a ticket', 'Admitted');
      await exchange(page, 'by ticket');
      await page.getByRole('button', { name: 'Refresh with a newer token' }).click();
      await page.getByText(/^Refreshed: the socket lives/).waitFor();
      await exchange(page, 'still here');
    }));

  it('connects with a token of one’s own', () =>
    onPage(async (page) => {
      const minted = await fetch(`${site.demo.playgroundUrl}token`, { method: 'POST' });
      await page.getByText('Your own token').click();
      await page.getByLabel('A JWT').fill(await minted.text());
      await press(page, 'Connect with this token', 'Admitted');
      await exchange(page, 'mine');
    }));

  it('is closed with a code where the route says so', () =>
    onPage(async (page) => {
      await page.getByLabel('Route').selectOption('/close');
      await press(page, 'With an expired token', 'Refused: the token has expired.');
      const { view, status, record } = await shown(page);
      assert.match(view, /opened the socket only to close it, .* code 4401/);
      assert.equal(status, 'HTTP/1.1 101 Switching Protocols');
      assert.equal(record.route, '/close');
    }));

  it('links the dashboard and the documentation', () =>
    onPage(async (page) => {
      const dashboard = await page
        .getByRole('link', { name: 'The dashboard' })
        .getAttribute('href');
      assert.equal(dashboard, site.demo.dashboardUrl);
      const link = page.getByRole('link', { name: 'refusals', exact: true });
      const refusals = await fetch(
        new URL(await link.getAttribute('href'), site.demo.playgroundUrl),
      );
      assert.match(await refusals.text(), /^# Refusals/);
    }));

  it('shows what is wrong with the settings', async () => {
    const broken = await startDemo({ vars: { IDLE_TIMEOUT: '7' } });
    try {
      const page = await site.browser.newPage();
      await page.goto(broken.playgroundUrl);
      await page.getByText('The settings are wrong, so the gate refuses everything:').waitFor();
      const list = await page.locator('#broken').innerText();
      assert.match(list, /^\s*IDLE_TIMEOUT: "7" is not a duration/);
      await page.close();
    } finally {
      await broken.stop();
    }
  });

  it('leaves an open socket alone when another attempt is refused', () =>
    onPage(
      async (page) => {
        await connect(page);
        await press(page, 'Without a token', 'Refused');
        await exchange(page, 'still here');
      },
      { refusals: 1 },
    ));

  it('shows the attempts of other clients too', () =>
    onPage(async (page) => {
      const socket = new WebSocket(site.demo.gateUrl, { origin: 'https://elsewhere.example' });
      const [, response] = await once(socket, 'unexpected-response');
      response.resume();
      assert.equal(response.statusCode, 403);
      const row = page.locator('#history tr', { hasText: 'https://elsewhere.example' });
      await row.waitFor();
      assert.match(await row.innerText(), /403\s+origin_not_allowed/);
      assert.equal(await page.locator('#headline').innerText(), 'Nothing tried yet.');
    }));

  it('hammers until the limit, counts the wait down, and then connects', async () => {
    const strict = await startDemo({ vars: { RATE_LIMIT_IP: '5/3s' } });
    try {
      await onPage(
        async (page) => {
          await press(page, 'Hammer until the limit', 'Refused: too many attempts');
          await page.getByText(/^Next attempt in [123] s$/).waitFor();
          const { why, stopped, status, headers, record } = await shown(page);
          assert.match(why, /^5 attempts were admitted before this one\./);
          assert.match(why, /Here that is 5 attempts in 3 seconds\.$/);
          assert.equal(status, 'HTTP/1.1 429 Too Many Requests');
          assert.equal(record.reason, 'rate_limited');
          assert.ok(['Known waits', 'Counters'].includes(stopped), stopped);
          assert.match(headers['Retry-After'], /^[123]$/);
          assert.equal(headers['RateLimit-Policy'], '"ip";q=5;w=3');
          assert.equal(headers['RateLimit'], `"ip";r=0;t=${headers['Retry-After']}`);
          await page.getByText('The wait is over').waitFor();
          await connect(page);
          await exchange(page, 'back again');
        },
        { refusals: 1, at: strict },
      );
    } finally {
      await strict.stop();
    }
  });
});
