// Schedules: made with their next runs in sight, run, looked at, paused and removed.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, standsStill, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

const LONGEST_DUMP_MS = 120_000;

async function open(stage, how) {
  const dashboard = await stage.start('serve');
  const { page, tab } = await stage.open(dashboard, { path: '/schedules', withGuests: false, ...how });
  await page.getByText('No schedules').waitFor();
  const item = (name) => page.getByRole('listitem', { name });
  return { dashboard, page, tab, item };
}

const make = (dashboard, name) =>
  fetch(`${dashboard.url}/api/schedules`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      name,
      when: { every: 'cron', expression: '30 2 * * 1-5' },
      zone: 'Europe/Berlin',
      guests: { which: 'named', guests: ['web-01', 'gone-01'] },
      spread_min: 30,
    }),
  });

scenario('a schedule is made with its next runs in sight, dumps a guest, is paused, changed and removed', async (stage) => {
  const { dashboard, page, tab, item } = await open(stage);
  await page.getByRole('button', { name: 'New schedule…' }).click();
  const editor = page.getByRole('dialog', { name: 'New schedule' });
  const save = editor.getByRole('button', { name: 'Save' });
  assert.equal(await save.getAttribute('aria-disabled'), 'true', 'it has no name yet');
  await editor.getByLabel('Name', { exact: true }).fill('nightly');
  await editor.getByLabel('Time', { exact: true }).fill('25:00');
  await editor.getByText('A time is written as 02:30.').waitFor();
  await editor.getByLabel('Time', { exact: true }).fill('03:15');
  await editor.getByLabel('Time zone').fill('Europe/Berlin');
  await eventually(async () => {
    const runs = await editor.getByRole('listitem').allInnerTexts();
    assert.equal(runs.length, 5);
    assert.ok(runs.every((run) => /^\d{4}-\d\d-\d\d 03:15 CES?T$/.test(run)), runs.join(', '));
  });
  await editor.getByLabel('Which').selectOption('named');
  await editor.getByLabel('Names').fill('web-01');
  await save.click();
  await editor.waitFor({ state: 'hidden' });
  await item('nightly').getByText('Every day at 03:15 (Europe/Berlin)').waitFor();
  const [kept] = (await dashboard.get('/api/schedules')).schedules;
  assert.deepEqual([kept.name, kept.guests], ['nightly', { which: 'named', guests: ['web-01'] }]);

  await item('nightly').getByRole('button', { name: 'Run now: nightly' }).click();
  await item('nightly').getByText('1 dumped').waitFor({ timeout: LONGEST_DUMP_MS });
  const { records } = await dashboard.get('/api/memory-dumps/records');
  assert.equal(records.length, 1);
  assert.deepEqual([records[0].dom, records[0].requested_by.name], ['web-01', 'nightly']);
  await item('nightly').getByRole('button', { name: 'Runs of nightly' }).click();
  const runs = page.getByRole('dialog', { name: 'Runs of nightly' });
  await runs.getByText('Dumped', { exact: true }).waitFor();
  assert.match(await runs.getByRole('link', { name: 'web-01' }).getAttribute('href'), new RegExp(records[0].dump_id));
  await page.keyboard.press('Escape');

  await item('nightly').getByRole('button', { name: 'Pause nightly' }).click();
  await item('nightly').getByText('None while it is paused').waitFor();
  await item('nightly').getByRole('button', { name: 'Resume nightly' }).click();
  await item('nightly').getByRole('button', { name: 'Edit nightly' }).click();
  const change = page.getByRole('dialog', { name: 'Edit nightly' });
  assert.equal(await change.getByLabel('Time', { exact: true }).inputValue(), '03:15');
  await change.getByLabel('How often').selectOption('hour');
  await change.getByLabel('Minute of the hour').fill('7');
  await change.getByRole('button', { name: 'Save' }).click();
  await item('nightly').getByText('Every hour at minute 7 (Europe/Berlin)').waitFor();

  await item('nightly').getByRole('button', { name: 'Remove nightly' }).click();
  const question = page.getByRole('dialog', { name: 'Remove nightly?' });
  await question.getByText(/the history of its runs is lost/).waitFor();
  await question.getByRole('button', { name: 'Remove the schedule' }).click();
  await page.getByText('No schedules').waitFor();
  await tab.assertNotReloaded();
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`schedules fit a phone and can be read by everybody (${colorScheme})`, async (stage) => {
    const { dashboard, page, tab, item } = await open(stage, { colorScheme });
    assert.equal((await make(dashboard, 'weekdays')).status, 200);
    await item('weekdays').getByText('Cron 30 2 * * 1-5 (Europe/Berlin)').waitFor();
    const sound = async (what) => {
      for (const width of [1280, 800, 390, 360]) {
        await page.setViewportSize({ width, height: 900 });
        await eventually(async () => assert.deepEqual(await wideElements({ page }), [], `${what}: too wide at ${width} px`));
        await standsStill(page);
        assert.deepEqual(await violations(page), [], `${what} at ${width} px`);
        assert.deepEqual(await mislabelledControls(page), [], `${what} at ${width} px`);
      }
      assert.deepEqual(await controlsTooSmall(page), [], what);
    };
    await sound('the list');
    await item('weekdays').getByRole('button', { name: 'Edit weekdays' }).click();
    await page.getByRole('dialog', { name: 'Edit weekdays' }).getByText(/02:30 CES?T/).first().waitFor();
    await sound('the editor');
    await tab.assertNotReloaded();
  });
}
