// Retention: rules whose effect is seen before they are kept, and what nobody may delete.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

async function dumped(dashboard, count) {
  for (let n = 1; n <= count; n += 1) {
    await fetch(`${dashboard.url}/api/memory-dumps/trigger`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ vms: ['web-01'], mode: 'frozen', case: 'IR-2026-17' }),
    });
    await eventually(async () => {
      assert.equal((await dashboard.get('/api/memory-dumps/records')).total, n);
    });
  }
}

async function open(stage, how) {
  const dashboard = await stage.start('serve');
  await dumped(dashboard, 2);
  const { page, tab } = await stage.open(dashboard, { path: '/retention', withGuests: false, ...how });
  await page.getByText('No rules: no image is removed.').waitFor();
  await page.getByText('0 of 2 images go, 0 B.').waitFor();
  return { dashboard, page, tab };
}

scenario('a rule is seen at work before it is kept, and a hold is stronger than it', async (stage) => {
  const { dashboard, page, tab } = await open(stage);
  await page.getByRole('button', { name: 'Add a rule…' }).click();
  const rule = page.getByRole('dialog', { name: 'A rule of retention' });
  await rule.getByLabel('Newest images').fill('none');
  await rule.getByText("An amount is a whole number, not 'none'.").waitFor();
  await rule.getByLabel('Newest images').fill('1');
  await rule.getByRole('button', { name: 'Put into the preview' }).click();
  await page.getByText(/^1 of 2 images go, /).waitFor();
  const rows = page.getByRole('table', { name: 'What becomes of each image' }).locator('tbody tr');
  assert.match(await rows.first().innerText(), /Goes[\s\S]*Nothing in its rule keeps it/);
  assert.match(await rows.nth(1).innerText(), /Stays[\s\S]*The newest good image of its guest/);
  assert.deepEqual(await dashboard.get('/api/retention'), { rules: [] }, 'it is not kept yet');

  await page.getByRole('button', { name: 'Add a hold…' }).click();
  const hold = page.getByRole('dialog', { name: 'Hold images' });
  await hold.getByLabel('Case number or dump id').fill('IR-2026-17');
  await hold.getByLabel('Reason').fill('a court wants it');
  await hold.getByRole('button', { name: 'Hold', exact: true }).click();
  await page.getByText('a court wants it').first().waitFor();

  await page.getByRole('button', { name: 'Save the rules…' }).click();
  const question = page.getByRole('dialog', { name: 'Keep these rules?' });
  await question.getByRole('button', { name: 'Keep the rules' }).click();
  await question.waitFor({ state: 'hidden' });
  await page.getByText('0 of 2 images go, 0 B.').waitFor();
  await page.getByText(/Under legal hold: a court wants it/).first().waitFor();
  assert.equal((await dashboard.get('/api/retention')).rules[0].keep_last, 1);

  await page.getByRole('button', { name: 'Lift the hold on case IR-2026-17' }).click();
  const lift = page.getByRole('dialog', { name: 'Lift the hold on case IR-2026-17?' });
  await lift.getByLabel('Reason').fill('the case is closed');
  await lift.getByRole('button', { name: 'Lift the hold' }).click();
  await page.getByText(/the case is closed/).waitFor();
  // Whatever happens is looked at within seconds.
  await eventually(async () => {
    const { records } = await dashboard.get('/api/memory-dumps/records');
    assert.equal(records.filter(({ deleted_by: by }) => by?.kind === 'service').length, 1);
  });
  await tab.assertNotReloaded();
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`retention fits a phone and can be read by everybody (${colorScheme})`, async (stage) => {
    const { page } = await open(stage, { colorScheme });
    await page.getByRole('button', { name: 'Add a rule…' }).click();
    await page.getByRole('button', { name: 'Put into the preview' }).click();
    await page.getByText('Keep the newest 7').waitFor();
    for (const width of [1280, 800, 390, 360]) {
      await page.setViewportSize({ width, height: 900 });
      await eventually(async () => assert.deepEqual(await wideElements({ page }), [], `too wide at ${width} px`));
      assert.deepEqual(await violations(page), [], `at ${width} px`);
      assert.deepEqual(await mislabelledControls(page), [], `at ${width} px`);
    }
    assert.deepEqual(await controlsTooSmall(page), []);
  });
}
