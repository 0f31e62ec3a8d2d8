// Legal holds in the details of a dump: who holds it and why, placed and lifted there, and stronger than a deletion.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

async function withDump(stage, how) {
  const dashboard = await stage.start('serve');
  await fetch(`${dashboard.url}/api/memory-dumps/trigger`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ vms: ['web-01'], mode: 'frozen', case: 'IR-2026-17' }),
  });
  await eventually(async () => assert.equal((await dashboard.get('/api/memory-dumps/records')).total, 1));
  const [dump] = await dashboard.records();
  const page = await stage.open(dashboard, { path: `/memory-dumps?dump=${dump.dump_id}`, ...how });
  return { dashboard, dump, page };
}

async function hold(page, reason, what) {
  await page.group('Legal hold').getByRole('button', { name: 'Hold…' }).click();
  const dialog = page.page.getByRole('dialog', { name: 'Hold the image of web-01?' });
  assert.ok(await dialog.getByRole('button', { name: 'Hold', exact: true }).isDisabled(), 'without a reason');
  if (what) await dialog.getByLabel('What').selectOption({ label: what });
  await dialog.getByLabel('Reason').fill(reason);
  await dialog.getByRole('button', { name: 'Hold', exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
}

scenario('a dump is held where it is looked at, and a held dump cannot be deleted', async (stage) => {
  const { dashboard, dump, page } = await withDump(stage);
  const panel = page.group('Legal hold');
  await panel.getByText('Under no legal hold').waitFor();
  await hold(page, 'a court wants it');
  await panel.getByText('Under legal hold: a court wants it').waitFor();
  await panel.getByText(/^Since .* on the page$/).waitFor();
  await hold(page, 'the whole case', 'All of case IR-2026-17');
  await panel.getByText('Its case IR-2026-17 is under legal hold: the whole case').waitFor();
  assert.deepEqual((await dashboard.get('/api/holds')).holds.map(({ of }) => of), [{ case: 'IR-2026-17' }, { dump: dump.dump_id }]);

  await page.details.getByRole('button', { name: 'Delete the image…' }).click();
  await page.deletion.getByText(/It cannot be deleted: case IR-2026-17 is under legal hold/).waitFor();
  await page.deletion.getByLabel('Guest name').fill('web-01');
  assert.ok(await page.deletion.getByRole('button', { name: 'Delete the image' }).isDisabled());
  await page.page.keyboard.press('Escape');
  await page.deletion.waitFor({ state: 'hidden' });

  for (const [reason, what] of [['the whole case', 'case IR-2026-17'], ['a court wants it', `dump ${dump.dump_id}`]]) {
    await panel.getByRole('button', { name: `Lift the hold: ${reason}` }).click();
    const question = page.page.getByRole('dialog', { name: `Lift the hold on ${what}?` });
    await question.getByText(/can be deleted again/).waitFor();
    await question.getByLabel('Reason').fill('closed');
    await question.getByRole('button', { name: 'Lift the hold' }).click();
    await question.waitFor({ state: 'hidden' });
  }
  await panel.getByText('Under no legal hold').waitFor();
  const { entries } = await dashboard.get('/api/audit?limit=50');
  const did = entries.filter(({ result }) => result === 'succeeded').map(({ action }) => action);
  assert.equal(did.filter((action) => action === 'hold_placed').length, 2);
  assert.equal(did.filter((action) => action === 'hold_lifted').length, 2);

  await page.details.getByRole('button', { name: 'Delete the image…' }).click();
  await page.deletion.getByLabel('Guest name').fill('web-01');
  await page.deletion.getByRole('button', { name: 'Delete the image' }).click();
  await page.deletion.waitFor({ state: 'hidden' });
  await page.details.getByText('The image was deleted on the page').waitFor();
  assert.equal(await panel.count(), 0, 'what is gone cannot be held');
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`a held dump fits a phone and can be read by everybody (${colorScheme})`, async (stage) => {
    const { page } = await withDump(stage, { colorScheme });
    await hold(page, 'a court wants it');
    await page.group('Legal hold').getByText('Under legal hold: a court wants it').waitFor();
    for (const width of [1280, 390, 360]) {
      await page.page.setViewportSize({ width, height: 900 });
      await eventually(async () => assert.deepEqual(await wideElements(page), [], `too wide at ${width} px`));
      assert.deepEqual(await violations(page.page), [], `at ${width} px`);
      assert.deepEqual(await mislabelledControls(page.page), [], `at ${width} px`);
    }
    assert.deepEqual(await controlsTooSmall(page.page), []);
  });
}
