// Two dumps of a real guest compared: from the map of all memory down to the bytes of one page.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

// A dashboard with so many dumps of web-01, and their ids, the first first.
async function withDumps(stage, count) {
  const dashboard = await stage.start('serve');
  for (let n = 0; n < count; n += 1) await dashboard.home.dump('web-01');
  const ids = await eventually(async () => {
    const records = await dashboard.records();
    assert.equal(records.length, count);
    return records.map((record) => record.dump_id).reverse();
  });
  return { dashboard, ids };
}

const at = (page) => Object.fromEntries(new URL(page.url()).searchParams);

scenario('from the details of a dump to the bytes that changed since the one before', async (stage) => {
  const { dashboard, ids } = await withDumps(stage, 2);
  const [before, after] = ids;
  const { page } = await stage.open(dashboard, { path: `/memory-dumps?dump=${after}` });
  await page.getByRole('link', { name: 'Compare with another dump' }).click();
  await page.getByRole('heading', { name: 'Compare', level: 1 }).waitFor();
  await eventually(async () => assert.equal(await page.getByLabel('Before', { exact: true }).inputValue(), before));
  assert.equal(await page.getByLabel('After', { exact: true }).inputValue(), after);
  await page.getByRole('button', { name: 'Compare', exact: true }).click();
  assert.deepEqual(at(page), { a: before, b: after });

  // The same figures as by REST.
  const told = await dashboard.get(`/api/memory-dumps/${before}/compare/${after}`);
  const figures = page.getByRole('region', { name: 'In figures' });
  await figures.getByText(`${told.pages.changed} pages have other content`).waitFor();
  assert.ok(told.pages.changed > 0, 'a running guest changes its memory');

  // Down to a page: the first cell of those with the most changes, until a cell is a page.
  const map = page.getByRole('region', { name: 'Map of memory' });
  const most = map.locator('.compare-most li').first().getByRole('button');
  await most.click();
  await map.getByRole('button', { name: 'Zoom in' }).click();
  await eventually(() => assert.ok(at(page).from && at(page).until));
  await map.getByText('A cell is 4.00 KiB').waitFor();
  await most.click();
  await map.getByText('1 page: ').waitFor();
  await map.getByRole('button', { name: 'Show its bytes' }).click();
  const bytes = page.getByRole('region', { name: 'Bytes of a page' });
  await bytes.locator('mark').first().waitFor();
  const address = at(page).page;
  const sent = await dashboard.get(`/api/memory-dumps/${before}/compare/${after}/pages/${address}`);
  const line = bytes.getByRole('row').nth(1);
  const offset = Number(BigInt(await line.getByRole('rowheader').innerText()) - BigInt(address));
  for (const [place, half] of [[0, sent.first], [1, sent.second]]) {
    const shown = (await line.getByRole('cell').nth(place).locator('.bytes-hex').innerText()).replace(/ /g, '');
    assert.equal(shown, half.slice(offset * 2, offset * 2 + 32));
  }

  // The address keeps all of it, and goes back step by step.
  await page.reload();
  await bytes.locator('mark').first().waitFor();
  await page.goBack();
  await bytes.waitFor({ state: 'detached' });
  await page.goBack();
  await eventually(() => assert.deepEqual(at(page), { a: before, b: after }));

  await page.getByRole('button', { name: 'Swap' }).click();
  await eventually(() => assert.deepEqual(at(page), { a: after, b: before }));
  // What was empty need not be what is empty the other way round: some of it may have been elsewhere before.
  const back = await dashboard.get(`/api/memory-dumps/${after}/compare/${before}`);
  await figures.getByText(`${back.pages.changed} pages have other content, ${back.pages.new} were empty`).waitFor();
});

scenario('the map is walked with the keyboard, and the page is for phones and both themes', async (stage) => {
  const { dashboard, ids } = await withDumps(stage, 2);
  const [before, after] = ids;
  const path = `/compare?a=${before}&b=${after}`;
  for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
    const { page, tab } = await stage.open(dashboard, { path, withGuests: false, colorScheme, width });
    const map = page.getByRole('application', { name: /^Map of memory/ });
    await page.getByText(/^A cell is /).waitFor();
    await map.focus();
    assert.ok(await hasFocus(map));
    await page.keyboard.press('ArrowRight');
    await page.locator('#compare-chosen').getByText(/^0x0, /).waitFor();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await eventually(() => assert.notEqual(at(page).from, '0x0'));
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(await mislabelledControls(page), []);
    assert.deepEqual(await wideElements(tab), []);
    if (width === 390) assert.deepEqual(await controlsTooSmall(page), []);
    await map.focus();
    await page.keyboard.press('Escape');
    await eventually(() => assert.equal(at(page).from, undefined));
  }
});

scenario('what came and went inside is read where it was not, and told as REST tells it', async (stage) => {
  const { dashboard, ids } = await withDumps(stage, 2);
  const [before, after] = ids;
  const { page, tab } = await stage.open(dashboard, { path: `/compare?a=${before}&b=${after}`, withGuests: false });
  const inside = page.getByRole('region', { name: 'What came and went inside' });
  await inside.getByText('The image of the first dump was not read yet.').waitFor();
  await inside.getByText('The image of the second dump was not read yet.').waitFor();
  await inside.getByRole('button', { name: 'Read the images' }).click();
  // The guest's kernel is too old for its modules, which is said; its processes are compared.
  await inside.getByRole('heading', { name: 'Modules: not compared' }).waitFor();
  await inside.getByText(/is older than 6\.4/).first().waitFor();
  const { changes } = await dashboard.get(`/api/memory-dumps/${before}/compare/${after}/inside`);
  const { came, went } = changes.processes;
  const title = inside.getByRole('heading', { name: `Processes: ${came.length} came, ${went.length} went` });
  assert.equal(await title.count(), came.length + went.length > 0 ? 1 : 0);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(await wideElements(tab), []);
});

scenario('where there is nothing to compare with, the page says so', async (stage) => {
  const { dashboard, ids } = await withDumps(stage, 1);
  const { page, tab } = await stage.open(dashboard, { path: '/compare', withGuests: false });
  await page.getByText('Only one image of ').waitFor();
  const compare = page.getByRole('button', { name: 'Compare', exact: true });
  assert.equal(await compare.getAttribute('aria-disabled'), 'true');
  tab.expectComplaints(/^response: 404 /, /^console: .*\b404\b/);
  await page.goto(`${dashboard.url}/compare?a=${ids[0]}&b=no-such-dump`);
  await page.getByRole('alert').getByText('The dumps could not be compared.').waitFor();
});
