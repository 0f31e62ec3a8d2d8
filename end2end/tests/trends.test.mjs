// Trends: what became of dumps, as charts, in sentences and as tables.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { DumpService, record } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

const DAY = 86_400_000;
const MIB = 1_048_576;

// A dump a day, of two guests by turns, and an older one.
const records = () => {
  const noon = new Date().setHours(12, 0, 0, 0);
  const mode = (n) => (n % 4 === 0 ? { mode: 'frozen', pause_ms: 700 + n } : { mode: 'live', pause_ms: 30 + n });
  const days = Array.from({ length: 12 }, (_, n) =>
    record(n + 1, {
      dom: `vm-00${(n % 2) + 1}`,
      at: noon - (12 - n) * DAY,
      duration_sec: 1 + n,
      gzip_size_bytes: 10 * MIB,
      ...mode(n),
    }),
  );
  return [record(100, { dom: 'vm-003', at: noon - 60 * DAY, gzip_size_bytes: 50 * MIB }), ...days];
};

async function open(stage, how) {
  const all = records();
  const service = await DumpService.start(all, []);
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  await eventually(async () => {
    const { total } = await dashboard.get('/api/memory-dumps/records?limit=1');
    assert.equal(total, all.length);
  });
  const { page, tab } = await stage.open(dashboard, { path: '/trends', withGuests: false, ...how });
  const card = (name) => page.getByRole('region', { name });
  await card('Dumps per day').getByText('12 completed, 0 failed, 0 cancelled.').waitFor();
  return { dashboard, page, tab, card };
}

scenario('charts, sentences and tables tell the same numbers', async (stage) => {
  const { dashboard, page, card } = await open(stage);
  await eventually(async () => assert.equal(await page.locator('amount-chart canvas').count(), 4));
  await card('Stored images by guest').getByText('170 MiB kept at the end, 60.0 MiB of it of vm-001.').waitFor();
  await card('How long guests stood still').getByText(/^Live: half of 9 dumps within \d+ ms.* Frozen: half of 3 dumps within/).waitFor();
  await card('How long dumps took').getByText(/^Half of 12 dumps within [5-7]/).waitFor();

  const stored = card('Stored images by guest');
  await stored.getByText('Numbers').click();
  const newest = stored.getByRole('table').locator('tbody tr').first();
  assert.deepEqual(await newest.getByRole('cell').allInnerTexts(), ['60.0 MiB', '60.0 MiB', '50.0 MiB']);
  assert.equal(await stored.getByRole('table').locator('tbody tr').count(), 30);
  const told = await dashboard.get('/api/memory-dumps/trends');
  assert.equal(told.steps.reduce((sum, { completed }) => sum + completed, 0), 12);
  assert.equal(told.steps.at(-1).stored_bytes, 170 * MIB);

  // What the cursor is on stands above the chart.
  const dumps = card('Dumps per day');
  await dumps.locator('.u-over').hover();
  assert.match(await dumps.locator('.chart-readout').innerText(), /^20\d\d-\d\d-\d\d · /);
});

scenario('the stretch of time is in the address, and Back leads to the one before', async (stage) => {
  const { page, card } = await open(stage);
  await page.getByRole('button', { name: '90 days' }).click();
  await card('Dumps per day').getByText('13 completed').waitFor();
  assert.equal(new URL(page.url()).search, '?days=90');
  await page.reload();
  await card('Dumps per day').getByText('13 completed').waitFor();
  assert.equal(await page.getByRole('button', { name: '90 days' }).getAttribute('aria-pressed'), 'true');
  await page.getByRole('button', { name: '1 year' }).click();
  await card('Dumps per week').getByText('13 completed').waitFor();
  await page.goBack();
  await card('Dumps per day').getByText('13 completed').waitFor();

  await page.getByRole('button', { name: 'Choose …' }).click();
  const form = page.getByRole('form', { name: 'Choose a range' });
  await form.getByLabel('From').fill('2026-01-02');
  await form.getByLabel('To').fill('2026-01-01');
  await form.getByRole('button', { name: 'Show' }).click();
  await form.getByText('The last day must not be before the first.').waitFor();
  await form.getByLabel('To').fill('2026-01-03');
  await form.getByRole('button', { name: 'Show' }).click();
  await card('Dumps per day').getByText('No dumps in this range.').waitFor();
  assert.equal(new URL(page.url()).search, '?from=2026-01-02&to=2026-01-03');
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`trends fit a phone and can be read by everybody (${colorScheme})`, async (stage) => {
    const { page } = await open(stage, { width: 360, height: 780, colorScheme });
    await page.locator('amount-chart canvas').first().waitFor();
    const wide = await wideElements({ page });
    assert.deepEqual(wide.filter((element) => !element.startsWith('DIV.table-scroll')), []);
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(await mislabelledControls(page), []);
    assert.deepEqual(await controlsTooSmall(page), []);
  });
}

scenario('charts have their colours also where the browser is asked for less motion', async (stage) => {
  const { page } = await open(stage, { colorScheme: 'light' });
  const canvas = page.locator('amount-chart canvas').nth(1);
  await canvas.waitFor();
  // Colours are read anew with the theme.
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  await eventually(async () => {
    const areas = await canvas.evaluate((drawn) => {
      const { data } = drawn.getContext('2d').getImageData(0, 0, drawn.width, drawn.height);
      const counts = new Map();
      for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] < 255) continue;
        const colour = `${data[at]} ${data[at + 1]} ${data[at + 2]}`;
        counts.set(colour, (counts.get(colour) ?? 0) + 1);
      }
      return [...counts.values()].filter((count) => count > 400).length;
    });
    assert.ok(areas >= 3, `${areas} colours`);
  });
});
