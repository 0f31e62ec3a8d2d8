// The page at every width, in light and dark, and to assistive technology. Screenshots are left for people to look at.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { HELD_AT_HALF, scenario } from '../support/scenario.mjs';

const WIDTHS = [1280, 800, 600, 390, 360];
const WIDEST_WITH_CARDS = 640;
const COLUMNS = ['VM ID', 'VM name', 'Timestamp', 'Duration', 'SHA-256', 'Dump path', 'Size', 'Guest pause'];

scenario('nothing has to be scrolled sideways, and rows become labelled cards on narrow screens', async (stage) => {
  const dashboard = await stage.start('serve');
  await dashboard.home.dump('web-01');
  const page = await stage.open(dashboard);
  await page.rowsOf('web-01').waitFor();
  for (const width of WIDTHS) {
    await page.page.setViewportSize({ width, height: 900 });
    assert.deepEqual(await wideElements(page), [], `wider than it may be at ${width} px`);
    assert.deepEqual(await cellLabels(page), width < WIDEST_WITH_CARDS ? COLUMNS : [], `labels at ${width} px`);
  }
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    scenario(`the page is accessible in ${colorScheme} at ${width} px`, async (stage) => {
      const dashboard = await stage.start('serve', HELD_AT_HALF);
      const page = await stage.open(dashboard, { colorScheme, width });
      await page.guest('web-01').check();
      await page.dumpSelected.click();
      await eventually(async () => assert.ok((await page.progressOf('web-01').evaluate((bar) => bar.value)) > 0));
      await keepScreenshot(page, `memory-dumps-running-${colorScheme}-${width}`);
      await page.rowsOf('web-01').waitFor();
      await page.guest('db-01').check();
      await standsStill(page);
      await keepScreenshot(page, `memory-dumps-${colorScheme}-${width}`);
      assert.deepEqual(await violations(page.page), []);

      await page.dumpAll.click();
      await page.dialog.waitFor();
      await standsStill(page);
      await keepScreenshot(page, `dump-all-${colorScheme}-${width}`, false);
      assert.deepEqual(await violations(page.page), []);
    });
  }
}

// Every element whose content is wider than its room and can be scrolled to, the whole page included.
function wideElements(page) {
  return page.page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .filter((element) => {
        const scrolls = ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
        return (scrolls || element === document.documentElement) && element.scrollWidth > element.clientWidth;
      })
      .map((element) => `${element.tagName}.${element.className}: ${element.scrollWidth} > ${element.clientWidth}`),
  );
}

// What stands before the values of the first row.
function cellLabels(page) {
  return page.rows.first().evaluate((row) =>
    [...row.cells]
      .map((cell) => getComputedStyle(cell, '::before').content)
      .filter((content) => content !== 'none')
      .map((content) => JSON.parse(content)),
  );
}

// Waits until nothing fades or glows: colours are measured as they stay.
async function standsStill(page) {
  await page.page.waitForFunction(() =>
    document.getAnimations().every(({ playState, effect }) =>
      playState !== 'running' || effect.getComputedTiming().endTime === Infinity),
  );
}

function keepScreenshot(page, name, fullPage = true) {
  return page.page.screenshot({ path: join(process.env.SCREENS_DIR, `${name}.png`), fullPage });
}
