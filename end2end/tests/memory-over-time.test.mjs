// The memory of a real guest over its dumps, on the page of trends: the numbers that REST has, and gaps where nothing is known.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

async function open(stage) {
  const dashboard = await stage.start('serve');
  for (let n = 0; n < 3; n += 1) await dashboard.home.dump('web-01');
  await eventually(async () => assert.equal((await dashboard.records()).length, 3));
  const { page, tab } = await stage.open(dashboard, { path: '/trends', withGuests: false });
  const card = page.getByRole('region', { name: 'Memory of a VM over its dumps' });
  await card.getByLabel('VM', { exact: true }).selectOption('web-01');
  await card.getByText('3 dumps. The inside of 3 of them was not read.').waitFor();
  return { dashboard, page, tab, card };
}

scenario('shares of changed memory are those of REST, and what is not known is a gap', async (stage) => {
  const { dashboard, page, card } = await open(stage);
  assert.equal(new URL(page.url()).searchParams.get('vm'), 'web-01');
  const { points } = await dashboard.get('/api/guests/web-01/timeline');
  const shares = points.map(({ changes }) => changes && `${(Math.floor((changes.different * 1000) / changes.compared) / 10).toFixed(1)} %`);
  const changed = page.getByRole('region', { name: 'Memory that changed since the dump before' });
  await changed.getByText('Numbers').click();
  const cells = changed.getByRole('table').getByRole('cell');
  assert.deepEqual(await cells.allInnerTexts(), [shares[2], shares[1], 'not known'], 'the newest first');
  assert.ok(points[1].changes.different > 0, 'a running guest changes its memory');
  await changed.locator('amount-chart canvas').waitFor();
  await changed.locator('.chart-readout').getByText(`changed ${parseFloat(shares[2])}`).waitFor();

  const began = page.getByRole('region', { name: 'New programs since the dump before' });
  await began.getByText('The inside of two dumps, one after the other, must have been read.').waitFor();
  await began.getByText('Numbers').click();
  assert.deepEqual(await began.getByRole('table').getByRole('cell').allInnerTexts(), Array(3).fill('not known'));

  // The address keeps the guest beside the range.
  await page.getByRole('button', { name: '7 days' }).click();
  await eventually(() => assert.equal(new URL(page.url()).search, '?days=7&vm=web-01'));
  await page.reload();
  await card.getByText('3 dumps. ').waitFor();

  const share = ({ changes }) => (changes ? Math.floor((changes.different * 1000) / changes.compared) : 0);
  const most = Math.max(...points.map(share));
  await card.getByRole('link', { name: 'Compare it with the one before' }).click();
  await page.getByRole('heading', { name: 'Compare', level: 1 }).waitFor();
  // Of several with as much, either.
  await eventually(async () => {
    const after = await page.getByLabel('After', { exact: true }).inputValue();
    assert.equal(share(points.find(({ dump_id }) => dump_id === after) ?? {}), most);
  });
});

scenario('the memory of a guest is for phones and both themes', async (stage) => {
  const { page, tab } = await open(stage);
  for (const [theme, width] of [['light', 1280], ['dark', 390]]) {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width, height: 900 });
    const entropy = page.getByRole('region', { name: 'Mean entropy' });
    // A chart is drawn when it is seen.
    await entropy.scrollIntoViewIfNeeded();
    await entropy.locator('amount-chart canvas').waitFor();
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(await wideElements(tab), []);
    assert.deepEqual(await mislabelledControls(page), []);
    if (width === 390) assert.deepEqual(await controlsTooSmall(page), []);
  }
});
