// The example of the browser module, as npm start serves it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { open, usePlayground } from './playground.mjs';

const site = usePlayground();

describe('the example', () => {
  it('is reached from the playground, talks, is refused, comes back and ends', async () => {
    const { page, complaints, close } = await open(site);
    const says = (text, at = 0) =>
      page.locator('#messages li', { hasText: text }).nth(at).waitFor();
    try {
      await page.getByRole('link', { name: 'The browser module at work' }).click();
      await says('asked for a token: connect');
      await says('open');

      await page.getByLabel('Message').fill('hello there');
      await page.keyboard.press('Enter');
      await says('→ hello there');
      await says('← hello there');
      assert.deepEqual(complaints, []);

      await page.getByRole('button', { name: 'an expired token' }).click();
      await says('refused: token_expired, so: authenticate');
      await says('asked for a token: refused');
      await says(/^open$/, 1);
      assert.equal(await page.getByRole('status').innerText(), 'Open');

      await page.getByRole('button', { name: 'Close' }).click();
      await says('for good');
      assert.equal(await page.getByRole('status').innerText(), 'Closed');
    } finally {
      await close();
    }
  });
});
