// What changes elsewhere appears in an open page, and leaves the operator's hands alone.

import assert from 'node:assert/strict';

import { SERVER_AWAY } from '../support/browser-tab.mjs';
import { Cable } from '../support/cable.mjs';
import { ensureNoGuest, startGuest, stopGuest } from '../support/lab.mjs';
import { hasFocus, isInView } from '../support/memory-dumps-page.mjs';
import { HELD_AT_HALF, scenario } from '../support/scenario.mjs';

scenario('a guest that starts appears in the selector, and goes when it is destroyed', async (stage) => {
  const passing = 'e2e-01';
  await ensureNoGuest(passing);
  const dashboard = await stage.start('serve');
  const page = await stage.open(dashboard);
  assert.equal(await page.guest(passing).count(), 0);
  await page.guest('web-01').check();
  await page.guest('web-01').focus();
  const focused = await page.focusedElement();

  stage.defer(() => ensureNoGuest(passing));
  const booted = startGuest(passing, 128);
  await Promise.all([booted, page.guest(passing).waitFor()]);
  assert.match(await page.guestLine(passing).innerText(), /running\s+128 MiB/);
  assert.ok(await page.guest('web-01').isChecked());
  assert.ok(await hasFocus(focused), 'the focus has moved');

  await stopGuest(passing);
  await page.guest(passing).waitFor({ state: 'detached' });
  assert.ok(await page.guest('web-01').isChecked());
  assert.ok(await hasFocus(focused), 'the focus has moved');
  assert.ok(await page.dumpSelected.isEnabled());
  await page.tab.assertNotReloaded();
});

scenario('a dump that others take leaves the focus on the dismiss button of a finished dump, and that in view', async (stage) => {
  const dashboard = await stage.start('serve');
  await dashboard.home.dump('web-01');
  // Low enough for the page to be scrolled.
  const page = await stage.open(dashboard, { height: 200 });
  const button = page.dismissButtonOf('web-01');
  await button.focus();
  const focused = await page.focusedElement();
  assert.ok((await page.page.evaluate(() => window.scrollY)) > 0, 'the page is scrolled');

  await dashboard.home.dump('db-01');
  await page.rowsOf('db-01').waitFor();
  assert.match(await page.rows.first().innerText(), /db-01/, 'newest first');
  assert.ok(await hasFocus(focused), 'the focus has moved');
  assert.ok(await isInView(focused), 'it was scrolled out of view');
});

scenario('a dump that others take waits outside of the table while the focus is in it', async (stage) => {
  const dashboard = await stage.start('serve');
  await dashboard.home.dump('web-01');
  const page = await stage.open(dashboard, { height: 480 });
  const button = page.copyButtonOf('web-01');
  await button.focus();
  const focused = await page.focusedElement();
  const before = await button.boundingBox();

  await dashboard.home.dump('db-01');
  await page.news.waitFor();
  assert.equal(await page.rows.count(), 1, 'no row is added under the operator');
  assert.ok(await hasFocus(focused), 'the focus has moved');
  assert.ok(await isInView(focused), 'it was scrolled out of view');
  assert.equal((await button.boundingBox()).x, before.x);

  await page.news.press('Enter');
  await page.rowsOf('db-01').waitFor();
  assert.match(await page.rows.first().innerText(), /db-01/, 'newest first');
  assert.equal(await page.news.count(), 0);
});

scenario('neither a guest nor a dump moves because a dump begins, goes on or ends', async (stage) => {
  const dashboard = await stage.start('serve', { ...HELD_AT_HALF, MAX_PARALLEL_DUMPS: '1' });
  for (const width of [1280, 390]) {
    const page = await stage.open(dashboard, { width });
    const top = async (locator) => (await locator.boundingBox()).y + (await page.page.evaluate(() => window.scrollY));
    const places = async () => ({
      guest: await top(page.guestLine('web-01')),
      records: await top(page.page.getByRole('heading', { name: 'Recorded dumps' })),
    });
    const before = await places();
    await page.guest('db-01').check();
    await page.guest('web-01').check();
    // A live dump may have to say why it is taken frozen.
    await page.page.getByRole('radio', { name: 'Frozen' }).check();
    await page.dumpSelected.click();
    await page.progressOf('db-01').or(page.progressOf('web-01')).waitFor();
    const second = page.activeDumps.getByRole('listitem').nth(1);
    const waiting = await top(second);
    assert.deepEqual(await places(), before, `while one is read, at ${width} px`);

    await page.activeDumps.getByText('completed').nth(1).waitFor();
    assert.equal(await top(second), waiting, `the second row has moved, at ${width} px`);
    assert.deepEqual(await places(), before, `when both have ended, at ${width} px`);
  }
});

scenario('a stream of events that breaks off goes on where it ended', async (stage) => {
  const dashboard = await stage.start('serve');
  const cable = await Cable.to(dashboard.url);
  stage.defer(() => cable.cut());
  const page = await stage.open(cable);
  const asked = [];
  page.page.on('request', (request) => asked.push(new URL(request.url())));

  page.tab.expectComplaints(...SERVER_AWAY, /ERR_CONNECTION_CLOSED/);
  await cable.cut();
  await dashboard.home.dump('web-01');
  await cable.mend();
  await page.rowsOf('web-01').waitFor();
  const streams = cable.streams.slice(1);
  assert.ok(streams.length > 0 && streams.every((url) => /^[0-9a-f]{16}-\d+$/.test(url.searchParams.get('last_event_id'))));
  assert.ok(!asked.some((url) => url.pathname === '/api/ui/guests'), 'what was not missed is not fetched again');
  await page.tab.assertNotReloaded();
});
