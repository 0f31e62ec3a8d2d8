// Many tabs of one browser, which has six connections to a server: they share one stream of events.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

import { SERVER_AWAY } from '../support/browser-tab.mjs';
import { Cable } from '../support/cable.mjs';
import { eventually } from '../support/eventually.mjs';
import { MemoryDumpsPage } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

const TABS = 10;
// Between two tabs that are opened: all within 20 s.
const INTERVAL_MS = 1_800;
const ROWS_WITHIN_MS = 3_000;

scenario('ten tabs of one browser each show rows within 3 s, over one stream of events', async (stage) => {
  const dashboard = await stage.start('serve');
  await dashboard.home.dump('web-01');
  const cable = await Cable.to(dashboard.url);
  stage.defer(() => cable.cut());
  const pages = [await stage.open(cable, { path: '/robots.txt', withGuests: false })];
  const waits = [];
  for (let number = 0; number < TABS; number += 1) {
    const begun = performance.now();
    const page = await stage.openBeside(pages[0], cable);
    await page.rowsOf('web-01').waitFor();
    waits.push(Math.round(performance.now() - begun));
    pages.push(page);
    await pause(Math.max(0, INTERVAL_MS - waits.at(-1)));
  }
  console.log(`rows after ${waits.join(', ')} ms`);
  assert.ok(Math.max(...waits) < ROWS_WITHIN_MS, `rows after ${waits} ms`);
  pages.shift();
  for (const page of pages) {
    await eventually(async () => assert.equal(await page.connection.innerText(), 'Live'));
  }
  assert.equal(cable.openStreams, 1);

  await dashboard.home.dump('db-01');
  for (const page of pages) await page.rowsOf('db-01').waitFor();
});

scenario('tabs that share a stream go on together when it breaks off and while others are closed', async (stage) => {
  const dashboard = await stage.start('serve');
  const cable = await Cable.to(dashboard.url);
  stage.defer(() => cable.cut());
  const first = await stage.open(cable);
  const second = await stage.openBeside(first, cable);
  await second.isReady();
  for (const { tab } of [first, second]) tab.expectComplaints(...SERVER_AWAY, /ERR_CONNECTION_CLOSED/);
  await cable.cut();
  await dashboard.home.dump('web-01');
  await cable.mend();
  for (const page of [first, second]) await page.rowsOf('web-01').waitFor();

  await first.page.close();
  await dashboard.home.dump('db-01');
  await second.rowsOf('db-01').waitFor();
  assert.equal(cable.openStreams, 1);
  await second.page.close();
  await eventually(() => assert.equal(cable.openStreams, 0));
});

scenario('signing out in one tab ends the session in the others', async (stage) => {
  const token = 'a token of some length';
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: token });
  const first = await stage.open(dashboard, { withGuests: false });
  await first.page.getByLabel('Token').fill(token);
  await first.page.keyboard.press('Enter');
  await first.isReady();
  const second = await stage.openBeside(first, dashboard);
  await second.isReady();

  second.tab.expectComplaints(/^response: 401 /, /^console: .*\b401\b/, /^request: /);
  await first.page.getByRole('button', { name: 'Sign out' }).click();
  await second.alert('Your session has ended.').waitFor();
});

scenario('without shared workers a page has a stream of its own, and none while it is hidden', async (stage) => {
  const dashboard = await stage.start('serve');
  const cable = await Cable.to(dashboard.url);
  stage.defer(() => cable.cut());
  const { tab, page } = await stage.open(cable, { path: '/robots.txt', withGuests: false });
  await page.addInitScript(() => {
    delete window.SharedWorker;
    Object.defineProperty(document, 'hidden', { get: () => window.isHidden ?? false });
  });
  const hide = (isHidden) =>
    page.evaluate((isHidden) => {
      window.isHidden = isHidden;
      document.dispatchEvent(new Event('visibilitychange'));
    }, isHidden);
  await page.goto(`${cable.url}/memory-dumps`);
  const memoryDumps = new MemoryDumpsPage(tab);
  await memoryDumps.isReady();
  assert.equal(cable.openStreams, 1);

  tab.expectComplaints(/^request: net::ERR_ABORTED .*\/api\/events/);
  await hide(true);
  await eventually(() => assert.equal(cable.openStreams, 0));
  await dashboard.home.dump('web-01');
  await hide(false);
  await memoryDumps.rowsOf('web-01').waitFor();
  assert.ok(cable.streams.at(-1).searchParams.get('last_event_id'), 'it goes on where it ended');
});
