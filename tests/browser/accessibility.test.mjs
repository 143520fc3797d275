// The playground for everyone: by keyboard, by screen reader, on a narrow screen, in both schemes.
/* global document -- of the page, where some functions run */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accessibilityTree, faintTexts } from '../support/accessible.mjs';
import { connect, exchange, open, press, usePlayground } from './playground.mjs';

const CONTROLS = new Set([
  'button',
  'textbox',
  'link',
  'checkbox',
  'combobox',
  'DisclosureTriangle',
]);
const NAMED = new Set([...CONTROLS, 'region', 'log', 'table', 'heading', 'progressbar', 'Iframe']);

const site = usePlayground();

describe('the playground is for everyone', () => {
  it('every control has a name, before and after use', async () => {
    const { page, close } = await open(site);
    async function check(least) {
      const nodes = await accessibilityTree(page);
      const nameless = nodes.filter(
        ({ role, name, focusable }) =>
          !name && (NAMED.has(role) || (focusable && role !== 'RootWebArea')),
      );
      assert.deepEqual(nameless, []);
      const controls = nodes.filter(({ role }) => CONTROLS.has(role));
      assert.ok(controls.length >= least, `${controls.length} controls`);
    }
    await check(6);
    await connect(page);
    await exchange(page, 'hello');
    await press(page, 'With a tampered token', 'Refused');
    await page.getByText('Body', { exact: true }).click();
    await check(12);
    await close();
  });

  it('ids are unique and what refers to one finds it', async () => {
    const { page, close } = await open(site);
    const wrong = await page.evaluate(() => {
      const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
      const doubled = ids.filter((id, at) => ids.indexOf(id) !== at);
      const names = ['aria-labelledby', 'aria-describedby', 'for'];
      const dangling = names.flatMap((name) =>
        [...document.querySelectorAll(`[${name}]`)]
          .map((element) => element.getAttribute(name))
          .filter((id) => !document.getElementById(id)),
      );
      return [...doubled, ...dangling];
    });
    assert.deepEqual(wrong, []);
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
    await close();
  });

  it('connects and talks by keyboard alone', async () => {
    const { page, close } = await open(site);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#text:focus').waitFor();
    await page.keyboard.type('typed');
    await page.keyboard.press('Enter');
    await page.locator('#messages [data-from=server]', { hasText: 'typed' }).waitFor();
    await page.keyboard.press('Tab'); // Send
    await page.keyboard.press('Tab'); // Disconnect
    await page.keyboard.press('Enter');
    await page.locator('#connect:focus').waitFor();
    await close();
  });

  for (const colorScheme of ['light', 'dark']) {
    it(`text stands out in the ${colorScheme} scheme`, async () => {
      const { page, close } = await open(site, { colorScheme });
      assert.deepEqual(await page.evaluate(faintTexts), []);
      await connect(page);
      await exchange(page, 'hello');
      assert.deepEqual(await page.evaluate(faintTexts), []);
      await press(page, 'With an expired token', 'Refused');
      // The button under the pointer is lit up on purpose.
      await page.locator('[data-attempt=expired][aria-disabled=false]').waitFor();
      assert.deepEqual(await page.evaluate(faintTexts), []);
      await close();
    });
  }

  it('fits a narrow screen, where the decision is scrolled into view', async () => {
    const viewport = { width: 320, height: 640 };
    const { page, close } = await open(site, { viewport });
    await press(page, 'Without a token', 'Refused');
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, viewport.width);
    const { y, height } = await page.locator('#verdict').boundingBox();
    assert.ok(
      y >= -1 && y + height <= viewport.height + 1,
      `the verdict is at ${y}, ${height} high`,
    );
    await close();
  });
});
