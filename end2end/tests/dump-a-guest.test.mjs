// The operator's main job, from the open page to the verified image.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { descriptionOf } from '../support/memory-dumps-page.mjs';
import { ARRANGEMENTS, HELD_AT_HALF, scenario } from '../support/scenario.mjs';
import { memoryText } from '../support/written.mjs';

for (const [arrangement, arrange] of Object.entries(ARRANGEMENTS)) {
  scenario(`${arrangement}: a guest is chosen, dumped before the operator's eyes, and found with its hash`, async (stage) => {
    const { dashboard, images } = await arrange(stage, HELD_AT_HALF);
    const page = await stage.open(dashboard);
    const running = await dashboard.runningGuests();
    for (const name of ['web-01', 'db-01']) {
      const line = await page.guestLine(name).innerText();
      const { memory_max: memoryKib } = running.find((guest) => guest.name === name);
      assert.ok(line.includes('running') && line.includes(memoryText(memoryKib)), line);
    }

    assert.equal(await page.rows.count(), 0);
    const progressSeen = await page.watchProgressOf('db-01');
    await page.guest('db-01').check();
    await page.dumpSelected.click();
    await page.copyButtonOf('db-01').waitFor();
    await page.tab.assertNotReloaded();
    assert.equal(await page.rows.count(), 1);

    const progress = await progressSeen();
    assert.ok(progress.some((value) => value > 0 && value < 100), `progress did not move: ${progress}`);
    const [record] = await dashboard.records();
    // A dump that cannot be had live begins anew.
    const backwards = progress.filter((value, index) => value < progress[index - 1]);
    assert.ok(backwards.length <= (record.fallback ? 1 : 0), `progress went backwards: ${progress}`);
    assert.match(record.sha256, /^[0-9a-f]{64}$/);
    const row = await page.rowsOf('db-01').innerText();
    assert.ok(row.includes(record.sha256.slice(0, 16)) && !row.includes(record.sha256), row);
    await page.copyButtonOf('db-01').click();
    await page.copyButtonOf('db-01').getByText('Copied', { exact: true }).waitFor();
    assert.equal(await page.tab.clipboardText(), record.sha256);
    assert.equal(await images.exportedSha256(record.dump_path), record.sha256);
  });
}

scenario('a guest that is being dumped cannot be dumped a second time, and the page says why', async (stage) => {
  const dashboard = await stage.start('serve', HELD_AT_HALF);
  const page = await stage.open(dashboard);
  assert.match(await descriptionOf(page.dumpSelected), /Select a guest first\./);
  await page.guest('web-01').check();
  await page.dumpSelected.click();
  await page.progressOf('web-01').waitFor();

  assert.ok(await page.dumpSelected.isDisabled());
  assert.match(await descriptionOf(page.dumpSelected), /web-01: being dumped\./);
  assert.match(await page.guestLine('web-01').innerText(), /Being dumped\./);
  await page.dumpSelected.click({ force: true });

  await page.rowsOf('web-01').waitFor();
  await eventually(async () => assert.ok(await page.dumpSelected.isEnabled()));
  assert.equal((await dashboard.records()).length, 1);
  assert.equal(await page.rows.count(), 1);
});
