// The page /telemetry: the collector, its guests, its settings, and what is wrong.

import assert from 'node:assert/strict';

import { controlsTooSmall, standsStill, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

const SECRET = 'a-token-nobody-may-see';
// Nothing listens there.
const NO_INFLUX = { INFLUX_URL: 'http://127.0.0.1:9', INFLUX_TOKEN: SECRET };

async function open(stage, variables = {}, how = {}) {
  const dashboard = await stage.start('serve', variables);
  const { page, tab } = await stage.open(dashboard, { path: '/telemetry', withGuests: false, ...how });
  const collector = page.getByRole('region', { name: 'Collector', exact: true });
  await collector.getByText('Running', { exact: true }).waitFor();
  return { dashboard, page, tab, collector };
}

// What stands under the name of a figure.
const figure = (page, name) =>
  page.getByRole('term').filter({ hasText: new RegExp(`^${name}$`) }).locator('xpath=following-sibling::dd');
const number = async (locator) => Number(/[\d,]+/.exec(await locator.innerText())?.[0].replaceAll(',', ''));
const lines = (page) => page.getByRole('group', { name: 'List of events' }).getByRole('listitem');

scenario('the collector is followed without a touch, and its guests with it', async (stage) => {
  const { dashboard, page } = await open(stage);
  const collections = figure(page, 'Collections');
  const before = await number(collections);
  await eventually(async () => assert.ok((await number(collections)) >= before + 3));
  const status = await dashboard.get('/api/telemetry/status');
  assert.ok(Math.abs((await number(collections)) - status.total_collections) <= 4, 'the page tells what REST tells');
  assert.equal(await number(figure(page, 'Guests measured')), status.vms_monitored);
  await figure(page, 'Missed intervals').getByText(/of 1\.00 s each/).waitFor();

  const guests = page.getByRole('table', { name: 'Monitored guests' });
  for (const name of ['web-01', 'db-01']) {
    const row = guests.getByRole('row', { name: new RegExp(`^${name}`) });
    await row.getByText('current').waitFor();
    // The first of two measurements gives no rate.
    await eventually(async () => assert.match(await row.innerText(), /\d+\.\d %/));
  }
  await guests.getByRole('link', { name: 'web-01' }).click();
  await page.getByRole('heading', { level: 1, name: 'Resource Monitoring' }).waitFor();
  const chosen = page.getByLabel('Guest', { exact: true }).locator('option:checked');
  await eventually(async () => assert.match(await chosen.innerText(), /^web-01/));
});

scenario('the collector is stopped and started, and stays as it was told', async (stage) => {
  const { dashboard, page, collector } = await open(stage);
  await collector.getByRole('button', { name: 'Stop' }).click();
  await collector.getByText('Stopped', { exact: true }).waitFor();
  await lines(page).filter({ hasText: 'The collector was stopped.' }).waitFor();
  assert.equal((await dashboard.get('/api/telemetry/status')).running, false);

  await page.reload();
  await collector.getByText('Stopped', { exact: true }).waitFor();
  await collector.getByRole('button', { name: 'Start' }).click();
  await collector.getByText('Running', { exact: true }).waitFor();
  await lines(page).filter({ hasText: 'The collector was started.' }).waitFor();
  assert.equal((await dashboard.get('/api/telemetry/status')).running, true);
});

scenario('a diagnosis says what does not work and what to do, and secrets stay hidden', async (stage) => {
  const { page } = await open(stage, NO_INFLUX);
  const settings = page.getByRole('table', { name: 'Configuration of telemetry' });
  await settings.getByRole('row', { name: /INFLUX_URL http:\/\/127\.0\.0\.1:9/ }).waitFor();
  await settings.getByRole('row', { name: /INFLUX_TOKEN \*\*\* hidden/ }).waitFor();

  const checks = page.getByRole('list', { name: 'What was tried' }).getByRole('listitem');
  await page.getByRole('button', { name: 'Run the diagnosis' }).click();
  await checks.filter({ hasText: 'Works' }).first().waitFor();
  await checks.filter({ hasText: 'Does not work' }).filter({ hasText: 'What to do: ' }).first().waitFor();
  assert.ok(!(await page.content()).includes(SECRET), 'the token is nowhere on the page');
  await checks.filter({ hasText: 'Not tried' }).filter({ hasText: 'InfluxDB: write a point' }).waitFor();
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`nothing is in the way of anybody on Telemetry, ${colorScheme}`, async (stage) => {
    for (const width of [1280, 360]) {
      const { page } = await open(stage, {}, { width, colorScheme, hasTouch: width === 360 });
      await page.getByRole('row', { name: /^web-01/ }).getByText('current').waitFor();
      await page.getByRole('button', { name: 'Run the diagnosis' }).click();
      await page.getByRole('list', { name: 'What was tried' }).getByRole('listitem').first().waitFor();
      await standsStill(page);
      assert.deepEqual(await violations(page), [], `${width} px`);
      if (width === 360) {
        assert.deepEqual(await wideElements({ page }), []);
        assert.deepEqual(await controlsTooSmall(page), []);
      }
    }
  });
}
