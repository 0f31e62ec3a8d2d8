// A part of memdeck is away for a while: the page says so, stays useful, and recovers by itself.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SERVER_AWAY, SERVICE_AWAY } from '../support/browser-tab.mjs';
import { eventually } from '../support/eventually.mjs';
import { ARRANGEMENTS, scenario } from '../support/scenario.mjs';

scenario('the dump service is away and comes back', async (stage) => {
  const { dashboard, agent, images } = await ARRANGEMENTS['a dashboard in front of a dump service'](stage);
  await images.dump('web-01');
  const page = await stage.open(dashboard);
  await page.rowsOf('web-01').waitFor();
  const banner = page.alert('The dump service does not answer.');
  assert.equal(await banner.count(), 0);
  await page.guest('web-01').check();

  page.tab.expectComplaints(...SERVICE_AWAY);
  await agent.stop();
  await banner.waitFor();
  assert.ok((await banner.innerText()).includes(agent.url), 'the banner names the service');

  await page.dumpSelected.click();
  const refusal = page.alert('The dump was not started.');
  await refusal.waitFor();
  assert.ok((await refusal.innerText()).includes(agent.url), await refusal.innerText());
  assert.equal(await page.rowsOf('web-01').count(), 1, 'the table is still there');
  assert.equal(await page.connection.innerText(), 'Live', 'the dashboard itself is not away');

  await stage.startAgain(agent);
  await banner.waitFor({ state: 'hidden' });
  await eventually(async () => assert.ok(await page.dumpSelected.isEnabled()));
  await page.dumpSelected.click();
  await refusal.waitFor({ state: 'hidden' });
  await eventually(async () => assert.equal(await page.rowsOf('web-01').count(), 2));
  await page.tab.assertNotReloaded();
});

scenario('the server is away, a dump is taken meanwhile, and the page catches up', async (stage) => {
  const dashboard = await stage.start('serve');
  const page = await stage.open(dashboard);
  assert.equal(await page.rows.count(), 0);

  page.tab.expectComplaints(...SERVER_AWAY);
  await dashboard.stop();
  await eventually(async () => assert.equal(await page.connection.innerText(), 'Reconnecting'));
  await dashboard.home.dump('web-01');
  await stage.startAgain(dashboard);

  await eventually(async () => assert.equal(await page.connection.innerText(), 'Live'));
  await page.rowsOf('web-01').waitFor();
  await page.tab.assertNotReloaded();
});

scenario('without a hypervisor the page says why, and nothing can be dumped', async (stage) => {
  const dashboard = await stage.start('serve', { LIBVIRT_URI: 'qemu+unix:///system?socket=/nowhere' });
  const page = await stage.open(dashboard, { withGuests: false });
  page.tab.expectComplaints(...SERVICE_AWAY);
  const problem = page.alert('The guests cannot be listed.');
  await problem.waitFor();
  assert.match(await problem.innerText(), /cannot connect to qemu\+unix:.*'\/nowhere'/s);
  assert.ok(await page.dumpSelected.isDisabled());
  assert.ok(await page.dumpAll.isDisabled());
  await page.page.getByText('The guests are not loaded yet.').waitFor();
});

scenario('the volume of the images lets nobody write: the page says so, and when it is over', async (stage) => {
  const dumps = mkdtempSync(join(tmpdir(), 'memdeck-volume-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=700', 'tmpfs', dumps]);
  stage.defer(async () => {
    execFileSync('umount', ['--lazy', dumps]);
    rmdirSync(dumps);
  });
  const dashboard = await stage.start('serve', { DUMP_DIR: dumps });
  const page = await stage.open(dashboard);
  const notice = page.alert('Dumps cannot be stored now.');
  assert.equal(await notice.count(), 0);

  execFileSync('mount', ['-o', 'remount,ro', dumps]);
  await notice.waitFor();
  assert.match(await notice.innerText(), /DUMP_DIR/);

  execFileSync('mount', ['-o', 'remount,rw', dumps]);
  await notice.waitFor({ state: 'hidden' });
  await page.tab.assertNotReloaded();
});
