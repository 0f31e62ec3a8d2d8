// What is inside of a real guest: read from the details of its dump, searched, and shown on phones and in both themes.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

// A dashboard with a dump of db-01, and its id.
async function withDump(stage) {
  const dashboard = await stage.start('serve');
  await dashboard.home.dump('db-01');
  const id = await eventually(async () => {
    const records = await dashboard.records();
    assert.equal(records.length, 1);
    return records[0].dump_id;
  });
  return { dashboard, id };
}

const at = (page) => Object.fromEntries(new URL(page.url()).searchParams);

// Has the image read, and waits until it is.
async function read(dashboard, id) {
  const asked = await fetch(`${dashboard.url}/api/memory-dumps/${id}/inside`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  assert.equal(asked.status, 202);
  return eventually(async () => {
    const reading = await dashboard.get(`/api/memory-dumps/${id}/inside`);
    assert.equal(reading.state, 'finished', JSON.stringify(reading.problem));
    return reading.inside;
  });
}

scenario('from the details of a dump to its processes, and to what its kernel does not give', async (stage) => {
  const { dashboard, id } = await withDump(stage);
  const { page } = await stage.open(dashboard, { path: `/memory-dumps?dump=${id}` });
  await page.getByRole('link', { name: 'What ran inside' }).click();
  await page.getByRole('heading', { name: 'Inside', level: 1 }).waitFor();
  assert.deepEqual(at(page), { dump: id });
  await page.getByText('This image was not read yet.').waitFor();
  await page.getByRole('button', { name: 'Read the image' }).click();
  await page.getByRole('heading', { name: 'System' }).waitFor();

  // The same as by REST.
  const { inside } = await dashboard.get(`/api/memory-dumps/${id}/inside`);
  await page.getByText(inside.system.kernel, { exact: true }).waitFor();
  const processes = page.getByRole('table', { name: 'Processes' });
  await eventually(async () => assert.equal(await processes.locator('tbody tr').count(), inside.processes.rows.length));
  await page.getByText(`${inside.processes.rows.length} rows.`).waitFor();

  // A search keeps what leads to what it finds, and is in the address.
  const child = inside.processes.rows.find(({ parent_pid: parent, kind }) => parent === 2 && kind === 'kernel');
  await page.getByLabel('Search the table').fill(`[${child.name}]`);
  await eventually(async () => {
    assert.equal(at(page).search, `[${child.name}]`);
    const shown = await processes.locator('tbody th').allInnerTexts();
    assert.ok(shown.some((text) => text.includes(child.name)) && shown.some((text) => text.includes('kthreadd')), shown.join());
    assert.ok(shown.length < inside.processes.rows.length);
  });
  await page.getByLabel('Search the table').fill('no such process');
  await page.getByRole('button', { name: 'Clear the search' }).click();
  await eventually(() => assert.equal(at(page).search, undefined));

  await page.getByRole('tab', { name: 'Open files' }).click();
  await page.getByRole('table', { name: 'Open files' }).waitFor();
  assert.equal(at(page).show, 'files');
  await page.getByRole('tab', { name: 'Modules' }).click();
  await page.getByText('The guest’s kernel is too old for this').waitFor();
  await page.getByText(inside.modules.missing.message).waitFor();
  await page.getByText(`memdeck export ${id} --output guest.elf`).waitFor();
  await page.reload();
  await page.getByRole('tab', { name: 'Modules', selected: true }).waitFor();
  await page.goBack();
  await page.getByRole('tab', { name: 'Open files', selected: true }).waitFor();
});

scenario('the page is walked with the keyboard, and is for phones and both themes', async (stage) => {
  const { dashboard, id } = await withDump(stage);
  await read(dashboard, id);
  for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
    const { page, tab } = await stage.open(dashboard, { path: `/inside?dump=${id}`, withGuests: false, colorScheme, width });
    await page.getByRole('table', { name: 'Processes' }).waitFor();
    const processes = page.getByRole('tab', { name: 'Processes' });
    await processes.focus();
    await page.keyboard.press('ArrowRight');
    assert.ok(await hasFocus(page.getByRole('tab', { name: 'Open files', selected: true })));
    await page.keyboard.press('End');
    await page.getByText('The guest’s kernel is too old for this').waitFor();
    await page.keyboard.press('Home');
    await page.getByRole('table', { name: 'Processes' }).waitFor();
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(await mislabelledControls(page), []);
    assert.deepEqual(await wideElements(tab), []);
    if (width === 390) assert.deepEqual(await controlsTooSmall(page), []);
  }
});

scenario('where nothing is chosen or there is no such image, the page says so', async (stage) => {
  const { dashboard, id } = await withDump(stage);
  const { page, tab } = await stage.open(dashboard, { path: '/inside', withGuests: false });
  await page.getByText('Its image is read once, within seconds.').waitFor();
  await page.getByLabel('Dump', { exact: true }).selectOption(id);
  await page.getByText('This image was not read yet.').waitFor();
  tab.expectComplaints(/^response: 404 /, /^console: .*\b404\b/);
  await page.goto(`${dashboard.url}/inside?dump=no-such-dump`);
  await page.getByRole('alert').getByText('What is inside could not be asked for.').waitFor();
});
