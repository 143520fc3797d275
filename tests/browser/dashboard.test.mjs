// The administrator's dashboard in a browser, before the playground's own traffic.
/* global document -- of the page, where some functions run */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { accessibilityTree, faintTexts } from '../support/accessible.mjs';
import { freshAddress } from '../support/gate.mjs';
import { usePlayground } from './playground.mjs';

// The gate's policy names features that this browser does not have.
const UNKNOWN_FEATURE = /^Error with Permissions-Policy header/;

const site = usePlayground();

/** Opens the dashboard in a new profile, and signs in unless `token` is null. */
async function open({ token = site.demo.adminToken, ...options } = {}) {
  const viewport = { width: 1280, height: 900 };
  const context = await site.browser.newContext({ viewport, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    const isWrong = ['error', 'warning'].includes(message.type());
    if (isWrong && !UNKNOWN_FEATURE.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(site.demo.dashboardUrl);
  if (token !== null) {
    await page.getByLabel('Administrator’s token').fill(token);
    await page.keyboard.press('Enter');
    await page.locator('#state', { hasText: 'Live, as ADMIN_TOKEN' }).waitFor();
  }
  return { page, complaints, close: () => context.close() };
}

/** A real client at an address; resolves to its open socket, or to the status. */
const knock = (address, token) =>
  new Promise((resolve, reject) => {
    const headers = {
      Origin: site.demo.origin,
      'CF-Connecting-IP': address,
      ...(token && { Authorization: `Bearer ${token}` }),
    };
    const socket = new WebSocket(site.demo.gateUrl, { headers });
    socket.on('open', () => resolve(socket));
    socket.on('unexpected-response', (request, response) => resolve(response.statusCode));
    socket.on('error', reject);
  });

async function goodToken() {
  const response = await fetch(`${site.demo.playgroundUrl}token`, { method: 'POST' });
  return response.text();
}

const closed = (socket) => new Promise((resolve) => socket.once('close', resolve));

describe('the dashboard', () => {
  it('shows nothing without the token, and says that one is wrong', async () => {
    const { page, close } = await open({ token: null });
    assert.equal(await page.locator('#board').isVisible(), false);
    await page.getByLabel('Administrator’s token').fill('not the token of an administrator');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByRole('alert').getByText('The gate does not accept that.').waitFor();
    assert.equal(await page.locator('#board').isVisible(), false);
    await close();
  });

  it('shows traffic without a reload, and runs under its own policy', async () => {
    const { page, complaints, close } = await open();
    const address = freshAddress();
    assert.equal(await knock(address), 401);
    await page.locator('#addresses li', { hasText: address }).waitFor();
    await page.locator('#legend li', { hasText: 'token_missing' }).waitFor();
    const socket = await knock(freshAddress(), await goodToken());
    await page.locator('#users li', { hasText: 'ada' }).waitFor();
    assert.deepEqual(complaints, []);
    const ended = closed(socket);
    await page.getByRole('button', { name: 'Disconnect ada' }).click();
    await page.getByRole('status').getByText('ada: 1 live socket closed.').waitFor();
    assert.equal(await ended, 4403);
    await close();
  });

  it('bans in one click and undoes it in another, with who did it', async () => {
    const { page, close } = await open();
    const address = freshAddress();
    assert.equal(await knock(address), 401);
    await page.getByRole('button', { name: `Ban ${address}`, exact: true }).click();
    const notice = page.getByRole('status');
    await notice.getByText(`Banned ${address} for 1 hour.`).waitFor();
    assert.equal(await knock(address, await goodToken()), 403);
    await page.locator('#denied li', { hasText: `Ban of ${address}` }).waitFor();
    const done = page.locator('#actions li', { hasText: `banned ip ${address}` });
    assert.match(await done.first().innerText(), /ADMIN_TOKEN/);
    await notice.getByRole('button', { name: /^Undo/ }).click();
    await notice.getByText('Undone.').waitFor();
    const socket = await knock(address, await goodToken());
    assert.equal(socket.readyState, WebSocket.OPEN);
    socket.terminate();
    await close();
  });

  it('bans a user whose name reads as an address, and not that address', async () => {
    const { page, close } = await open();
    const name = freshAddress();
    await page.getByLabel('Address or subject').fill(name);
    assert.equal(await page.getByLabel('Kind').inputValue(), 'ip');
    await page.getByLabel('Kind').selectOption('User');
    await page.getByLabel('Address or subject').press('Enter');
    await page.getByRole('button', { name: `Ban user ${name}`, exact: true }).click();
    const notice = page.getByRole('status');
    await notice.getByText(`Banned user ${name} for 1 hour.`).waitFor();
    const ban = page.locator('#denied li', { hasText: `Ban of user ${name}` });
    await ban.waitFor();
    const done = page.locator('#actions li', { hasText: `banned sub "${name}"` });
    await done.first().waitFor();
    const socket = await knock(name, await goodToken());
    assert.equal(socket.readyState, WebSocket.OPEN, 'the address is free');
    socket.terminate();
    await ban.getByRole('button', { name: /^Lift/ }).click();
    await notice.getByText(`Lifted: Ban of user ${name}.`).waitFor();
    await ban.waitFor({ state: 'detached' });
    await close();
  });

  it('explains an address, and keeps the focus where it was while it updates', async () => {
    const { page, close } = await open();
    const address = freshAddress();
    assert.equal(await knock(address), 401);
    await page.getByLabel('Address or subject').fill(address);
    await page.keyboard.press('Enter');
    await page.locator('#found', { hasText: '1 of 20/30s' }).waitFor();
    const look = page.getByRole('button', { name: `Look up ${address}`, exact: true });
    await look.focus();
    assert.equal(await knock(address), 401);
    await page
      .locator('#addresses li', { hasText: address })
      .getByText('2', { exact: true })
      .waitFor();
    assert.equal(await look.evaluate((element) => element === document.activeElement), true);
    await close();
  });

  it('every control has a name', async () => {
    const { page, close } = await open();
    const nodes = await accessibilityTree(page);
    const isControl = ({ role, focusable }) => focusable && role !== 'RootWebArea';
    assert.deepEqual(
      nodes.filter((node) => isControl(node) && !node.name),
      [],
    );
    await close();
  });

  for (const colorScheme of ['light', 'dark']) {
    it(`text stands out in the ${colorScheme} scheme, and fits 320 pixels`, async () => {
      const viewport = { width: 320, height: 640 };
      const { page, close } = await open({ colorScheme, viewport });
      await page.locator('#denied li').first().waitFor();
      assert.deepEqual(await page.evaluate(faintTexts), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
      await close();
    });
  }
});
