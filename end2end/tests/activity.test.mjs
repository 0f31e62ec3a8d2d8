// What is being dumped and what happened: cancelling, the log, and that nothing moves under the pointer.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { ARRANGEMENTS, HELD_UNTIL_CANCELLED, heldAtHalfFor, scenario } from '../support/scenario.mjs';

for (const [arrangement, arrange] of Object.entries(ARRANGEMENTS)) {
  scenario(`${arrangement}: what happened while no page was open is in the log`, async (stage) => {
    const { dashboard, images } = await arrange(stage);
    await images.dump('web-01');
    const page = await stage.open(dashboard);
    const log = page.page.getByRole('region', { name: 'Activity log' });
    await eventually(async () => assert.match(await log.innerText(), /web-01 dump completed[^]*stored as/));
  });
}

scenario('a dump is cancelled in its row, after a question', async (stage) => {
  const dashboard = await stage.start('serve', HELD_UNTIL_CANCELLED);
  const page = await stage.open(dashboard);
  await page.guest('db-01').check();
  await page.dumpSelected.click();
  const row = page.activeDumps.getByRole('listitem').filter({ hasText: 'db-01' });
  await page.progressOf('db-01').waitFor();

  await row.getByRole('button', { name: 'Cancel the dump of db-01' }).click();
  const sure = row.getByRole('button', { name: 'Cancel dump of db-01' });
  await sure.waitFor();
  const harmless = row.getByRole('button', { name: 'Keep going with the dump of db-01' });
  await eventually(async () => assert.ok(await hasFocus(harmless), 'a second press is harmless'));
  await page.page.keyboard.press('Escape');
  await sure.waitFor({ state: 'hidden' });
  assert.equal(await page.progressOf('db-01').count(), 1);

  await row.getByRole('button', { name: 'Cancel the dump of db-01' }).click();
  await sure.click();
  await row.getByText('Cancelled on the page').waitFor();
  const log = page.page.getByRole('region', { name: 'Activity log' });
  await log.getByText('dump cancelled').waitFor();
  const lines = await log.getByRole('listitem').allInnerTexts();
  assert.match(lines[0], /db-01 dump cancelled\s+On the page/, 'the newest is on top');
  assert.ok(lines.some((line) => line.startsWith('db-01 requested on the page')), lines.join('\n'));
  assert.deepEqual(await dashboard.records(), []);
});

scenario('a dump that begins and ends moves nothing else on the page', async (stage) => {
  const dashboard = await stage.start('serve', heldAtHalfFor(4000));
  const page = await stage.open(dashboard);
  const places = () =>
    page.page.evaluate(() =>
      ['trigger-dump', 'active-dumps', 'activity-log', 'recorded-dumps', 'mode-auto', 'dump-obstacle'].map(
        (id) => document.getElementById(id).getBoundingClientRect().top,
      ),
    );
  for (const width of [1280, 800, 390]) {
    await page.page.setViewportSize({ width, height: 900 });
    const before = await places();
    const dumped = dashboard.home.dump('web-01');
    if (width === 1280) {
      await page.progressOf('web-01').waitFor();
      assert.deepEqual(await places(), before, `while it runs at ${width} px`);
    }
    const { dump_id: id } = await dumped;
    await eventually(async () => assert.ok((await dashboard.records()).some((record) => record.dump_id === id)));
    await page.activeDumps.getByText('completed').waitFor();
    assert.deepEqual(await places(), before, `after it at ${width} px`);
  }
});

scenario('the figures follow', async (stage) => {
  const dashboard = await stage.start('serve');
  const page = await stage.open(dashboard);
  const figure = (name) =>
    page.page.getByRole('region', { name: 'Status' }).locator('.figure', { hasText: name }).locator('dd');
  await eventually(async () => assert.equal(await figure('Total dumps').innerText(), '0'));
  assert.equal(await figure('Last dump').innerText(), 'none yet');
  const { duration_sec: seconds } = await dashboard.home.dump('web-01');
  await eventually(async () => assert.equal(await figure('Total dumps').innerText(), '1'));
  assert.match(await figure('Last dump').innerText(), /just now| s ago/);
  const average = await figure('Avg. duration').innerText();
  assert.ok(Math.abs(parseFloat(average) * (average.endsWith('ms') ? 0.001 : 1) - seconds) < 0.01, average);
  await eventually(async () => assert.match(await figure('Active dumps').innerText(), /^0\s+0 queued$/));
});
