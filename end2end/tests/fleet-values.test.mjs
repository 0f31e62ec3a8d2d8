// Guests behind agents, as the agents measure them: live on the pages of a dashboard that measures none itself.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { startFleet } from '../support/fleet.mjs';
import { scenario } from '../support/scenario.mjs';

// The lab's hypervisor twice: each guest is on both hosts, with the same name and the same UUID.
async function open(stage, path) {
  const agents = [await stage.start('agent'), await stage.start('agent')];
  const hosts = agents.map(({ url }, index) => ({ name: `kvm-0${index + 1}`, url }));
  const dashboard = await startFleet(stage, hosts);
  await eventually(async () => {
    const { hosts: told } = await dashboard.get('/api/hosts');
    assert.deepEqual(told.map(({ condition }) => condition), ['up', 'up']);
  });
  return { agents, dashboard, ...(await stage.open(dashboard, { path, withGuests: false })) };
}

scenario('the card of a guest on an agent has values that change, and its charts have points', async (stage) => {
  const { page, dashboard } = await open(stage, '/vms');
  const card = page.getByRole('article', { name: 'web-01' }).filter({ hasText: 'kvm-02' });
  const values = () =>
    card.evaluate((card) => [...card.querySelectorAll('.vm-gauge-number, .vm-rates .unbroken')].map(({ innerText }) => innerText));
  const before = await eventually(async () => {
    const told = await values();
    assert.ok(told.length >= 4 && told.every((text) => !text.includes('unknown')), told.join(', '));
    return told;
  });
  await eventually(async () => assert.notDeepEqual(await values(), before));
  assert.equal(await page.getByRole('article', { name: 'web-01' }).count(), 2, 'one for each host');

  await card.getByRole('link', { name: 'Charts of web-01' }).click();
  await page.waitForURL(/guest=kvm-02/);
  const readout = page.getByRole('region', { name: 'CPU time', exact: true }).locator('.chart-readout');
  await eventually(async () => assert.match(await readout.innerText(), /counted [\d,]+/));
  const { vms } = await dashboard.get('/api/telemetry/vm-telemetry');
  const guest = vms.find(({ host, name }) => host === 'kvm-02' && name === 'web-01');
  const { buckets } = await dashboard.get(`/api/telemetry/series/kvm-02%2F${guest.uuid}?metric=cputime`);
  assert.ok(buckets.length > 0);

  await page.goto(`${dashboard.url}/?guest=kvm-02/${guest.uuid}`);
  await page.getByRole('combobox', { name: 'VM' }).waitFor();
  await eventually(async () => assert.match(await page.locator('.dials').innerText(), /\d+\.\d+ /));
});

scenario('the collector of each host is shown, stopped and started from the dashboard', async (stage) => {
  const { page, agents } = await open(stage, '/telemetry');
  const table = page.getByRole('table', { name: 'Collectors of the hosts' });
  const row = (name) => table.getByRole('row').filter({ hasText: name });
  for (const name of ['kvm-01', 'kvm-02']) await row(name).getByText('Running').waitFor();
  await row('kvm-01').getByText('shown below').waitFor();
  await row('kvm-02').getByRole('link', { name: 'kvm-02' }).click();
  await row('kvm-02').getByText('shown below').waitFor();
  await page.waitForURL(/host=kvm-02/);
  const panel = page.getByRole('region', { name: 'Collector', exact: true });
  await panel.getByText('Running').waitFor();
  await panel.getByRole('button', { name: 'Stop' }).click();
  await row('kvm-02').getByText('Stopped').waitFor();
  const reports = await Promise.all(agents.map((agent) => agent.get('/api/telemetry/report')));
  assert.deepEqual(reports.map(({ status }) => status.running), [true, false]);
  await row('kvm-01').getByText('Running').waitFor();
  await panel.getByRole('button', { name: 'Start' }).click();
  await row('kvm-02').getByText('Running').waitFor();
});
