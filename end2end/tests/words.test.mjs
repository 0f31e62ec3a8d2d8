// What is told is told as it is, where it is looked for, and once.

import assert from 'node:assert/strict';

import { DumpService, record } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { scenario } from '../support/scenario.mjs';

const NOTE = 'first line\nsecond line\n\n  indented';

async function open(stage, ...records) {
  const service = await DumpService.start(records);
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  await eventually(async () => assert.equal((await dashboard.records()).length, records.length));
  const page = await stage.open(dashboard, { withGuests: false });
  await page.hasRecords(records.length);
  // The service keeps no images.
  page.tab.expectComplaints(/^response: 404 /, /^console: .*\b404\b/);
  return page;
}

const timesIn = (text, part) => text.split(part).length - 1;

scenario('line breaks of a note are shown, and the reason of a fallback stands once', async (stage) => {
  const page = await open(stage, record(1, {
    dom: 'web-01', at: Date.UTC(2025, 10, 1), mode: 'frozen', fallback: 'the guest is paused', note: NOTE,
  }));
  await page.detailsLinkOf('web-01').click();
  const note = page.details.locator('dt', { hasText: 'Note' }).locator('xpath=following-sibling::dd');
  await note.waitFor();
  assert.equal(await note.innerText(), NOTE);
  await page.details.getByText('The image is out of reach').waitFor();
  assert.equal(timesIn(await page.details.innerText(), 'the guest is paused'), 1);
});

scenario('white space around the name of a guest is seen', async (stage) => {
  const page = await open(
    stage,
    record(1, { dom: 'twin', at: Date.UTC(2025, 10, 1) }),
    record(2, { dom: 'twin ', at: Date.UTC(2025, 10, 2) }),
    record(3, { dom: 'two  blanks', at: Date.UTC(2025, 10, 3) }),
  );
  assert.deepEqual(await page.rows.locator('.record-name').allInnerTexts(), ['“two  blanks”', '“twin ”', 'twin']);
  await page.rows.nth(1).getByRole('link', { name: 'Details of “twin ”' }).click();
  assert.equal(await page.details.getByRole('heading', { level: 2 }).first().innerText(), 'Dump of “twin ”');
});

scenario('a hash that is not known is called unknown for everybody to see', async (stage) => {
  const page = await open(stage, record(1, { dom: 'web-01', at: Date.UTC(2025, 10, 1), sha256: null }));
  const word = page.rows.first().getByText('hash unknown');
  assert.equal(await word.innerText(), 'hash unknown');
  const { width, height } = await word.boundingBox();
  assert.ok(width > 40 && height > 10, `${width} × ${height}`);
});

scenario('the question before an image is deleted says each thing once', async (stage) => {
  const dashboard = await stage.start('serve');
  const { sha256 } = await dashboard.home.dump('web-01');
  const page = await stage.open(dashboard);
  await page.choose('web-01', 'Delete the image…');
  await page.deletion.waitFor();
  const says = await page.deletion.innerText();
  // In the heading, and where it says what to write.
  assert.equal(timesIn(says, 'web-01'), 2, says);
  for (const once of [sha256, 'removes the image from the disk', 'the record remain', 'to confirm']) {
    assert.equal(timesIn(says, once), 1, `${once} in: ${says}`);
  }
});
