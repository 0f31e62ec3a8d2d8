// What is in sight, and where it stands.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, standsStill } from '../support/accessibility.mjs';
import { DumpService, record } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { isInView } from '../support/memory-dumps-page.mjs';
import { HELD_UNTIL_CANCELLED, scenario } from '../support/scenario.mjs';

const MIB = 1_048_576;
const GUESTS = Array.from({ length: 6 }, (_, index) => ({
  id: index + 1,
  name: `web-0${index + 1}`,
  uuid: `11051664-d6fd-4a5e-9d5b-0f6d7f3a9a1${index}`,
  state: 'running',
  vcpus: 2,
  memory_max: 512 * MIB,
  memory: 512 * MIB,
  cpu_time_ns: 1,
}));
const RECORDS = Array.from({ length: 12 }, (_, index) =>
  record(index + 1, { dom: `web-0${index % 6 + 1}`, at: Date.UTC(2025, 10, 1, index) }));

async function open(stage, { guests = GUESTS, records = RECORDS, ...how } = {}) {
  const service = await DumpService.start(records, guests);
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  await eventually(async () => {
    const { total } = await dashboard.get('/api/memory-dumps/records?limit=1');
    assert.equal(total, records.length);
  });
  const page = await stage.open(dashboard, { withGuests: false, ...how });
  await eventually(async () => assert.equal(await page.connection.innerText(), 'Live'));
  await page.hasRecords(records.length);
  return { page, service };
}

const bottoms = (locator) =>
  locator.evaluateAll((elements) => elements.map((element) => element.getBoundingClientRect().bottom));

scenario('at 1280 × 900 with nothing running, several rows of the table are on the first screen', async (stage) => {
  const { page } = await open(stage, { width: 1280, height: 900 });
  await page.guests.nth(5).waitFor();
  const inSight = (await bottoms(page.rows)).filter((bottom) => bottom <= 900);
  assert.ok(inSight.length >= 3, `${inSight.length} rows`);
});

scenario('more than three guests are in sight in their box', async (stage) => {
  for (const width of [1280, 800, 390]) {
    const { page } = await open(stage, { width, height: 900 });
    await page.guests.nth(5).waitFor();
    const box = await page.page.getByRole('group', { name: 'Guests' }).boundingBox();
    const lines = await bottoms(page.page.getByRole('group', { name: 'Guests' }).locator('label'));
    const whole = lines.filter((bottom) => bottom <= box.y + box.height + 1);
    assert.ok(whole.length >= 3, `${whole.length} guests at ${width} px`);
  }
});

const status = (vm, state, { began, ended = null, progress = 100 }) => ({
  dump_id: `dump-of-${vm}`, vm, state, progress, message: state, started_at: new Date(began).toISOString(),
  finished_at: ended && new Date(ended).toISOString(), dump_path: null, duration_sec: ended && (ended - began) / 1000,
});

scenario('a running dump stands above those that wait, and those above the ones that ended', async (stage) => {
  const now = Date.now();
  const { page, service } = await open(stage, { width: 390, height: 844 });
  service.tell(status('web-01', 'completed', { began: now - 60_000, ended: now - 50_000 }));
  service.tell(status('web-02', 'failed', { began: now - 50_000, ended: now - 40_000 }));
  service.tell(status('web-03', 'queued', { began: now - 4_000, progress: 0 }));
  service.tell(status('web-04', 'running', { began: now - 3_000, progress: 40 }));
  await page.page.reload();
  const names = () => page.activeDumps.locator('.job-name').allInnerTexts();
  await eventually(async () => assert.deepEqual((await names()).slice(0, 2), ['web-04', 'web-03']));
  // One look: those that ended may come between two.
  const shown = await names();
  assert.deepEqual(shown.slice(2).sort(), ['web-01', 'web-02'].slice(0, shown.length - 2));
  const row = page.activeDumps.getByRole('listitem').first();
  await page.activeDumps.getByRole('heading').scrollIntoViewIfNeeded();
  assert.ok(await isInView(row), 'it is in sight with the heading');
});

scenario('every control is called what is written on it, and is large enough for a finger', async (stage) => {
  const dashboard = await stage.start('serve', HELD_UNTIL_CANCELLED);
  for (const width of [390, 1280]) {
    const page = await stage.open(dashboard, { width, height: 844, hasTouch: true, isMobile: width === 390 });
    const check = async (where) => {
      await standsStill(page.page);
      assert.deepEqual(await mislabelledControls(page.page), [], `${where} at ${width} px`);
      if (width === 390) assert.deepEqual(await controlsTooSmall(page.page), [], `${where} at ${width} px`);
    };
    await check('at rest');
    await page.page.getByText('Case and note').click();
    await page.guest('db-01').check();
    await page.dumpSelected.click();
    await page.progressOf('db-01').waitFor();
    await page.activeDumps.getByRole('button', { name: 'Cancel the dump of db-01' }).click();
    await page.activeDumps.getByRole('button', { name: 'Cancel dump of db-01' }).waitFor();
    await check('while the operator is asked');
    await page.activeDumps.getByRole('button', { name: 'Cancel dump of db-01' }).click();
    await page.dismissButtonOf('db-01').waitFor();
    await check('with a result and a toast');
    if (width === 390) {
      await page.page.getByRole('button', { name: 'Filters' }).click();
      await page.page.getByRole('button', { name: 'Menu' }).click();
      await check('with filters and menu');
      await page.page.keyboard.press('Escape');
    }
    await page.dumpAll.click();
    await page.dialog.waitFor();
    await check('in a dialog');
    await page.page.keyboard.press('Escape');
    await page.dismissButtonOf('db-01').click();
  }
});
