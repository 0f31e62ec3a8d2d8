// Dump records that other tools wrote into InfluxDB, on the page.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { InfluxDb } from '../support/influxdb.mjs';
import { scenario } from '../support/scenario.mjs';

// One every minute since then, as an older tool wrote them.
const FIRST_NANOS = 1_700_000_000_000_000_000n;
const row = (number) => {
  const at = FIRST_NANOS + BigInt(number) * 60_000_000_000n;
  const fields = `ok=true,sha256="${String(number).padStart(64, '0')}",dump_path="/d/${number}.zst",raw_size_bytes=537133056`;
  return `mem_dumps,dom=old-${String(number % 50).padStart(2, '0')},host=hv1,vmid=${number % 50} ${fields} ${at}`;
};

// What the row of a guest says besides its name differs.
const rowOf = (page, guest) => page.rows.filter({ hasText: guest });

async function influxDb(stage) {
  const influx = await InfluxDb.start();
  stage.defer(() => influx.remove());
  return influx;
}

scenario('rows that other tools write appear by themselves, and what is not understood is marked', async (stage) => {
  const influx = await influxDb(stage);
  await influx.write([row(1)]);
  const dashboard = await stage.start('serve', { INFLUX_URL: influx.url });
  const page = await stage.open(dashboard);
  await rowOf(page, 'old-01').waitFor();
  await rowOf(page, 'old-01').getByText('Other tool', { exact: true }).waitFor();
  await page.page.getByText('Total dumps').locator('xpath=..').getByText('1', { exact: true }).waitFor();

  // No dump has a size below zero.
  await influx.write([row(2), `mem_dumps,dom=odd,vmid=9 ok=true,raw_size_bytes=-5 ${FIRST_NANOS + 7n}`]);
  await rowOf(page, 'old-02').waitFor();
  await rowOf(page, 'odd').getByText('Other tool, incomplete').waitFor();
  await page.page.getByText('Total dumps').locator('xpath=..').getByText('3', { exact: true }).waitFor();
  await page.tab.assertNotReloaded();
});

scenario('an InfluxDB that is away is told above the table, which stays as it is', async (stage) => {
  const influx = await influxDb(stage);
  await influx.write([row(1)]);
  const dashboard = await stage.start('serve', { INFLUX_URL: influx.url });
  const page = await stage.open(dashboard);
  await rowOf(page, 'old-01').waitFor();
  const notice = page.page.getByRole('status').filter({ hasText: 'Dumps of other tools cannot be read from InfluxDB now.' });
  assert.equal(await notice.count(), 0);
  await influx.stop();
  await notice.waitFor();
  assert.equal(await page.rows.count(), 1);
  await influx.startAgain();
  await notice.waitFor({ state: 'detached' });
  await influx.write([row(2)]);
  await rowOf(page, 'old-02').waitFor();
});

scenario('while many rows are read, the table can be used and the page tells how many it has', async (stage) => {
  const ROWS = 40_000;
  const influx = await influxDb(stage);
  for (let first = 0; first < ROWS; first += 5_000) {
    await influx.write(Array.from({ length: 5_000 }, (_, index) => row(first + index)));
  }
  const dashboard = await stage.start('serve', { INFLUX_URL: influx.url });
  const page = await stage.open(dashboard);
  const notice = page.page.locator('.table-note').filter({ hasText: 'Dumps of other tools are being read from InfluxDB' });
  await notice.getByText(/\d,000 so far\.$/).waitFor();
  await page.search.fill('old-07');
  await eventually(async () => assert.ok((await page.names()).every((name) => name.startsWith('old-07'))));
  await page.search.fill('');
  await notice.waitFor({ state: 'detached' });
  await page.hasRecords(ROWS);
  assert.equal((await dashboard.get('/api/memory-dumps/stats')).total_dumps, ROWS);
});
