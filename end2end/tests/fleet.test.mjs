// Three hosts on one dashboard: an agent that is cut off while it dumps, one that dials in, and a service with the three calls only.

import assert from 'node:assert/strict';

import { Cable } from '../support/cable.mjs';
import { ThreeCalls } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { startFleet } from '../support/fleet.mjs';
import { heldAtHalfFor, scenario } from '../support/scenario.mjs';

// Long enough to cut the cable, and to see that the others go on.
const HELD_MS = 8_000;
const DIALING_TOKEN = 'a token of this host alone';

scenario('a host is cut off during a dump: the others go on, and the dump is found again when it is back', async (stage) => {
  const first = await stage.start('agent', heldAtHalfFor(HELD_MS));
  const cable = await Cable.to(first.url);
  stage.defer(() => cable.cut());
  const lab = await ThreeCalls.start();
  stage.defer(() => lab.stop());
  const dashboard = await startFleet(stage, [
    { name: 'kvm-01', url: cable.url },
    { name: 'kvm-02', url: 'dial', token: DIALING_TOKEN },
    { name: 'lab', url: lab.url },
  ]);
  await stage.start('agent', { DASHBOARD_URL: dashboard.url, DASHBOARD_TOKEN: DIALING_TOKEN });
  const conditions = async () => (await dashboard.get('/api/hosts')).hosts.map(({ condition }) => condition);
  await eventually(async () => assert.deepEqual(await conditions(), ['up', 'up', 'up']));
  const page = await stage.open(dashboard, { withGuests: false });
  const hosts = await stage.openBeside(page, dashboard, { path: '/hosts' });
  const state = (name) =>
    hosts.page.getByRole('row').filter({ has: hosts.page.getByRole('rowheader', { name }) }).locator('.host-state');

  await state('lab').getByText('Only takes and reports dumps').waitFor();

  const answer = await fetch(`${dashboard.url}/api/memory-dumps/trigger`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': 'the-night-shift-1' },
    body: JSON.stringify({ vms: ['kvm-01/web-01', 'kvm-02/db-01', 'lab/old-01'] }),
  });
  const reply = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(reply));
  const idOn = (name) => reply.dumps.find(({ host }) => host === name).dump_id;
  const status = async (name) => {
    const { active_dumps: dumps } = await dashboard.get('/api/memory-dumps/status');
    return Object.values(dumps).find(({ dump_id }) => dump_id === idOn(name));
  };
  await eventually(async () => assert.ok((await status('kvm-01')).progress > 5));

  await cable.cut();
  await state('kvm-01').getByText('Away').waitFor();
  await state('kvm-02').getByText('Reachable').waitFor();
  await eventually(async () => {
    const ended = await dashboard.records();
    const elsewhere = ended.map(({ dump_id }) => dump_id).filter((dumpId) => dumpId !== idOn('lab'));
    assert.deepEqual(elsewhere, [idOn('kvm-02')]);
  });
  await page.rowsOf('db-01').waitFor();
  const told = await dashboard.get('/api/hosts').then(({ hosts }) => hosts.find(({ name }) => name === 'kvm-02'));
  assert.equal(told.service, 'dial://kvm-02');
  await eventually(async () => assert.equal((await status('lab')).state, 'completed'));
  assert.deepEqual(lab.asked, [['old-01']]);
  assert.equal(await page.rowsOf('web-01').count(), 0);

  await cable.mend();
  await state('kvm-01').getByText('Reachable').waitFor();
  await page.rowsOf('web-01').waitFor();
  const records = await dashboard.records();
  const found = records.filter(({ dump_id }) => dump_id === idOn('kvm-01'));
  assert.equal(found.length, 1);
  assert.match(found[0].sha256, /^[0-9a-f]{64}$/);
  const [own] = await first.get('/api/records').then(({ records }) => records.map(({ record }) => record));
  assert.equal(found[0].sha256, own.sha256, 'what the agent recorded');
  assert.equal((await first.get('/api/records')).records.length, 1, 'one dump was taken');
});
