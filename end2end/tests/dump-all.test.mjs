// Dumping every running guest, which pauses each of them: the page asks first.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { HELD_UNTIL_CANCELLED, scenario } from '../support/scenario.mjs';
import { virsh } from '../support/virsh.mjs';
import { memoryText } from '../support/written.mjs';

scenario('the question before all guests are dumped says what will happen, and Esc means no', async (stage) => {
  const dashboard = await stage.start('serve');
  const page = await stage.open(dashboard);
  const guests = await dashboard.runningGuests();
  await page.dumpAll.click();

  const question = await page.dialog.innerText();
  const memoryKib = guests.reduce((sum, guest) => sum + guest.memory_max, 0);
  assert.ok(question.includes(`${guests.length} guests`), question);
  assert.ok(question.includes(`${memoryText(memoryKib)} of memory`), question);
  for (const guest of guests) assert.ok(question.includes(guest.name), question);
  assert.ok(await hasFocus(page.dialog.getByRole('button', { name: 'Cancel' })), 'the harmless button has the focus');

  await page.page.keyboard.press('Escape');
  await page.dialog.waitFor({ state: 'hidden' });
  assert.ok(await hasFocus(page.dumpAll), 'the focus returns to where it came from');
  assert.deepEqual((await dashboard.get('/api/memory-dumps/status')).active_dumps, {});
  assert.deepEqual(await dashboard.records(), []);
});

scenario('all running guests are dumped after a yes', async (stage) => {
  const dashboard = await stage.start('serve');
  const page = await stage.open(dashboard);
  const names = (await dashboard.runningGuests()).map((guest) => guest.name);
  await page.dumpAll.click();
  await page.dialog.getByRole('button', { name: 'Dump all' }).click();
  await page.dialog.waitFor({ state: 'hidden' });

  for (const name of names) await page.activeDumps.getByText(name, { exact: true }).waitFor();
  // Guests that are not of the lab may be busy with something else.
  for (const name of ['web-01', 'db-01']) await page.rowsOf(name).waitFor();
  await eventually(async () => assert.equal(await page.rows.count(), (await dashboard.records()).length));
  await page.tab.assertNotReloaded();
});

scenario('the question before all guests are dumped names each that is left out, and why', async (stage) => {
  const dashboard = await stage.start('serve', HELD_UNTIL_CANCELLED);
  const page = await stage.open(dashboard);
  const dumped = page.dialog.getByRole('list', { name: 'Guests to be dumped' });
  const omitted = page.dialog.getByRole('list', { name: 'Guests that are not included' });

  await virsh('suspend', 'db-01');
  stage.defer(async () => {
    if ((await virsh('domstate', 'db-01')).trim() === 'paused') await virsh('resume', 'db-01');
  });
  await page.guestLine('db-01').getByText('paused').waitFor();
  await page.dumpAll.click();
  await omitted.getByText('It is paused.').waitFor();
  assert.match(await omitted.innerText(), /db-01/);
  assert.doesNotMatch(await dumped.innerText(), /db-01/);
  await page.page.keyboard.press('Escape');

  await virsh('resume', 'db-01');
  await page.guestLine('db-01').getByText('running').waitFor();
  await page.guest('web-01').check();
  await page.dumpSelected.click();
  await page.progressOf('web-01').waitFor();
  await page.dumpAll.click();
  await omitted.getByText('Being dumped.').waitFor();
  assert.match(await omitted.innerText(), /web-01/);
  assert.match(await dumped.innerText(), /db-01/);
  assert.doesNotMatch(await dumped.innerText(), /web-01/);
  await page.page.keyboard.press('Escape');
  const { active_dumps: dumps } = await dashboard.get('/api/memory-dumps/status');
  const [{ dump_id }] = Object.values(dumps);
  await fetch(`${dashboard.url}/api/memory-dumps/cancel/${dump_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
});
