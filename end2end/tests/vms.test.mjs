// VMs: cards, filters, order, the way to a dump, and two hundred guests at once.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

import { controlsTooSmall, mislabelledControls, standsStill, violations } from '../support/accessibility.mjs';
import { DumpService, record } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { collectorAnswers } from '../support/live-collector.mjs';
import { LiveValues, summaryOf } from '../support/live-values.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';
import { tasksDuring } from '../support/tasks.mjs';

const MIB = 1_048_576;
const LONGEST_TASK_MS = 50;

const guest = (index, others = {}) => ({
  id: index,
  name: `vm-${String(index).padStart(3, '0')}`,
  uuid: `11051664-d6fd-4a5e-9d5b-${String(index).padStart(12, '0')}`,
  state: 'running',
  vcpus: 2,
  memory_max: 512 * MIB,
  memory: 512 * MIB,
  cpu_time_ns: 1,
  ...others,
});

// The page in front of a service with these guests and records; each guest is as busy as `load` says.
async function open(stage, { guests, records = [], load, ...how }) {
  const service = await DumpService.start(records, guests);
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  await eventually(async () => {
    const { total } = await dashboard.get('/api/memory-dumps/records?limit=1');
    assert.equal(total, records.length);
  });
  const summaries = () => guests.filter(({ state }) => state === 'running').map(({ uuid }, index) => summaryOf(uuid, ...[load(index)].flat()));
  const values = (watch) => (watch.includes('all') ? [['summaries', summaries()]] : []);
  const live = await LiveValues.start(dashboard.url, values, { answers: collectorAnswers() });
  stage.defer(() => live.stop());
  const opened = await stage.open(live, { path: '/vms', withGuests: false, ...how });
  const cards = opened.page.getByRole('article');
  await eventually(async () => assert.ok((await cards.count()) > 0));
  const names = () => cards.getByRole('heading').allInnerTexts();
  return { ...opened, page: opened.page, tab: opened.tab, opened, live, cards, names };
}

const FEW = [guest(1), guest(2), guest(3, { state: 'shutoff', id: null }), guest(4, { state: 'paused', vcpus: 1 })];

scenario('a card tells state, size, load, rates and the last dump, and what is not known is unknown', async (stage) => {
  const newest = record(2, { dom: 'vm-001', at: Date.now() - 3 * 3_600_000, gzip_size_bytes: 29 * MIB, pause_ms: 40 });
  const records = [record(1, { dom: 'vm-001', at: Date.now() - 90 * 3_600_000 }), newest];
  const { page, cards } = await open(stage, { guests: FEW, records, load: (index) => (index === 0 ? 0.5 : [0.1, { disk_read: null, disk_write: null }]) });
  const first = page.getByRole('article', { name: 'vm-001' });
  await first.getByRole('img', { name: 'CPU: 50.0 %' }).waitFor();
  for (const part of [
    'running', '2 vCPUs · 512 MiB · id 1', 'in 20.0 MiB/s', 'out 2.00 MiB/s', 'read 10.0 MiB/s', 'written 5.00 MiB/s',
    '3 h ago · 29.0 MiB · paused 40 ms',
  ]) {
    // Guests, their values and their last dumps come one after the other.
    await eventually(async () => {
      const text = await first.innerText();
      assert.ok(text.includes(part), `${part} is not in ${text}`);
    });
  }
  await first.getByRole('img', { name: 'Memory: 65.0 %' }).waitFor();
  await eventually(async () => assert.match(await first.innerText(), /CPU change\s+steady \(0°\)/));
  const second = page.getByRole('article', { name: 'vm-002' });
  await second.getByRole('img', { name: 'Disk: unknown' }).waitFor();
  await eventually(async () => assert.match(await second.innerText(), /Last dump\s+none yet/));
  const off = page.getByRole('article', { name: 'vm-003' });
  assert.match(await off.innerText(), /shutoff[^]*unknown[^]*no memory to dump/);
  assert.equal(await off.getByRole('link', { name: /^Dump/ }).getAttribute('aria-disabled'), 'true');
  assert.equal(await cards.count(), FEW.length);
});

scenario('guests are found by text and state and ordered by load, in the address', async (stage) => {
  const { page, names } = await open(stage, { guests: FEW, load: (index) => [0.1, 0.8][index] });
  const query = () => new URL(page.url()).search;
  assert.deepEqual(await names(), ['vm-001', 'vm-002', 'vm-003', 'vm-004']);
  await page.getByText('4 VMs', { exact: false }).first().waitFor();
  await page.getByRole('img', { name: 'CPU: 80.0 %' }).waitFor();
  await page.getByLabel('Sort by').selectOption('cpu');
  await eventually(async () => assert.deepEqual(await names(), ['vm-002', 'vm-001', 'vm-003', 'vm-004']));
  await page.getByLabel('State').selectOption('running');
  await eventually(async () => assert.deepEqual(await names(), ['vm-002', 'vm-001']));
  await page.getByRole('searchbox').fill('001');
  await eventually(() => assert.equal(query(), '?search=001&state=running&sort=cpu'));
  assert.deepEqual(await names(), ['vm-001']);
  await page.getByText('1 of 4 VMs', { exact: false }).waitFor();
  await page.reload();
  await eventually(async () => assert.deepEqual(await names(), ['vm-001']));
  await page.getByRole('searchbox').fill('nothing like it');
  await page.getByRole('button', { name: 'Show all VMs' }).click();
  await eventually(() => assert.equal(query(), '?sort=cpu'));
});

scenario('the Dump button of a card leads to the panel with that guest chosen, and Back to the cards', async (stage) => {
  const { page, opened } = await open(stage, { guests: FEW, load: () => 0.5 });
  await page.getByRole('link', { name: 'Dump vm-002…' }).click();
  await page.getByRole('checkbox', { name: /^vm-002\s/, checked: true }).waitFor();
  assert.equal(await opened.guests.filter({ has: page.locator(':checked') }).count(), 0);
  assert.equal(await page.getByRole('checkbox', { checked: true, name: /^vm-/ }).count(), 1);
  await eventually(async () => assert.ok(await hasFocus(page.locator('#dump-panel')), 'the panel has the focus'));
  assert.equal(new URL(page.url()).search, '', 'what is chosen from now on is up to the operator');
  await page.goBack();
  await page.getByRole('heading', { name: 'VMs', level: 1 }).waitFor();
  const charts = page.getByRole('link', { name: 'Charts of vm-002' });
  await charts.click();
  await page.getByRole('heading', { name: 'Resource Monitoring', level: 1 }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('guest'), FEW[1].uuid);
});

scenario('two hundred guests change each second and the browser is never busy for long', async (stage) => {
  const guests = Array.from({ length: 200 }, (_, index) => guest(index + 1));
  let round = 0;
  const load = (index) => 0.5 + 0.5 * Math.sin(index + round / 3);
  const { page, live, cards } = await open(stage, {
    guests,
    load: (index) => {
      if (index === 0) round += 1;
      return load(index);
    },
  });
  assert.equal(await cards.count(), 200);
  for (const sort of ['name', 'cpu']) {
    await page.getByLabel('Sort by').selectOption(sort);
    const chosenAt = live.sent;
    await eventually(() => assert.ok(live.sent >= chosenAt + 2, 'the order is that of the present'));
    const before = live.sent;
    // Locators by role ask for the layout of every card: that would be work of the test.
    const lastNumber = () => page.evaluate(() => document.querySelector('.vms > :last-child .vm-gauge-number').textContent);
    const seen = new Set();
    const tasks = await tasksDuring(page, async () => {
      for (let second = 0; second < 10; second += 1) {
        await pause(1_000);
        seen.add(await lastNumber());
      }
    });
    assert.ok(tasks.length > 100, 'the work of the page was recorded');
    assert.ok(live.sent - before >= 9, 'values came');
    assert.ok(seen.size >= 5, `the last card changed too: ${[...seen]}`);
    assert.deepEqual(tasks.filter((ms) => ms > LONGEST_TASK_MS), [], `by ${sort}`);
  }
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`the cards are accessible at every width in ${colorScheme}`, async (stage) => {
    const { page, tab } = await open(stage, { guests: FEW, load: () => 0.5, colorScheme });
    await page.getByRole('img', { name: 'CPU: 50.0 %' }).first().waitFor();
    for (const width of [2560, 1280, 900, 768, 390, 360]) {
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
