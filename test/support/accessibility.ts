import type { Page } from 'playwright-core';

// What runs in the page is text: the tests' own TypeScript knows no documents.

/** What has the focus: how a screen reader would call it, and whether it is marked as such. */
export function readFocus(page: Page): Promise<{ name: string; isSeen: boolean }> {
  return page.evaluate(`(() => {
    const element = document.activeElement;
    const label = element.labels?.[0]?.textContent;
    const name = element.getAttribute('aria-label') ?? label ?? element.textContent;
    const places = [element, element.closest('.list-row'), element.querySelector('rect')].filter(Boolean);
    const isOutlined = (place) => getComputedStyle(place).outlineStyle !== 'none' && parseFloat(getComputedStyle(place).outlineWidth) > 0;
    return { name: name.trim(), isSeen: places.some(isOutlined) || element.matches('.node') };
  })()`);
}

/** Fields and buttons that a screen reader could not name. */
export function unnamedFields(page: Page): Promise<string[]> {
  return page.evaluate(`[...document.querySelectorAll('input, select, textarea, button, a[href], [tabindex="0"]')]
    .filter((one) => {
      const name = one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent;
      return name.trim() === '';
    })
    .map((one) => one.outerHTML)`);
}

/** Texts whose contrast with what is behind them is below WCAG's level AA: 4.5, or 3 where they are large. */
export function lowContrasts(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    const parse = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([red, green, blue]) => {
      const [r, g, b] = [red, green, blue].map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let one = element; one; one = one.parentElement) {
        const color = parse(getComputedStyle(one).backgroundColor);
        if (color.length === 3 || color[3] > 0) return color;
      }
      return [255, 255, 255];
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement;
      if (texts.currentNode.textContent.trim() === '' || !element.checkVisibility()) continue;
      const { color, fill, fontSize, fontWeight } = getComputedStyle(element);
      const ink = light(parse(element.closest('svg') ? fill : color));
      const ground = light(behind(element));
      const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
      const px = parseFloat(fontSize);
      const isLarge = px >= 24 || (px >= 18.66 && Number(fontWeight) >= 700);
      if (ratio < (isLarge ? 3 : 4.5)) found.push(ratio.toFixed(2) + ': ' + element.outerHTML.slice(0, 120));
    }
    return found;
  })()`);
}
