// Main Gauges: which guest, what the needles and numbers say, and what is said where nothing is measured.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { controlsTooSmall, mislabelledControls, standsStill, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { collectorAnswers, sampleOf } from '../support/live-collector.mjs';
import { LiveValues } from '../support/live-values.mjs';
import { scenario } from '../support/scenario.mjs';

const run = promisify(execFile);
const MIB = 1_048_576;
const RATES = { net_rxbytes: 5 * MIB, net_txbytes: 100_000, disk_wr_bytes: 0, timeusr: 2.5e8, disk_rd_req: 100 };
const TITLES = [
  'Network RX', 'Network TX', 'Disk read', 'Disk write', 'CPU user time', 'CPU system time', 'Memory RSS',
  'Disk read requests',
];

// The customer's angle.
const degrees = (rate) => (Math.atan(Math.log10(Math.max(1, Math.abs(rate))) / 5) * 180) / Math.PI;

// The page in front of real guests, with the values that `sample` gives of one.
async function open(stage, { sample = (uuid) => sampleOf(uuid, { rates: RATES }), buckets, status, ...how } = {}) {
  const dashboard = await stage.start('serve');
  const values = (watch) => watch.filter((word) => word !== 'all').map((uuid) => ['sample', sample(uuid)]);
  const live = await LiveValues.start(dashboard.url, values, { answers: collectorAnswers({ buckets, status }) });
  stage.defer(() => live.stop());
  const { page, tab } = await stage.open(live, { path: '/', withGuests: false, ...how });
  const guests = Object.fromEntries((await dashboard.runningGuests()).map(({ name, uuid }) => [name, uuid]));
  return { page, tab, guests, gauge: (title) => page.getByRole('article', { name: title, exact: true }) };
}

const number = (gauge) => gauge.locator('.dial-number').innerText();

scenario('the first running guest is shown, another is chosen, and the address keeps it', async (stage) => {
  const { page, guests } = await open(stage);
  const named = () => new URL(page.url()).searchParams.get('guest');
  await eventually(() => assert.equal(named(), guests['db-01']));
  const choice = page.getByLabel('VM', { exact: true });
  await choice.selectOption('web-01');
  await eventually(() => assert.equal(named(), guests['web-01']));
  await page.locator('.guest-line').getByText('web-01', { exact: true }).waitFor();
  await page.reload();
  await eventually(async () => assert.equal(await choice.inputValue(), guests['web-01']));
  await page.goBack();
  await eventually(() => assert.equal(named(), guests['db-01']));
});

scenario('each gauge has the customer’s angle, a number in the operator’s unit, and unknown where nothing is measured', async (stage) => {
  let memrss = 200 * 1024;
  const { page, gauge } = await open(stage, {
    sample: (uuid) => sampleOf(uuid, { rates: RATES, totals: { memrss: (memrss += 1024) } }),
  });
  const expected = {
    'Network RX': ['5.00', 'MiB/s', RATES.net_rxbytes],
    'Network TX': ['0.10', 'MiB/s', RATES.net_txbytes],
    'Disk write': ['0', 'MiB/s', 0],
    'CPU user time': ['25.0', '% of a vCPU', RATES.timeusr],
    'Disk read requests': ['100', 'requests/s', RATES.disk_rd_req],
  };
  await gauge('Network RX').waitFor();
  assert.deepEqual(await page.getByRole('article').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label'))), TITLES);
  for (const [title, [text, unit, rate]] of Object.entries(expected)) {
    await eventually(async () => assert.equal(await number(gauge(title)), text, title));
    assert.equal(await gauge(title).locator('.dial-unit').innerText(), unit);
    const turned = await gauge(title).locator('.gauge-needle').evaluate(({ style }) => parseFloat(style.transform.slice(7)));
    assert.ok(Math.abs(turned + 45 - degrees(rate)) < 0.06, `${title}: ${turned + 45} and not ${degrees(rate)}`);
    const said = await gauge(title).getByRole('img').first().getAttribute('aria-label');
    assert.ok(said.startsWith(`${title}: ${text} ${unit}. Needle at ${degrees(rate).toFixed(1)}°`), said);
  }
  for (const title of ['Disk read', 'CPU system time']) {
    assert.match(await number(gauge(title)), /unknown$/);
    assert.equal(await gauge(title).locator('.gauge-needle').count(), 0);
  }
  // A MiB more each second: its size, and how fast it changes.
  await eventually(async () => assert.match(await number(gauge('Memory RSS')), /^2\d\d$/));
  await eventually(async () => assert.match(await gauge('Memory RSS').locator('.dial-needle').innerText(), /^3\d\.\d°: (9|1,0)\d\d KiB\/s$/));
});

scenario('the last five minutes are there at once, and go on', async (stage) => {
  const buckets = (metric, from) =>
    Array.from({ length: 50 }, (_, index) => ({
      at: new Date(from + index * 5000).toISOString(), min: 0, mean: 2 * MIB, max: index === 10 ? 40 * MIB : 3 * MIB, raw: null,
    }));
  const { gauge } = await open(stage, { buckets });
  const course = gauge('Network RX').getByRole('img').nth(1);
  await eventually(async () => {
    assert.match(await course.getAttribute('aria-label'), /^Network RX, last 5 minutes: highest 40\.0, mean 2\.\d\d MiB\/s\.$/);
  });
  // 50 means and the present one are on a line with a gap before the present.
  const line = await course.locator('.sparkline-line').getAttribute('d');
  assert.equal((line.match(/M/g) ?? []).length, 2, line);
});

scenario('values that do not come any more are marked with their age, and a collector that is stopped is told', async (stage) => {
  const at = new Date().toISOString();
  const { page } = await open(stage, {
    sample: (uuid) => sampleOf(uuid, { rates: RATES, at, stale: true }),
    status: { running: false },
  });
  await page.getByText(/^Last values from (\d+ s ago|just now)$/).waitFor();
  const notice = page.getByRole('status').filter({ hasText: 'The collector is stopped.' });
  await notice.getByRole('link', { name: 'Go to Telemetry' }).click();
  await page.getByRole('heading', { name: 'Telemetry', level: 1 }).waitFor();
});

scenario('an address of a guest that is not here says so, and one that names nothing shows the first', async (stage) => {
  const { page, tab, guests } = await open(stage, { path: '/?guest=00000000-0000-4000-8000-000000000000' });
  await page.getByText('This VM no longer exists').waitFor();
  const base = new URL(page.url()).origin;
  await page.goto(`${base}/?guest=all`);
  await eventually(() => assert.equal(new URL(page.url()).searchParams.get('guest'), guests['db-01']));
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`the gauges are accessible at every width in ${colorScheme}`, async (stage) => {
    const { page, tab, gauge } = await open(stage, { colorScheme });
    await eventually(async () => assert.equal(await number(gauge('Network RX')), '5.00'));
    for (const width of [2560, 1280, 1100, 900, 768, 390, 360]) {
      await page.setViewportSize({ width, height: 900 });
      assert.deepEqual(await wideElements(tab), [], `wider than it may be at ${width} px`);
      if (![1280, 390].includes(width)) continue;
      await standsStill(page);
      assert.deepEqual(await violations(page), []);
      assert.deepEqual(await mislabelledControls(page), []);
      if (width === 390) assert.deepEqual(await controlsTooSmall(page), []);
    }
  });
}

scenario('what is shown of a real guest is what virsh says, and the minutes before are there after a reload', async (stage) => {
  const dashboard = await stage.start('serve');
  const { uuid } = (await dashboard.runningGuests()).find(({ name }) => name === 'web-01');
  const { page } = await stage.open(dashboard, { path: `/?guest=${uuid}`, withGuests: false });
  const gauge = (title) => page.getByRole('article', { name: title, exact: true });
  await eventually(async () => {
    const { stdout } = await run('virsh', ['-c', 'qemu:///system', 'domstats', '--balloon', 'web-01']);
    const kib = Number(/balloon\.rss=(\d+)/.exec(stdout)[1]);
    // Three digits are shown, and memory is taken while the two look.
    const mib = Number((await number(gauge('Memory RSS'))).replace(',', ''));
    assert.ok(Math.abs(mib - kib / 1024) <= Math.max(1, kib / 1024 / 100), `${mib} MiB and not ${kib} KiB`);
  });
  await eventually(async () => assert.match(await number(gauge('CPU user time')), /^(< )?\d+(\.\d+)?$/));
  const steps = async () => {
    const line = await gauge('Memory RSS').locator('.sparkline-line').getAttribute('d');
    return (line.match(/L/g) ?? []).length;
  };
  await eventually(async () => assert.ok((await steps()) >= 2, 'some seconds have passed'));
  await page.reload();
  await gauge('Memory RSS').waitFor();
  // Sooner than two steps of five seconds: they come from what was kept.
  const began = Date.now();
  await eventually(async () => assert.ok((await steps()) >= 2));
  assert.ok(Date.now() - began < 9_000, `after ${Date.now() - began} ms`);
});
