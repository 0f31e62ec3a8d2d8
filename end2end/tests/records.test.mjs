// Finding dumps again: search, filters, order, pages, the address, the export, and new dumps that arrive meanwhile.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { SERVER_AWAY } from '../support/browser-tab.mjs';
import { DumpService, record } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { areOnOneLine, cellLabels, wideElements } from '../support/layout.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { EVENTS_AWAY, ProxyWithoutEvents } from '../support/proxy.mjs';
import { scenario } from '../support/scenario.mjs';

// Local midnight: the page's days are the operator's, and the browser has this process' time zone.
const FIRST_DAY = new Date(2025, 10, 1).getTime();
const DAY_MS = 24 * 3600 * 1000;
const COUNT = 60;

// Sixty dumps, two a day from 1 November 2025: twenty each of web, db and mail. One in ten failed.
const SIXTY = Array.from({ length: COUNT }, (_, index) => {
  const number = index + 1;
  const role = ['web', 'db', 'mail'][index % 3];
  return record(number, {
    dom: `${role}-${String(index % 20).padStart(2, '0')}`,
    at: FIRST_DAY + Math.floor(index / 2) * DAY_MS + (index % 2) * 3_600_000 + 60_000,
    ok: number % 10 !== 0,
    ...(number % 5 === 0 ? { case: 'IR-2026-17', note: 'Beacons 100% of the time' } : {}),
  });
});

// A dashboard that shows `records`, opened at `path`.
async function open(stage, { records = SIXTY, path = '', ...how } = {}) {
  const service = await DumpService.start(records);
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  await eventually(async () => {
    const { total } = await dashboard.get('/api/memory-dumps/records?limit=1');
    assert.equal(total, records.length);
  });
  const page = await stage.open(dashboard, { path: `/memory-dumps${path}`, withGuests: false, ...how });
  await eventually(async () => assert.equal(await page.connection.innerText(), 'Live'));
  return { page, service, dashboard };
}

const doms = (records) => records.map(({ dom }) => dom);
const newestFirst = [...SIXTY].reverse();

scenario('a search finds names, ids, hashes, cases and notes from the first character', async (stage) => {
  const { page } = await open(stage);
  await page.hasRecords(COUNT);
  const wanted = SIXTY[16];
  for (const [text, count] of [
    ['w', 20],
    ['WEB-1', SIXTY.filter(({ dom }) => dom.startsWith('web-1')).length],
    ['60', SIXTY.filter(({ vmid, sha256 }) => vmid.includes('60') || sha256.includes('60')).length],
    [wanted.sha256.slice(0, 6), SIXTY.filter(({ sha256 }) => sha256.includes(wanted.sha256.slice(0, 6))).length],
    ['ir-2026', 12],
    ['100%', 12],
  ]) {
    await page.search.fill(text);
    await page.hasRecords(count);
    await eventually(async () => assert.equal(page.parameters.search, text));
  }
  await page.search.fill('_');
  await page.page.getByText('No dumps match these filters').waitFor();
  await page.page.getByRole('button', { name: 'Clear the filters' }).click();
  await page.hasRecords(COUNT);
  assert.equal(await page.search.inputValue(), '');
  assert.deepEqual(page.parameters, {});
});

scenario('what is typed is one step back, and reload and back keep the view', async (stage) => {
  const { page } = await open(stage);
  await page.hasRecords(COUNT);
  await page.sortBy('VM name');
  await page.search.pressSequentially('mail-1', { delay: 60 });
  await page.hasRecords(SIXTY.filter(({ dom }) => dom.startsWith('mail-1')).length);
  assert.deepEqual(page.parameters, { search: 'mail-1', sort: 'dom' });
  assert.ok(await hasFocus(page.search), 'typing goes on');

  const names = await page.names();
  await page.page.reload();
  await eventually(async () => assert.deepEqual(await page.names(), names));
  assert.equal(await page.search.inputValue(), 'mail-1');
  assert.equal(await page.heading('VM name').getAttribute('aria-sort'), 'ascending');

  await page.page.goBack();
  await page.hasRecords(COUNT);
  await eventually(async () => assert.equal(await page.search.inputValue(), ''));
  assert.equal(await page.heading('Timestamp').getAttribute('aria-sort'), 'descending');
  await page.page.goForward();
  await eventually(async () => assert.deepEqual(await page.names(), names));
  assert.equal(await page.search.inputValue(), 'mail-1');
});

scenario('a link with the days the wrong way round says so and offers two ways out', async (stage) => {
  const { page } = await open(stage, { path: '?from=2026-11-26&to=2026-11-25' });
  await page.page.getByText('The last day is before the first').first().waitFor();
  assert.equal(await page.page.getByText('Loading the records').count(), 0);
  assert.equal(await page.page.getByRole('link', { name: 'Export CSV' }).getAttribute('href'), null);
  await page.page.getByRole('button', { name: 'Swap the days' }).click();
  await page.page.getByText('No dumps match these filters').waitFor();
  assert.deepEqual(page.parameters, { from: '2026-11-25', to: '2026-11-26' });

  await page.page.goBack();
  await page.page.getByRole('button', { name: 'Clear the filters' }).click();
  await page.hasRecords(COUNT);
  assert.deepEqual(page.parameters, {});
});

scenario('values of the address that mean nothing are named, left out, and go when they are told to', async (stage) => {
  const nonsense = { sort: 'weight', rows: '7', state: 'lost', page: 'x', from: '2025-02-30', mode: 'molten' };
  const { page } = await open(stage, { path: `?${new URLSearchParams({ ...nonsense, search: 'web' })}` });
  await page.hasRecords(20);
  const note = page.page.getByRole('status').filter({ hasText: 'They are ignored' });
  const told = await note.innerText();
  for (const part of Object.keys(nonsense)) assert.ok(told.includes(`“${part}”`), told);
  await note.getByRole('button', { name: 'Remove from the address' }).click();
  await note.waitFor({ state: 'hidden' });
  assert.deepEqual(page.parameters, { search: 'web' });
});

scenario('a page beyond the end says so and leads back', async (stage) => {
  const { page } = await open(stage, { path: '?page=99&rows=10' });
  await page.page.getByText('This page is past the end of the table').waitFor();
  await page.page.getByRole('link', { name: 'Go to page 6' }).click();
  await page.hasRecords(COUNT);
  await eventually(async () => assert.equal(await page.rows.count(), 10));
});

scenario('a text that cannot be searched for is told to be one', async (stage) => {
  const { page } = await open(stage);
  await page.search.fill('x'.repeat(201));
  await page.page.getByText('use at most 200 characters').waitFor();
  await page.search.fill('web');
  await page.hasRecords(20);
  assert.equal(await page.page.getByText('use at most 200 characters').count(), 0);
});

// The columns, what they are sorted by, and the order of the first press.
const SORTED_BY = [
  ['VM ID', ({ vmid }) => Number(vmid), 'ascending'],
  ['VM name', ({ dom }) => dom, 'ascending'],
  ['Duration', ({ duration_sec: seconds }) => seconds, 'descending'],
  ['SHA-256', ({ sha256 }) => sha256, 'ascending'],
  ['Dump path', ({ dump_path: path }) => path, 'ascending'],
  ['Size (compressed)', ({ gzip_size_bytes: bytes }) => bytes, 'descending'],
  ['Timestamp', ({ timestamp }) => timestamp, 'descending'],
];

scenario('every column sorts, one way and the other; equals are newest first', async (stage) => {
  const { page } = await open(stage, { path: '?rows=100' });
  await page.hasRecords(COUNT);
  assert.deepEqual(await page.names(), doms(newestFirst));
  for (const [name, key, first] of SORTED_BY) {
    for (const order of [first, first === 'ascending' ? 'descending' : 'ascending']) {
      await page.sortBy(name);
      await eventually(async () => assert.equal(await page.heading(name).getAttribute('aria-sort'), order));
      const sign = order === 'ascending' ? 1 : -1;
      // Sorting is stable.
      const sorted = [...newestFirst].sort((a, b) => sign * ((key(a) > key(b)) - (key(a) < key(b))));
      await eventually(async () => assert.deepEqual(await page.names(), doms(sorted), `${name} ${order}`));
      assert.equal(await page.table.locator('th[aria-sort]').count(), 1, 'the table has one order');
    }
  }
});

scenario('the size that is shown is compressed or raw, and sorts as such', async (stage) => {
  const { page } = await open(stage);
  await page.hasRecords(COUNT);
  await page.sortBy('Size (compressed)');
  await page.page.getByRole('switch', { name: /^Raw size/ }).click();
  await page.heading('Size (raw)').waitFor();
  assert.deepEqual(page.parameters, { sort: 'raw_size_bytes', size: 'raw' });
  const largest = [...SIXTY].sort((a, b) => b.raw_size_bytes - a.raw_size_bytes)[0];
  await eventually(async () => assert.equal((await page.names())[0], largest.dom));
  const size = await page.rows.first().locator('.record-size').innerText();
  assert.equal(size, `${(largest.raw_size_bytes / 2 ** 20).toFixed(0)} MiB`);
});

scenario('pages of every size tell all records once', async (stage) => {
  const { page } = await open(stage);
  await page.hasRecords(COUNT);
  const next = page.pages.getByRole('button', { name: 'Next' });
  const previous = page.pages.getByRole('button', { name: 'Previous' });
  assert.equal(await page.rows.count(), 25);
  assert.ok(await previous.isDisabled());

  await next.click();
  await page.pages.getByText('Page 2 of 3').waitFor();
  await eventually(async () => assert.deepEqual(await page.names(), doms(newestFirst.slice(25, 50))));
  assert.ok(await hasFocus(next), 'the focus stays for the next press');
  assert.deepEqual(page.parameters, { page: '2' });

  // The row on top stays on the page.
  await page.page.getByLabel('Rows per page').selectOption('10');
  await page.pages.getByText('Page 3 of 6').waitFor();
  await eventually(async () => assert.deepEqual(await page.names(), doms(newestFirst.slice(20, 30))));
  await page.page.goBack();
  await page.pages.getByText('Page 2 of 3').waitFor();
  await page.page.goBack();
  await page.pages.getByText('Page 1 of 3').waitFor();

  await page.page.goto(page.page.url().replace(/\?.*|$/, '?rows=10'));
  const told = [];
  for (let number = 1; number <= 6; number += 1) {
    await page.pages.getByText(`Page ${number} of 6`).waitFor();
    const expected = doms(newestFirst.slice(told.length, told.length + 10));
    await eventually(async () => assert.deepEqual(await page.names(), expected));
    told.push(...expected);
    if (number < 6) await next.click();
  }
  assert.ok(await next.isDisabled());
  assert.equal(told.length, COUNT);

  await page.page.goto(page.page.url().replace(/page=6/, 'page=99'));
  await page.page.getByRole('link', { name: 'Go to page 6' }).click();
  await page.pages.getByText('Page 6 of 6').waitFor();
});

scenario('records are filtered by days, state, host and mode, and all filters are reset at once', async (stage) => {
  const { page } = await open(stage);
  await page.hasRecords(COUNT);
  const label = (name) => page.page.getByLabel(name, { exact: true });
  await label('From').fill('2025-11-03');
  await page.hasRecords(56);
  await label('To').fill('2025-11-10');
  await page.hasRecords(16);
  await label('Host').selectOption('hv2');
  await page.hasRecords(8);
  await label('Mode').selectOption('live');
  const days = SIXTY.slice(4, 20).filter(({ host, mode }) => host === 'hv2' && mode === 'live');
  await page.hasRecords(days.length);
  await label('State').selectOption('failed');
  await page.hasRecords(days.filter(({ ok }) => !ok).length);
  await page.rows.first().getByText('Failed').waitFor();
  assert.deepEqual(page.parameters, {
    from: '2025-11-03', to: '2025-11-10', state: 'failed', host: 'hv2', mode: 'live',
  });
  await page.page.reload();
  await page.hasRecords(days.filter(({ ok }) => !ok).length);
  assert.equal(await label('To').inputValue(), '2025-11-10');
  assert.equal(await label('Host').inputValue(), 'hv2');

  await page.page.getByRole('button', { name: 'Reset filters' }).click();
  await page.hasRecords(COUNT);
  assert.deepEqual(page.parameters, {});
  assert.equal(await label('From').inputValue(), '');

  await page.page.goto(page.page.url().replace(/$/, '?from=2025-11-10&to=2025-11-03'));
  await page.page.getByText('The last day is before the first.').waitFor();
});

scenario('the export has every record that matches, and only these', async (stage) => {
  const { page } = await open(stage, { path: '?search=web&rows=10' });
  await page.hasRecords(20);
  const [download] = await Promise.all([
    page.page.waitForEvent('download'),
    page.page.getByRole('link', { name: 'Export CSV' }).click(),
  ]);
  assert.match(download.suggestedFilename(), /^memory-dumps-\d{8}T\d{6}Z\.csv$/);
  const lines = (await readFile(await download.path(), 'utf8')).split('\r\n');
  assert.equal(
    lines[0].split(',').slice(0, 10).join(','),
    'VM ID,VM Name,Timestamp,Duration (s),SHA256 Hash,Dump Path,Size (Bytes),File CTime,File MTime,File ATime',
  );
  const matching = newestFirst.filter(({ dom }) => dom.startsWith('web'));
  assert.deepEqual(lines.slice(1, -1).map((line) => line.split(',')[4]), matching.map(({ sha256 }) => sha256));
  assert.equal(lines.at(-1), '', 'the last line is ended too');
  assert.ok(await page.rows.count() > 0, 'the page is still there');
});

scenario('hash and path are copied whole', async (stage) => {
  const { page } = await open(stage);
  const { dom, sha256, dump_path: path } = newestFirst[0];
  await page.hasRecords(COUNT);
  const row = page.rows.first();
  assert.ok(!(await row.innerText()).includes(sha256), 'the hash is shortened');
  assert.equal(await row.locator('.record-path code').getAttribute('title'), path);
  for (const [name, whole] of [[`Copy SHA-256 of ${dom}`, sha256], [`Copy path of ${dom}`, path]]) {
    const button = row.getByRole('button', { name });
    await button.click();
    await button.getByText('Copied', { exact: true }).waitFor();
    assert.equal(await page.tab.clipboardText(), whole);
  }
});

const NEXT = record(COUNT + 1, { dom: 'new-01', at: FIRST_DAY + 40 * DAY_MS });

scenario('a dump that ends elsewhere comes on top by itself', async (stage) => {
  const { page, service } = await open(stage);
  await page.hasRecords(COUNT);
  await page.page.getByText('on every change', { exact: true }).waitFor();
  service.finish(NEXT);
  await page.rowsOf('new-01').waitFor();
  assert.equal((await page.names())[0], 'new-01');
  assert.equal(await page.rows.count(), 25);
  await page.hasRecords(COUNT + 1);
});

scenario('new dumps do not move the rows under the pointer', async (stage) => {
  const { page, service } = await open(stage);
  await page.hasRecords(COUNT);
  const third = page.rows.nth(2);
  await third.hover();
  const before = await third.boundingBox();
  service.finish(NEXT);
  await page.page.getByRole('button', { name: '1 new dump – show' }).waitFor();
  assert.deepEqual(await third.boundingBox(), before, 'the row stays where it is');
  service.finish(record(COUNT + 2, { dom: 'new-02', at: FIRST_DAY + 41 * DAY_MS }));
  await page.page.getByRole('button', { name: '2 new dumps – show' }).click();
  await eventually(async () => assert.deepEqual((await page.names()).slice(0, 2), ['new-02', 'new-01']));
  assert.equal(await page.news.count(), 0);
  await page.hasRecords(COUNT + 2);
});

scenario('on other pages, in other filters and without auto-refresh nothing moves', async (stage) => {
  const { page, service } = await open(stage, { path: '?page=2' });
  await page.pages.getByText('Page 2 of 3').waitFor();
  const names = await page.names();
  service.finish(NEXT);
  await page.news.waitFor();
  assert.deepEqual(await page.names(), names);
  await page.news.click();
  await page.pages.getByText('Page 1 of 3').waitFor();
  await eventually(async () => assert.equal((await page.names())[0], 'new-01'));

  await page.search.fill('web');
  await page.hasRecords(20);
  await page.page.getByRole('switch', { name: /^Auto-refresh/ }).click();
  assert.equal(page.parameters.refresh, 'off');
  await page.page.getByText('off', { exact: true }).waitFor();
  service.finish(record(COUNT + 2, { dom: 'db-99', at: FIRST_DAY + 41 * DAY_MS }));
  service.finish(record(COUNT + 3, { dom: 'web-99', at: FIRST_DAY + 42 * DAY_MS }));
  await page.page.getByRole('button', { name: '1 new dump – show' }).waitFor();
  assert.equal(await page.rowsOf('web-99').count(), 0);
  await page.page.getByRole('switch', { name: /^Auto-refresh/ }).click();
  await page.rowsOf('web-99').waitFor();
  assert.equal(await page.news.count(), 0);
});

scenario('where live events do not come through, the page asks every few seconds', async (stage) => {
  const { dashboard, service } = await open(stage);
  const proxy = await ProxyWithoutEvents.start(dashboard.url);
  stage.defer(() => proxy.stop());
  const page = await stage.open(proxy, { withGuests: false });
  page.tab.expectComplaints(...EVENTS_AWAY);
  await page.hasRecords(COUNT);
  await page.page.getByText('every 5 s', { exact: true }).waitFor();
  service.finish(NEXT);
  await page.rowsOf('new-01').waitFor();
  assert.equal((await page.names())[0], 'new-01');
});

scenario('while the server is away the rows stay and the table says what failed, until it is back', async (stage) => {
  const { page, dashboard } = await open(stage);
  await page.hasRecords(COUNT);
  page.tab.expectComplaints(...SERVER_AWAY);
  await dashboard.stop();
  await page.page.getByRole('button', { name: 'Refresh', exact: true }).click();
  const failure = page.alert('The records could not be loaded.');
  await failure.waitFor();
  assert.match(await failure.innerText(), /The server does not answer/);
  assert.equal(await page.rows.count(), 25);

  await failure.getByRole('button', { name: 'Retry' }).click();
  await failure.waitFor();
  assert.equal(await page.rows.count(), 25);

  await stage.startAgain(dashboard);
  await failure.waitFor({ state: 'hidden' });
  assert.equal(await page.rows.count(), 25);
  await page.tab.assertNotReloaded();
});

// As long as names get, and a catalog of many pages.
const LONG = Array.from({ length: 120 }, (_, index) =>
  record(index + 1, {
    dom: index % 2 ? `web-${index}` : `accounting-database-primary.example.internal-${index}`,
    at: FIRST_DAY + index * DAY_MS,
    vmid: String(1_000 + index),
    duration_sec: 1_234.56,
    ...(index % 3 ? {} : { case: 'IR-2026-17 a case number of some length, as people write them' }),
  }),
);

scenario('the table fits from 640 px up, and is cards below', async (stage) => {
  const { page } = await open(stage, { records: LONG, path: '?rows=10&page=11' });
  await page.hasRecords(LONG.length);
  const { pages } = page;
  for (const width of [1280, 1024, 800, 640, 600, 390, 360]) {
    await page.page.setViewportSize({ width, height: 900 });
    assert.deepEqual(await wideElements(page), [], `wider than it may be at ${width} px`);
    const labels = await cellLabels(page);
    assert.equal(labels.length, width < 640 ? 8 : 0, `labels at ${width} px: ${labels}`);
    const parts = [
      pages.getByRole('button', { name: 'Previous' }), pages.getByText(/^Page 11 of 12$/),
      pages.getByRole('button', { name: 'Next' }),
    ];
    assert.ok(await areOnOneLine(parts), `the pager wraps at ${width} px`);
    assert.equal(await page.page.getByLabel('Sort by').isVisible(), width < 640);
  }
  await page.page.setViewportSize({ width: 390, height: 900 });
  await page.page.getByLabel('Sort by').selectOption('dom asc');
  await eventually(async () => assert.match((await page.names())[0], /^accounting/));
  assert.equal(page.parameters.sort, 'dom');
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 800, 640, 390]) {
    scenario(`screens of the table in ${colorScheme} at ${width} px`, async (stage) => {
      const { page, service } = await open(stage, { colorScheme, width, path: '?rows=10' });
      await page.hasRecords(COUNT);
      const keep = (name) =>
        page.page.getByRole('region', { name: 'Recorded dumps' }).screenshot({
          path: join(process.env.SCREENS_DIR, `records-${name}-${colorScheme}-${width}.png`),
        });
      await keep('table');
      await page.rows.first().hover();
      service.finish(NEXT);
      await page.news.waitFor();
      await keep('news');
      await page.search.fill('nothing like it');
      await page.page.getByText('No dumps match these filters').waitFor();
      await keep('empty');
    });
  }
}
