// What people who see and hear a page otherwise meet in it.
/* global document, getComputedStyle -- of the page, where some functions run */

/** What the browser tells a screen reader. */
export async function accessibilityTree(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const seen = nodes.filter(({ ignored }) => !ignored);
  return seen.map(({ role, name, properties = [] }) => ({
    role: role?.value,
    name: name?.value?.trim() ?? '',
    focusable: properties.some(({ name, value }) => name === 'focusable' && value.value),
  }));
}

/** Texts whose colour is too close to what is behind them (WCAG 2, 1.4.3), computed in the page. */
export function faintTexts() {
  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = numbers(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    const isClear = numbers(color)[3] === 0;
    return isClear && element.parentElement ? ground(element.parentElement) : color;
  };
  const texts = [...document.querySelectorAll('body *')].filter(
    (element) =>
      element.checkVisibility() &&
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()),
  );
  return texts.flatMap((element) => {
    const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    const text = element.textContent.trim().slice(0, 40);
    return contrast < 4.5 ? [`${text}: ${contrast.toFixed(2)}`] : [];
  });
}
