// The page at every width, in light and dark, and to assistive technology. Screenshots are left for people to look at.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { eventually } from '../support/eventually.mjs';
import { cellLabels, wideElements } from '../support/layout.mjs';
import { HELD_AT_HALF, scenario } from '../support/scenario.mjs';

const WIDTHS = [1280, 800, 640, 600, 390, 360];
const NARROWEST_WITH_TABLE = 640;
const COLUMNS = ['VM ID', 'VM name', 'Timestamp', 'Duration', 'SHA-256', 'Dump path', 'Size (compressed)', 'Actions'];

scenario('nothing has to be scrolled sideways, and rows become labelled cards on narrow screens', async (stage) => {
  const dashboard = await stage.start('serve');
  await dashboard.home.dump('web-01');
  const page = await stage.open(dashboard);
  await page.rowsOf('web-01').waitFor();
  for (const width of WIDTHS) {
    await page.page.setViewportSize({ width, height: 900 });
    assert.deepEqual(await wideElements(page), [], `wider than it may be at ${width} px`);
    assert.deepEqual(await cellLabels(page), width < NARROWEST_WITH_TABLE ? COLUMNS : [], `labels at ${width} px`);
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
      assert.deepEqual(await violations(page), []);

      await page.dumpAll.click();
      await page.dialog.waitFor();
      await standsStill(page);
      await keepScreenshot(page, `dump-all-${colorScheme}-${width}`, false);
      assert.deepEqual(await violations(page), []);
    });
  }
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

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// What axe finds: the rule and the elements that break it.
async function violations(page) {
  await page.page.evaluate(axe);
  const found = await page.page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return found.violations.map(({ id, help, nodes }) => ({
    id,
    help,
    nodes: nodes.map((node) => `${node.target.join(' ')}: ${node.failureSummary}`),
  }));
}
