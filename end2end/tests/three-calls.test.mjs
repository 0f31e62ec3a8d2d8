// In front of a dump service that has only the three calls: what it cannot do is not offered, and what it forgets has an end.

import assert from 'node:assert/strict';

import { ThreeCalls } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { descriptionOf } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

// A dashboard in front of such a service, whose dump of web-01 goes on and on.
async function dumping(stage) {
  const service = await ThreeCalls.start();
  stage.defer(() => service.stop());
  service.holds = true;
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  const page = await stage.open(dashboard);
  await page.guest('web-01').check();
  await page.dumpSelected.click();
  await page.progressOf('web-01').waitFor();
  const row = page.activeDumps.getByRole('listitem').filter({ hasText: 'web-01' });
  return { service, dashboard, page, row };
}

scenario('a dump that a restarted service forgot ends on the open page and in the log', async (stage) => {
  const { service, page, row } = await dumping(stage);
  await eventually(async () => assert.equal(Number(await page.progressOf('web-01').getAttribute('value')), 30));

  service.forget();
  await row.getByText(/does not know this dump any more: it was restarted or forgot it/).waitFor();
  await page.progressOf('web-01').waitFor({ state: 'hidden' });
  const log = page.page.getByRole('region', { name: 'Activity log' });
  await log.getByText('dump failed').waitFor();
  await page.tab.assertNotReloaded();
});

scenario('what a service with three calls cannot do is not to be had on the page, and the page says why', async (stage) => {
  const { service, dashboard, page, row } = await dumping(stage);
  await page.page.getByText('This dump service chooses the mode itself.').waitFor();
  for (const mode of await page.page.getByRole('radio', { name: /^(auto|live|frozen)/i }).all()) {
    assert.ok(await mode.isDisabled());
  }
  await row.getByText('This dump service reports no UUID: which guest it took for this name is not verified.').waitFor();

  const cancel = row.getByRole('button', { name: 'Cancel the dump of web-01' });
  assert.equal(await cancel.getAttribute('aria-disabled'), 'true');
  const words = `${(await cancel.getAttribute('title')) ?? ''} ${await descriptionOf(cancel)}`;
  assert.match(words, /This dump service cannot cancel dumps\./);
  await cancel.click({ force: true });
  assert.equal(await row.getByRole('button', { name: 'Cancel dump of web-01' }).count(), 0, 'nobody is asked');
  const { active_dumps: dumps } = await dashboard.get('/api/memory-dumps/status');
  assert.deepEqual(Object.values(dumps).map(({ state }) => state), ['running']);

  service.holds = false;
  await page.rowsOf('web-01').waitFor();
  const why = 'The image stays with the dump service, which cannot download, verify or delete it.';
  const actions = page.menuButtonOf('web-01');
  assert.deepEqual([await actions.getAttribute('aria-disabled'), await actions.getAttribute('title')], ['true', why]);
  await actions.click({ force: true });
  assert.equal(await page.page.getByRole('menuitem').count(), 0);
  // There is nothing here that could be verified.
  page.tab.expectComplaints(/404.*\/api\/ui\/verification/);
  await page.detailsLinkOf('web-01').click();
  await page.details.getByText(why).waitFor();
});
