// A browser, the playground in it, and what tests do with its page.
import { after, before } from 'node:test';
import { chromium as playwright } from 'playwright-core';
import { startDemo } from '../../playground/demo.mjs';
import { chromium } from '../../tools/chromium.mjs';

// Without these Chromium looks for hosts of the network, which a test has no use for.
const FLAGS = [
  '--no-sandbox', // root, as in a container, has none
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser, as `browser`, for the group of tests that calls this; `options` are playwright's. */
export function useBrowser(options) {
  const site = {};
  before(async () => {
    const executablePath = process.env.CHROMIUM ?? (await chromium());
    site.browser = await playwright.launch({ executablePath, args: FLAGS, ...options });
  });
  after(() => site.browser?.close());
  return site;
}

/** The same with the playground, as `demo`. */
export function usePlayground() {
  const site = useBrowser();
  before(async () => {
    site.demo = await startDemo();
  });
  after(() => site.demo?.stop());
  return site;
}

/** Opens the playground in a new profile; `complaints` collects what the page logs as errors. */
export async function open({ browser, demo }, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(demo.playgroundUrl);
  await page.getByText(/^The gate is running at ws:/).waitFor();
  return { page, complaints, close: () => context.close() };
}

/** Presses a button and waits until the page shows what came of it. */
export async function press(page, button, headline) {
  await page.getByRole('button', { name: button }).click();
  await page.locator('#headline', { hasText: headline }).waitFor();
}

async function pairs(page, id) {
  const rows = await page.locator(`#${id} > div`).allInnerTexts();
  return Object.fromEntries(rows.map((row) => row.split('\n').filter(Boolean)));
}

/** The decision as the page shows it. */
export async function shown(page) {
  const stopped = page.locator('#journey [data-state=stopped] .stage');
  return {
    why: await page.locator('#why').innerText(),
    then: await page.locator('#then').innerText(),
    stopped: (await stopped.count()) > 0 ? await stopped.innerText() : undefined,
    status: await page.locator('#status-line').innerText(),
    headers: await pairs(page, 'answer-headers'),
    view: await page.locator('#browser-view').innerText(),
    record: await pairs(page, 'record'),
  };
}

export const connect = (page) => press(page, 'Mint a token and connect', 'Admitted');

/** Sends a message and waits for the server's echo of it. */
export async function exchange(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
  await page.locator('#messages [data-from=server]', { hasText: text }).waitFor();
}
