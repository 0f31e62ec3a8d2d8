// The program comes in parts: a page is there with the frame and its own part, whichever page is visited.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { scenario } from '../support/scenario.mjs';

const PAGES = {
  '/': 'Main Gauges',
  '/vms': 'VMs',
  '/telemetry': 'Telemetry',
  '/resource-monitoring': 'Resource Monitoring',
  '/memory-dumps': 'Memory Dumps',
  '/trends': 'Trends',
  '/hunt': 'Hunt',
  '/hosts': 'Hosts',
  '/schedules': 'Schedules',
  '/retention': 'Retention',
  '/notifications': 'Notifications',
  '/audit': 'Audit',
};
const LIMIT_BYTES = 465_000;

// The files of parts that were asked for, with who asked: `link` while the program was on its way.
const parts = (page) =>
  page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter(({ name }) => /\/(split|chunk)_\w+-\w+\.wasm$/.test(name))
      .map(({ name, initiatorType }) => ({ name: new URL(name).pathname, initiatorType })),
  );

const program = (page) =>
  page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter(({ name }) => /\.(js|wasm)$/.test(name) && !name.endsWith('/charts.js'))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  );

scenario('each page asks for its own part while the program is on its way, and for no other', async (stage) => {
  const dashboard = await stage.start('serve');
  const of = {};
  for (const [path, name] of Object.entries(PAGES)) {
    const { page } = await stage.open(dashboard, { path, withGuests: false });
    await page.locator('main').getByRole('heading', { name, level: 1 }).waitFor();
    await page.waitForFunction(() => !document.querySelector('main .shell, main[aria-busy]'));
    // The browser notes a file some time after the page has it.
    const asked = await eventually(async () => {
      const noted = await parts(page);
      of[path] = noted.map(({ name }) => name).filter((name) => name.includes('split_'));
      assert.equal(of[path].length, 1, `${path}: ${of[path]}`);
      return noted;
    });
    assert.ok(asked.every(({ initiatorType }) => initiatorType === 'link'), `${path}: ${JSON.stringify(asked)}`);
    const bytes = await program(page);
    assert.ok(bytes > 100_000 && bytes <= LIMIT_BYTES, `${path}: ${bytes} bytes`);
  }
  assert.notDeepEqual(of['/'], of['/memory-dumps']);
});

scenario('a part comes when its link is pointed at, and the page is there without a reload', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page, tab } = await stage.open(dashboard, { path: '/vms', withGuests: false });
  await page.getByRole('heading', { name: 'VMs', level: 1 }).waitFor();
  const before = (await parts(page)).length;
  const arrives = page.waitForResponse(/split_dumps-\w+\.wasm$/);
  const link = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Memory Dumps' });
  await link.hover();
  await arrives;
  assert.ok((await parts(page)).length > before);
  await link.click();
  await page.getByRole('heading', { name: 'Memory Dumps', level: 1 }).waitFor();
  await page.getByRole('button', { name: 'Dump selected' }).waitFor();
  await tab.assertNotReloaded();
});

scenario('while a part is on its way the frame stands, and one that does not come is told with a way on', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page, tab } = await stage.open(dashboard, { path: '/vms', withGuests: false });
  await page.getByRole('heading', { name: 'VMs', level: 1 }).waitFor();
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await page.route(/split_dumps-/, async (route) => {
    await held;
    await route.abort();
  });
  tab.expectComplaints(/split_dumps-/, /^console: .*(Failed to fetch|Aborted|aborted)/);
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Memory Dumps' }).click();
  await page.getByRole('heading', { name: 'Memory Dumps', level: 1 }).waitFor();
  await page.getByText('Loading the page').waitFor({ state: 'attached' });
  assert.match(await page.title(), /^Memory Dumps/);
  letGo();
  const failure = page.getByRole('alert').filter({ hasText: 'This page could not be loaded.' });
  await failure.waitFor();
  await page.getByRole('link', { name: 'VMs' }).waitFor();

  // What did not come is asked for again, by another visit and by a reload.
  await page.unroute(/split_dumps-/);
  await failure.getByRole('button', { name: 'Reload' }).click();
  await page.getByRole('button', { name: 'Dump selected' }).waitFor();
});

// Chromium says that loading was aborted only where the script is told in time, so the words are said for it here.
scenario('what was given up because its page was left is no complaint, and what a page gave up is one', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page, tab } = await stage.open(dashboard, { path: '/vms', withGuests: false });
  const giveUp = () =>
    page.evaluate(() => console.error(new TypeError('WebAssembly compilation aborted: Network error: aborted')));
  await giveUp();
  await page.reload();
  await page.getByRole('heading', { name: 'VMs', level: 1 }).waitFor();
  assert.deepEqual(await tab.unexpectedComplaints(), []);
  await giveUp();
  assert.equal((await tab.unexpectedComplaints()).length, 1);
  tab.expectComplaints(/\baborted\b/);
});
