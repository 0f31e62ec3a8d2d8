// The audit: what was done stands on a page, can be found and kept, and whether somebody changed it is said in words.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

// Somebody starts and stops the collector, and asks for a dump of a guest that is not there.
async function done(dashboard) {
  const post = async (path, body) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(dashboard.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    assert.equal(answer.status, 200, `POST ${path}`);
  };
  await post('/api/telemetry/stop', {});
  await post('/api/telemetry/start', {});
  await post('/api/memory-dumps/trigger', { vms: ['no-such-guest'], requested_by: 'night shift' });
  await eventually(async () => {
    const { entries } = await dashboard.get('/api/audit?action=dump_ended');
    assert.equal(entries.length, 1);
  });
}

async function open(stage, how) {
  const dashboard = await stage.start('serve');
  await done(dashboard);
  const { page, tab } = await stage.open(dashboard, { path: '/audit', withGuests: false, ...how });
  await page.getByRole('row').filter({ hasText: 'memdeck started' }).waitFor();
  return { dashboard, page, tab };
}

const cells = async (row) => (await row.getByRole('cell').allInnerTexts()).map((text) => text.trim());

scenario('who did what stands in the table, newest first, and is found by who, guest, action and result', async (stage) => {
  const { page } = await open(stage);
  const rows = page.getByRole('table', { name: 'What was done, newest first' }).locator('tbody tr');
  const all = await rows.count();
  assert.ok(all >= 8, `${all} rows`);
  const numbers = (await rows.locator('td:first-child').allInnerTexts()).map(Number);
  assert.deepEqual(numbers, numbers.toSorted((a, b) => b - a));

  await page.getByLabel('Search by who or by address').fill('NIGHT');
  await eventually(async () => assert.equal(await rows.count(), 1));
  const [, , who, what, on, result] = await cells(rows.first());
  assert.match(who, /^night shift/);
  assert.deepEqual([what, result], ['Dump requested', 'Succeeded']);
  assert.match(on, /^dump of no-such-guest\s+[0-9a-f]{8}$/);
  assert.match(page.url(), /\/audit\?actor=NIGHT$/);

  await page.getByRole('button', { name: 'Reset filters' }).click();
  await page.getByLabel('What', { exact: true }).selectOption('Dump ended');
  await page.getByLabel('Result').selectOption('Failed');
  await eventually(async () => assert.equal(await rows.count(), 1));
  assert.match(page.url(), /action=dump_ended&result=failed/);
  await page.reload();
  await rows.first().waitFor();
  assert.equal((await cells(rows.first()))[3], 'Dump ended');

  await page.getByLabel('Search by VM').fill('another-guest');
  await page.getByText('Nothing matches the filters').waitFor();
  await page.getByRole('button', { name: 'Show everything' }).click();
  await eventually(async () => assert.ok((await rows.count()) >= all));
});

scenario('what is shown can be kept as CSV and as JSON lines', async (stage) => {
  const { page } = await open(stage);
  await page.getByLabel('What', { exact: true }).selectOption('Collector stopped');
  await eventually(async () => assert.match(page.url(), /action=collector_stopped/));
  for (const [name, lines] of [['CSV', 3], ['JSON lines', 2]]) {
    const link = page.getByRole('link', { name, exact: true });
    const text = await page.evaluate(async (href) => (await fetch(href)).text(), await link.getAttribute('href'));
    assert.equal(text.trimEnd().split('\n').length, lines, text);
    assert.match(text, /collector_stopped/);
  }
});

scenario('a check says in words that nothing was changed, and what was', async (stage) => {
  const { dashboard, page } = await open(stage);
  const check = page.getByRole('region', { name: 'Nothing changed afterwards?' });
  await check.getByRole('button', { name: 'Check the audit' }).click();
  await check.getByText(/^Intact/).waitFor();
  await check.getByText(/The audit is intact: \d+ rows, each as it was written/).waitFor();

  const script = `
import sqlite3, sys
catalog = sqlite3.connect(sys.argv[1], timeout=10)
catalog.execute("DROP TRIGGER audit_is_not_changed")
catalog.execute("UPDATE audit SET actor = '{\\"kind\\":\\"page\\"}' WHERE seq = 3")
catalog.commit()
`;
  execFileSync('python3', ['-c', script, join(dashboard.home.directory, 'state', 'catalog.db')]);
  await check.getByRole('button', { name: 'Check the audit' }).click();
  await check.getByText(/^Manipulated/).waitFor();
  await check.getByText('row 3 was changed').waitFor();
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`the audit fits a phone and can be read by everybody (${colorScheme})`, async (stage) => {
    const { page } = await open(stage, { colorScheme, width: 390, height: 844 });
    await page.getByRole('button', { name: 'Check the audit' }).click();
    await page.getByText(/The audit is intact/).waitFor();
    assert.deepEqual(await wideElements({ page }), []);
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(await mislabelledControls(page), []);
    assert.deepEqual(await controlsTooSmall(page), []);
  });
}
