// What axe finds on a page, and what it does not look for.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// The rules that are broken, each with the elements that break it, once everything has the colours that it keeps.
export async function violations(page) {
  await standsStill(page);
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations.map(({ id, help, nodes }) => ({
    id,
    help,
    nodes: nodes.map((node) => `${node.target.join(' ')}: ${node.failureSummary}`),
  }));
}

// Waits until nothing fades or glows: colours are measured as they stay.
export async function standsStill(page) {
  await page.waitForFunction(() =>
    document.getAnimations().every(({ playState, effect }) =>
      playState !== 'running' || effect.getComputedTiming().endTime === Infinity),
  );
}

const CONTROLS = 'button, a[href], summary, input, select, textarea, [role=button], [role=menuitem]';

// Controls whose accessible name does not hold what is written on them: who speaks to the computer says what they see.
export function mislabelledControls(page) {
  return page.evaluate((controls) => {
    const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const written = (element) =>
      [...element.childNodes]
        .map((node) => {
          if (node.nodeType === Node.TEXT_NODE) return node.data;
          const isHidden = node.nodeType !== Node.ELEMENT_NODE || node.matches('.visually-hidden, svg') || !isSeen(node);
          return isHidden ? '' : written(node);
        })
        .join(' ');
    const plain = (text) => text.replace(/[^\p{L}\p{N}]+/gu, ' ').trim().toLowerCase();
    const named = (element) =>
      element.getAttribute('aria-label') ??
      element
        .getAttribute('aria-labelledby')
        ?.split(' ')
        .map((id) => document.getElementById(id)?.textContent ?? '')
        .join(' ');
    return [...document.querySelectorAll(controls)]
      .filter((element) => isSeen(element) && named(element) != null)
      .map((element) => ({ name: named(element), text: [element, ...(element.labels ?? [])].map(written).join(' ') }))
      .filter(({ name, text }) => !plain(name).includes(plain(text)))
      .map(({ name, text }) => `"${name}" does not hold "${text.trim()}"`);
  }, CONTROLS);
}

// Controls that are less than 44 px wide or high. What belongs to a label is as large as the label. Links within a line
// of text, and what lies off the screen until it has the focus, are left out.
export function controlsTooSmall(page) {
  return page.evaluate((controls) => {
    const LEAST = 44;
    // In a modal dialog only its own controls can be reached.
    const scope = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
    return [...scope.querySelectorAll(controls)]
      .filter((element) => element.checkVisibility({ visibilityProperty: true }))
      .filter((element) => !(element.matches('a') && getComputedStyle(element).display === 'inline'))
      .map((element) => {
        const target = element.matches('input') ? (element.closest('label') ?? element) : element;
        const { width, height, bottom } = target.getBoundingClientRect();
        return { element, width, height, isAway: bottom <= 0 };
      })
      .filter(({ width, height, isAway }) => !isAway && (width < LEAST - 0.5 || height < LEAST - 0.5))
      .map(({ element, width, height }) => {
        const name = element.getAttribute('aria-label') ?? element.textContent.trim() ?? '';
        return `${element.tagName} ${element.className} "${name || element.id}": ${width.toFixed(0)} × ${height.toFixed(0)}`;
      });
  }, CONTROLS);
}
