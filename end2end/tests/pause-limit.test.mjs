// What is told before a guest is dumped that is too large for the pause limit.

import assert from 'node:assert/strict';

import { standsStill, violations } from '../support/accessibility.mjs';
import { SERVER_AWAY, SERVICE_AWAY } from '../support/browser-tab.mjs';
import { DumpService } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { descriptionOf } from '../support/memory-dumps-page.mjs';
import { ARRANGEMENTS, scenario } from '../support/scenario.mjs';

const GIB = 1024 ** 3;
const guest = (number, name, memory) => ({
  id: number,
  name,
  uuid: `11051664-d6fd-4a5e-9d5b-0f6d7f3a9a1${number}`,
  state: 'running',
  vcpus: 2,
  memory_max: memory * GIB,
  memory: memory * GIB,
  cpu_time_ns: 1,
});
const BIG = guest(1, 'big-01', 64);
const SMALL = guest(2, 'web-01', 4);
const OPTIONS = { uuids: true, options: true, cancel: true, images: true, guests: true, records: true, actors: true };
// 1.5 s for each GiB.
const SLOW = { limit_ms: 30_000, bytes_per_s: Math.ceil(GIB / 1.5), measured_from: 10 };

const LOOKS = [
  { colorScheme: 'light', width: 1280, height: 900 },
  { colorScheme: 'dark', width: 1280, height: 900 },
  { colorScheme: 'light', width: 800, height: 900 },
  { colorScheme: 'light', width: 640, height: 900 },
  { colorScheme: 'light', width: 390, height: 844 },
  { colorScheme: 'dark', width: 390, height: 844 },
];

const mode = ({ page }, name) => page.getByRole('radio', { name, exact: true });
const outlook = ({ page }) => page.locator('#dump-consequence');
const hint = ({ page }) => page.locator('.mode-hint');
const top = async (locator) => (await locator.boundingBox()).y;

async function open(stage, frozenPause, how = {}) {
  const service = await DumpService.start([], [BIG, SMALL], { '/api/capabilities': OPTIONS, ...frozenPause });
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  const told = frozenPause['/api/frozen-pause'] ?? null;
  await eventually(async () => assert.deepEqual(await dashboard.get('/api/frozen-pause'), told));
  const page = await stage.open(dashboard, { withGuests: false, ...how });
  await page.guest('big-01').waitFor();
  return page;
}

scenario('a guest that is too large for the limit is named with its pause, and nothing moves', async (stage) => {
  for (const look of LOOKS) {
    const page = await open(stage, { '/api/frozen-pause': SLOW }, look);
    await page.guest('web-01').check();
    await mode(page, 'Frozen').check();
    await eventually(async () => assert.match(await outlook(page).innerText(), /web-01.*stops for about 6 s\./));
    assert.equal(await hint(page).innerText(), 'Stops while it is read, 1.5 s per GiB as measured');
    const place = await top(page.dumpSelected);

    await page.guest('web-01').uncheck();
    await page.guest('big-01').check();
    const warning =
      'big-01 (64.0 GiB) would stand still for about 96 s; its dump is ended at the limit of 30 s. ' +
      'Choose live, or raise FROZEN_PAUSE_LIMIT.';
    await eventually(async () => assert.equal((await outlook(page).innerText()).trim(), warning));
    assert.ok((await descriptionOf(page.dumpSelected)).includes(warning), 'a screen reader says it with the button');
    assert.ok(await page.dumpSelected.isEnabled(), 'it is a warning and no more');
    assert.equal(await top(page.dumpSelected), place, `${look.width} px: the button stays where it is`);

    await standsStill(page.page);
    assert.deepEqual(await violations(page.page), [], `${look.width} px, ${look.colorScheme}`);

    await mode(page, 'Auto').check();
    await eventually(async () =>
      assert.match(await outlook(page).innerText(), /^\s*big-01 \(64\.0 GiB\), if live is not possible, would /));
    assert.equal(await top(page.dumpSelected), place, `${look.width} px: with the longest warning, too`);
    await mode(page, 'Live').check();
    await eventually(async () => assert.match(await outlook(page).innerText(), /stops for well under a second/));
    assert.equal(await top(page.dumpSelected), place);

    await mode(page, 'Frozen').check();
    await page.dumpAll.click();
    await page.dialog.getByText(warning).waitFor();
    await page.dialog.getByText('up to about 96 s').waitFor();
    assert.deepEqual(await wideElements(page), []);
    await standsStill(page.page);
    assert.deepEqual(await violations(page.page), [], 'in the dialog');
  }
});

scenario('where nothing was measured yet, and where the service does not tell, there is no warning', async (stage) => {
  const nothing = { '/api/frozen-pause': { limit_ms: 30_000, bytes_per_s: null, measured_from: 0 } };
  for (const told of [nothing, {}]) {
    const page = await open(stage, told);
    await page.guest('big-01').check();
    await mode(page, 'Frozen').check();
    await eventually(async () =>
      assert.equal(await outlook(page).innerText(), 'big-01, 64.0 GiB of memory: stops for about 64 s.'));
    assert.equal(await hint(page).innerText(), 'Stops while it is read, about 1 s per GiB');
  }
});

for (const [name, arrange] of Object.entries(ARRANGEMENTS)) {
  scenario(`${name} warns by what it has measured itself`, async (stage) => {
    // The first dump stands still for two seconds more: half a GiB is too large then for a limit of one.
    const { dashboard, agent } = await arrange(stage, { FAILPOINTS: 'capture::half-read=1*sleep(2000)' });
    const page = await stage.open(dashboard);
    await page.guest('db-01').check();
    await mode(page, 'Frozen').check();
    await page.dumpSelected.click();
    await page.rowsOf('db-01').waitFor();
    const [{ pause_ms: pause, raw_size_bytes: size }] = await dashboard.records();
    assert.ok(pause >= 2_000, `${pause} ms`);
    const measured = await dashboard.get('/api/frozen-pause');
    assert.deepEqual(measured, {
      limit_ms: 30_000,
      bytes_per_s: Math.ceil((size * 1000) / pause),
      measured_from: 1,
    });
    await eventually(async () => assert.match(await hint(page).innerText(), /s per GiB as measured$/));
    assert.equal(await page.page.locator('.pause-warning').count(), 0, 'within 30 s');

    const taker = agent ?? dashboard;
    page.tab.expectComplaints(...SERVER_AWAY, ...SERVICE_AWAY);
    await taker.stop();
    taker.variables.FROZEN_PAUSE_LIMIT = '1';
    await stage.startAgain(taker);
    const limit = async () => (await dashboard.get('/api/frozen-pause'))?.limit_ms;
    await eventually(async () => assert.equal(await limit(), 1_000));
    const again = await stage.open(dashboard);
    await again.guest('db-01').check();
    await mode(again, 'Frozen').check();
    const warning = again.page.locator('.pause-warning');
    await warning.waitFor();
    assert.match(await warning.innerText(), /^\s*db-01 \(.+iB\) would stand still for about \d+ s; its dump is ended at the limit of 1 s\./);
  });
}
