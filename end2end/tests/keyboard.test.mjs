// Everything can be done without a pointer.

import assert from 'node:assert/strict';

import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

// More steps than the page has controls.
const MOST_STEPS = 40;

scenario('a guest is chosen and dumped with the keyboard alone', async (stage) => {
  const page = await stage.open(await stage.start('serve'));
  const { keyboard } = page.page;

  await tabTo(page, page.guest('db-01'));
  await keyboard.press('Space');
  assert.ok(await page.guest('db-01').isChecked());
  await tabTo(page, page.dumpSelected);
  await keyboard.press('Enter');
  await page.rowsOf('db-01').waitFor();
  assert.ok(await hasFocus(page.dumpSelected), 'the focus stays where the operator left it');

  await tabTo(page, page.copyButtonOf('db-01'));
  await keyboard.press('Enter');
  await page.copyButtonOf('db-01').getByText('Copied', { exact: true }).waitFor();
});

// Presses Tab until `target` has the focus. Every stop on the way must show that it has it.
async function tabTo(page, target) {
  for (let step = 0; step < MOST_STEPS; step += 1) {
    await page.page.keyboard.press('Tab');
    const stop = await page.page.evaluate(() => {
      const isOutlined = (element) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
      };
      const focused = document.activeElement;
      // A checkbox may have its line outlined instead.
      const shown = [focused, focused.closest('label')].filter(Boolean);
      return { name: focused.outerHTML.slice(0, 120), isVisible: shown.some(isOutlined) };
    });
    assert.ok(stop.isVisible, `the focus cannot be seen on ${stop.name}`);
    if (await hasFocus(target)) return;
  }
  assert.fail(`${target} is not reached by Tab`);
}
