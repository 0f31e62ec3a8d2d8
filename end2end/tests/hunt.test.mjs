// Texts hunted in the memory of a real guest: asked for, followed, looked at, cancelled and removed.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

// Every Linux guest says its version.
const TEXT = 'Linux version';
const TOKEN = 'a token of some length';
const PASSWORD = 'correct horse battery';
const NOWHERE = 'no such text, anywhere';

// A dashboard with a dump of db-01, and its id.
async function withDump(stage, variables) {
  const dashboard = await stage.start('serve', variables);
  await dashboard.home.dump('db-01');
  const id = await eventually(async () => {
    const records = await dashboard.records();
    assert.equal(records.length, 1);
    return records[0].dump_id;
  });
  return { dashboard, id };
}

const at = (page) => Object.fromEntries(new URL(page.url()).searchParams);
const hunted = (dashboard, id) => dashboard.get(`/api/hunts/${id}`);

async function ask(dashboard, hunt) {
  const answer = await fetch(`${dashboard.url}/api/hunts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(hunt),
  });
  assert.equal(answer.status, 202);
  return (await answer.json()).id;
}

const ended = (dashboard, id) =>
  eventually(async () => {
    const hunt = await hunted(dashboard, id);
    assert.ok(hunt.ended_at, hunt.state);
    return hunt;
  });

scenario('from the details of a dump to where a text is in its memory', async (stage) => {
  const { dashboard, id: dump } = await withDump(stage);
  const { page } = await stage.open(dashboard, { path: `/memory-dumps?dump=${dump}` });
  await page.getByRole('link', { name: 'Hunt in its memory' }).click();
  await page.getByRole('heading', { name: 'Hunt', level: 1 }).waitFor();
  await eventually(async () => assert.equal(await page.getByLabel('Dump', { exact: true }).inputValue(), dump));
  const hunt = page.getByRole('button', { name: 'Hunt', exact: true });
  assert.equal(await hunt.getAttribute('aria-disabled'), 'true');
  await page.getByText('Write a pattern to look for.').waitFor();
  await page.getByLabel('Look for').fill(`# of every guest\n${TEXT}\n${NOWHERE}`);
  await page.getByText('2 patterns').waitFor();
  await page.getByLabel('Ends after hits').fill('60');
  await hunt.click();

  // It is followed to its end, and is the same as by REST.
  const title = page.getByRole('heading', { name: `Hunt for “${TEXT}”, “${NOWHERE}”` });
  await title.waitFor();
  await eventually(async () => assert.ok(await hasFocus(title)));
  const { hunt: id } = at(page);
  await page.getByRole('region', { name: /^Hunt for/ }).getByText('Completed').waitFor();
  const told = await hunted(dashboard, id);
  assert.deepEqual(told.requested_by, { kind: 'page' });
  assert.ok(told.hits > 0, 'a Linux guest says so');
  const { hits } = await dashboard.get(`/api/hunts/${id}/hits?limit=1000`);
  assert.equal(hits.length, told.hits);
  const rows = page.getByRole('table', { name: 'What was found', exact: true }).locator('tbody tr');
  await eventually(async () => assert.equal(await rows.count(), Math.min(50, hits.length)));
  const more = page.getByRole('button', { name: 'Show more hits' });
  if (hits.length > 50) await more.click();
  await eventually(async () => assert.equal(await rows.count(), hits.length));
  await more.waitFor({ state: 'detached' });
  for (const place of [0, hits.length - 1]) {
    const [row, hit] = [rows.nth(place), hits[place]];
    const bytes = async (part) => (await row.locator(part).innerText()).replace(/\s/g, '');
    assert.equal(await bytes('.hunt-hex'), hit.around);
    assert.equal(await bytes('.hunt-hex mark'), Buffer.from(TEXT).toString('hex'));
    assert.equal(await row.locator('.hunt-text mark').innerText(), TEXT);
    assert.equal((await row.getByRole('cell').nth(1).locator('code').innerText()), `0x${hit.address.toString(16)}`);
  }
  const patterns = page.getByRole('table', { name: 'How often each pattern was found' });
  assert.deepEqual(
    (await patterns.locator('tbody tr').allInnerTexts()).map((text) => text.split(/\s*\t\s*/)),
    [[TEXT, String(told.hits)], [NOWHERE, '0']],
  );
  const dumps = page.getByRole('table', { name: 'What was found in each dump' });
  assert.match(await dumps.locator('tbody tr').innerText(), /^db-01\s[\s\S]* [KMG]iB\s+\d+$/);
  const file = page.waitForEvent('download');
  await page.getByRole('link', { name: 'All hits as CSV' }).click();
  assert.equal(new URL((await file).url()).pathname, `/api/hunts/${id}/hits.csv`);

  // The address keeps it; the way back is at its row.
  await page.reload();
  await title.waitFor();
  await eventually(async () => assert.equal(await rows.count(), Math.min(50, hits.length)));
  await page.getByRole('link', { name: 'All hunts' }).click();
  const link = page.getByRole('table', { name: 'Hunts, newest first' }).getByRole('link', { name: `“${TEXT}”` });
  await link.waitFor();
  await eventually(async () => assert.ok(await hasFocus(link)));
  await link.click();
  await rows.first().getByRole('link').click();
  await page.getByRole('dialog', { name: 'Dump of db-01' }).waitFor();
});

scenario('a pattern that cannot be looked for is named by its line, and patterns come from a file', async (stage) => {
  const { dashboard } = await withDump(stage);
  const { page, tab } = await stage.open(dashboard, { path: '/hunt', withGuests: false });
  await page.getByText('No hunts yet').waitFor();
  const patterns = page.getByLabel('Look for');
  const hunt = page.getByRole('button', { name: 'Hunt', exact: true });
  const refused = page.getByRole('alert').filter({ hasText: 'The hunt was not queued.' });
  await patterns.fill('BusyBox\n\na(');
  await page.getByLabel('They are').selectOption('Regular expressions');
  tab.expectComplaints(/^response: 400 /, /^console: .*\b400\b/);
  await hunt.click();
  await refused.getByText("Line 3: 'a(' is no regular expression that can be used").waitFor();
  assert.equal(await page.getByRole('checkbox', { name: 'As UTF-16, too' }).count(), 0);
  await page.getByLabel('They are').selectOption('Bytes');
  await refused.waitFor({ state: 'detached' });
  assert.equal(await page.getByRole('checkbox', { name: 'In upper and lower case' }).count(), 0);

  const list = join(dashboard.home.directory, 'indicators.txt');
  await writeFile(list, `# bytes\r\n${Buffer.from(TEXT).toString('hex')}\r\nfeedfacecafe0123456789\r\n`);
  await page.locator('input[type=file]').setInputFiles(list);
  await page.getByText('2 patterns').waitFor();
  await page.getByLabel('In the images of').selectOption('Chosen VMs');
  await page.getByText('Choose a VM.').waitFor();
  await page.getByRole('checkbox', { name: 'db-01 (1)' }).check();
  await hunt.click();
  await page.getByRole('region', { name: /^Hunt for/ }).getByText('Completed').waitFor();
  const told = await hunted(dashboard, at(page).hunt);
  assert.equal(told.kind, 'bytes');
  assert.deepEqual(told.patterns.map(({ pattern, hits }) => [pattern, hits > 0]), [
    [Buffer.from(TEXT).toString('hex'), true],
    ['feedfacecafe0123456789', false],
  ]);

  // What is no list of patterns is not opened, and what is written stays.
  await page.goBack();
  const image = join(dashboard.home.directory, 'image.raw');
  await writeFile(image, Buffer.alloc(2_000_000, 0x41));
  await page.locator('input[type=file]').setInputFiles(image);
  await page.getByText('image.raw has 1.91 MiB: a list of patterns may have a million bytes.').waitFor();
  assert.match(await patterns.inputValue(), /feedfacecafe/);
});

scenario('a hunt is cancelled while it runs, and removed when that is confirmed', async (stage) => {
  const { dashboard, id: dump } = await withDump(stage);
  // It takes a while: each byte is looked at by sixty-four automata.
  const patterns = Array.from({ length: 64 }, (_, n) => `[a-z]${'[^\\x00]'.repeat(20)}${n}[A-Z]{9}`);
  const id = await ask(dashboard, { patterns, kind: 'regex', dump_ids: [dump] });
  const waits = await ask(dashboard, { patterns: [NOWHERE], dump_ids: [dump] });
  const { page, tab } = await stage.open(dashboard, { path: '/hunt', withGuests: false });
  const rows = page.getByRole('table', { name: 'Hunts, newest first' }).locator('tbody tr');
  const [second, first] = [rows.nth(0), rows.nth(1)];
  await second.getByText('Waiting').waitFor();
  await first.getByRole('progressbar').waitFor();
  await first.getByText(/ of 1 dump$/).waitFor();
  const button = first.getByRole('button', { name: /^Cancel the hunt for/ });
  await button.focus();
  await page.keyboard.press('Enter');
  await first.getByText('Cancelled').waitFor();
  assert.equal((await ended(dashboard, id)).reason.kind, 'cancelled');
  const remove = first.getByRole('button', { name: /^Remove… the hunt for/ });
  assert.ok(await hasFocus(remove), 'the button is where it was');

  // The other one has its turn, and the page follows it without a reload.
  await second.getByText('Completed').waitFor();
  assert.equal((await hunted(dashboard, waits)).hits, 0);
  await page.keyboard.press('Enter');
  const question = page.getByRole('dialog', { name: 'Remove the hunt?' });
  await eventually(async () => assert.ok(await hasFocus(question.getByRole('button', { name: 'Keep it' }))));
  await page.keyboard.press('Escape');
  await question.waitFor({ state: 'hidden' });
  assert.equal(await rows.count(), 2);
  await remove.click();
  await question.getByRole('button', { name: 'Remove the hunt' }).click();
  await eventually(async () => assert.equal(await rows.count(), 1));
  const { hunts } = await dashboard.get('/api/hunts');
  assert.deepEqual(hunts.map((hunt) => hunt.id), [waits]);
  tab.expectComplaints(/^response: 404 /, /^console: .*\b404\b/);
  await page.goto(`${dashboard.url}/hunt?hunt=${id}`);
  await page.getByRole('alert').getByText('The hunt could not be loaded.').waitFor();
});

scenario('the page is for the keyboard, for phones and for both themes', async (stage) => {
  const { dashboard, id: dump } = await withDump(stage);
  const id = await ask(dashboard, { patterns: [TEXT, NOWHERE], dump_ids: [dump], limit: 2 });
  assert.equal((await ended(dashboard, id)).hits, 2);
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      const { page, tab } = await stage.open(dashboard, { path: '/hunt', withGuests: false, colorScheme, width });
      const link = page.getByRole('link', { name: `“${TEXT}”` });
      await link.waitFor();
      const fits = async () => {
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(await mislabelledControls(page), []);
        assert.deepEqual(await wideElements(tab), []);
        if (width === 390) assert.deepEqual(await controlsTooSmall(page), []);
      };
      await page.getByLabel('In the images of').selectOption('Chosen VMs');
      await page.getByRole('checkbox', { name: 'db-01 (1)' }).waitFor();
      await fits();
      await link.focus();
      await page.keyboard.press('Enter');
      await page.locator('.hunt-text mark').first().waitFor();
      await page.getByText('It ended at its limit of hits: there may be more.').waitFor();
      await fits();
    }
  }
});

scenario('who may not read memory is told so', async (stage) => {
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
  const made = await fetch(`${dashboard.url}/api/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ name: 'vera', role: 'viewer', password: PASSWORD }),
  });
  assert.ok(made.ok, await made.text());
  const { page } = await stage.open(dashboard, { path: '/vms', withGuests: false });
  await page.getByLabel('Name').fill('vera');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'VMs', level: 1 }).waitFor();
  await page.getByRole('button', { name: 'Study' }).click();
  await page.getByRole('link', { name: 'Hunt' }).click();
  await page.getByText('You may not see this').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Hunt', exact: true }).count(), 0);
});
