// The page /resource-monitoring: charts of a guest over time, with its dumps.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { controlsTooSmall, standsStill, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';
import { pauseText } from '../support/written.mjs';

async function open(stage, query = '', how = {}, dashboard = undefined) {
  dashboard ??= await stage.start('serve');
  const { page, tab } = await stage.open(dashboard, { path: `/resource-monitoring${query}`, withGuests: false, ...how });
  return { dashboard, page, tab };
}

const chart = (page, title) => page.getByRole('region', { name: title, exact: true });
const readout = (page, title) => chart(page, title).locator('.chart-readout');
const summary = (page, title) => chart(page, title).locator('.chart-summary');

// Waits until a chart has drawn values.
async function isDrawn(page, title) {
  // What is out of sight is not drawn.
  await chart(page, title).scrollIntoViewIfNeeded();
  await chart(page, title).locator('canvas').waitFor();
  await eventually(async () => assert.match(await summary(page, title).innerText(), /^Last /));
  await eventually(async () => assert.notEqual(await readout(page, title).innerText(), ''));
}

const parameters = (page) => Object.fromEntries(new URL(page.url()).searchParams);
const act = async (page, title, action) => {
  await chart(page, title).getByRole('button', { name: /^Numbers and picture of / }).click();
  await page.getByRole('menuitem', { name: action }).click();
};

scenario('charts of a guest follow the present, with the numbers that REST tells', async (stage) => {
  const { dashboard, page } = await open(stage, '?guest=web-01&range=5m&table=cputime');
  await isDrawn(page, 'CPU time');
  const { metrics: before } = await dashboard.get('/api/telemetry/vm-stats/web-01');
  const newest = page.getByRole('table', { name: 'Numbers of CPU time' }).locator('tbody').getByRole('row').first();
  const counted = async () => Number((await newest.getByRole('cell').last().innerText()).replaceAll(',', ''));
  await eventually(async () => assert.ok((await counted()) > before.cputime, 'it goes on by itself'));
  const shown = await counted();
  const { metrics: after } = await dashboard.get('/api/telemetry/vm-stats/web-01');
  assert.ok(shown <= after.cputime, `${before.cputime} < ${shown} <= ${after.cputime}`);
  assert.match(await readout(page, 'CPU time').innerText(), /^\d\d:\d\d:\d\d · [\d.]+ % .*counted [\d,]+ ns$/);
  assert.equal(await page.locator('.chart-card').count(), 14, 'a chart for each metric of CPU and memory');
});

scenario('guest, tab, range and table are in the address', async (stage) => {
  const { page, tab } = await open(stage);
  await isDrawn(page, 'CPU time');
  await page.getByLabel('Guest', { exact: true }).selectOption({ label: 'web-01 (running)' });
  await page.getByRole('button', { name: '5 min', exact: true }).click();
  await page.getByRole('tab', { name: 'Network' }).click();
  await isDrawn(page, 'Network received');
  await act(page, 'Network received', 'Show as a table');
  const numbers = page.getByRole('table', { name: 'Numbers of Network received' });
  await numbers.waitFor();
  const { guest, ...others } = parameters(page);
  assert.match(guest, /^[0-9a-f-]{36}$/);
  assert.deepEqual(others, { tab: 'network', range: '5m', table: 'net_rxbytes' });

  await page.reload();
  await numbers.waitFor();
  assert.equal(await page.getByRole('tab', { name: 'Network' }).getAttribute('aria-selected'), 'true');
  assert.equal(await page.getByRole('button', { name: '5 min', exact: true }).getAttribute('aria-pressed'), 'true');
  await page.goBack();
  await numbers.waitFor({ state: 'detached' });
  await page.goBack();
  await isDrawn(page, 'CPU time');
});

scenario('the devices of a guest have charts of their own', async (stage) => {
  const { page } = await open(stage, '?guest=web-01&tab=devices&range=5m');
  const disk = page.getByRole('region', { name: /^Disk vd[a-z]$/ }).first();
  await disk.waitFor();
  const name = (await disk.getByRole('heading', { level: 2 }).innerText()).split(' ').at(-1);
  await isDrawn(page, `${name}: Written`);
  assert.equal(await disk.locator('.chart-card').count(), 5);
});

scenario('a stretch that is dragged over fills all charts, and a double click leads back', async (stage) => {
  const { page } = await open(stage, '?guest=web-01&range=5m');
  await isDrawn(page, 'CPU time');
  const over = chart(page, 'CPU time').locator('.u-over');
  const { x, y, width, height } = await over.boundingBox();
  await page.mouse.move(x + width * 0.5, y + height / 2);
  await eventually(async () =>
    assert.ok(await readout(page, 'CPU user time').evaluate((line) => line.classList.contains('is-hovered'))));
  await page.mouse.down();
  await page.mouse.move(x + width * 0.75, y + height / 2, { steps: 5 });
  await page.mouse.up();
  await eventually(() => assert.ok(parameters(page).to));
  const { from, to } = parameters(page);
  const length = (Date.parse(to) - Date.parse(from)) / 1000;
  assert.ok(length > 70 && length < 80, `a quarter of 300 s: ${length}`);
  assert.equal(await page.getByRole('button', { name: /^\d\d-\d\d .* to / }).getAttribute('aria-pressed'), 'true');

  await page.getByRole('button', { name: 'Zoom out' }).click();
  await eventually(() => assert.notEqual(parameters(page).from, from));
  await over.dblclick();
  await eventually(() => assert.deepEqual(parameters(page), { guest: 'web-01' }));
});

scenario('a range is chosen by its times', async (stage) => {
  const { page } = await open(stage, '?guest=web-01');
  await page.getByRole('button', { name: 'Choose …' }).click();
  const form = page.getByRole('form', { name: 'Choose a range' });
  await form.getByLabel('From').fill('2026-01-02T10:00');
  await form.getByLabel('To').fill('2026-01-02T09:00');
  await form.getByRole('button', { name: 'Show' }).click();
  await form.getByRole('alert').filter({ hasText: 'The end must be after the start' }).waitFor();
  await form.getByLabel('To').fill('2026-01-02T11:00');
  await page.keyboard.press('Enter');
  await form.waitFor({ state: 'detached' });
  const { from, to } = parameters(page);
  assert.equal(Date.parse(to) - Date.parse(from), 3_600_000);
  await chart(page, 'CPU time').getByText('Nothing was measured in this range.').waitFor();
});

scenario('a dump is marked in the charts, and leads to its details', async (stage) => {
  const { dashboard, page } = await open(stage, '?guest=web-01&range=5m');
  await isDrawn(page, 'CPU time');
  const dumps = page.getByRole('region', { name: 'Dumps in this range' });
  await dumps.getByText('No dump of web-01 in the last 5 min.').waitFor();
  const { dump_id: id, pause_ms: pause } = await dashboard.home.dump('web-01');
  const paused = `paused for ${pauseText(pause)}`;
  const link = dumps.getByRole('link');
  await link.waitFor();
  assert.ok((await dumps.getByRole('listitem').innerText()).includes(paused), paused);
  const mark = chart(page, 'CPU time').locator('.chart-mark');
  await mark.waitFor({ state: 'attached' });
  assert.ok((await mark.getAttribute('title')).includes(paused), paused);
  assert.equal(new URL(await mark.evaluate(({ href }) => href)).search, `?dump=${id}`);
  await link.click();
  await page.getByRole('dialog', { name: /^Dump of web-01/ }).waitFor();
});

scenario('the numbers are left as CSV, and the chart as a picture', async (stage) => {
  const { page } = await open(stage, '?guest=web-01&range=5m');
  await isDrawn(page, 'CPU time');
  const saved = async (action) => {
    const download = page.waitForEvent('download');
    await act(page, 'CPU time', action);
    const file = await download;
    return [file.suggestedFilename(), await readFile(await file.path())];
  };
  const [csvName, csv] = await saved('Save as CSV');
  assert.equal(csvName, 'web-01-cputime.csv');
  const [head, ...rows] = csv.toString().trim().split('\r\n');
  assert.equal(head, 'time,guest,device,metric,unit,min,mean,max,raw');
  assert.ok(rows.length > 0 && rows.every((row) => /^\d{4}-.*Z,[0-9a-f-]{36},"",cputime,ns\/s,[\d.e+,-]+,\d+$/.test(row)), rows[0]);
  const [pngName, png] = await saved('Save as PNG');
  assert.equal(pngName, 'web-01-cputime.png');
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
});

scenario('charts are loaded when one is shown, and without them the figures stay', async (stage) => {
  const { dashboard, page, tab } = await open(stage, '', {});
  await isDrawn(page, 'CPU time');
  const loads = (page) =>
    page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/charts.js')).length);
  assert.equal(await loads(page), 1);
  const elsewhere = await stage.open(dashboard);
  assert.equal(await loads(elsewhere.page), 0);

  tab.expectComplaints(/charts\.js/, /ERR_FAILED/);
  await page.route('**/charts.js', (route) => route.abort());
  await page.reload();
  const notice = page.getByRole('alert').filter({ hasText: 'Charts cannot be drawn.' });
  await notice.waitFor();
  await eventually(async () => assert.match(await summary(page, 'vCPUs').innerText(), /^Last /));
  await page.unroute('**/charts.js');
  await notice.getByRole('button', { name: 'Retry' }).click();
  await isDrawn(page, 'CPU time');
  await notice.waitFor({ state: 'detached' });
});

scenario('charts are drawn anew in the other theme', async (stage) => {
  const { page } = await open(stage, '?guest=web-01&range=5m');
  await isDrawn(page, 'CPU time');
  // A range that stands still.
  await page.getByRole('button', { name: 'Zoom out' }).click();
  const picture = () => chart(page, 'CPU time').locator('canvas').evaluate((canvas) => canvas.toDataURL());
  await eventually(async () => {
    const first = await picture();
    await page.waitForTimeout(300);
    assert.equal(await picture(), first);
  });
  const light = await picture();
  await page.getByRole('radio', { name: 'Dark' }).check();
  await eventually(async () => assert.notEqual(await picture(), light));
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`nothing is in the way of anybody on Resource Monitoring, ${colorScheme}`, async (stage) => {
    const dashboard = await stage.start('serve');
    for (const width of [1280, 360]) {
      const how = { width, colorScheme, hasTouch: width === 360 };
      const { page } = await open(stage, '?guest=web-01&range=5m&table=cputime', how, dashboard);
      await isDrawn(page, 'CPU time');
      await standsStill(page);
      assert.deepEqual(await violations(page), [], `${width} px`);
      if (width !== 360) continue;
      for (const [tab, title] of [['Network', 'Network received'], ['Disk', 'Disk read'], ['Devices', /: Written$/], ['CPU and memory', 'CPU time']]) {
        await page.getByRole('tab', { name: tab }).click();
        const first = page.getByRole('region', { name: title, exact: true }).first();
        // What is out of sight is not loaded.
        await first.scrollIntoViewIfNeeded();
        await first.locator('.chart-summary').getByText(/^Last /).waitFor();
        const wide = await wideElements({ page });
        assert.deepEqual(wide.filter((element) => !/^DIV\.(tablist|table-scroll)/.test(element)), [], tab);
        assert.deepEqual(await controlsTooSmall(page), [], tab);
      }
    }
  });
}
