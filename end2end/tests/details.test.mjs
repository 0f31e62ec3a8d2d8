// The details of a dump and what can be done with its image: verify, download, delete; what others do is seen at once.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, open as openFile, readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { standsStill, violations } from '../support/accessibility.mjs';
import { SERVICE_AWAY } from '../support/browser-tab.mjs';
import { DumpService, record } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { ARRANGEMENTS, scenario } from '../support/scenario.mjs';
import { pauseText } from '../support/written.mjs';

const answered = (status) => [new RegExp(`^response: ${status} `), new RegExp(`^console: .*\\b${status}\\b`)];
const GONE = answered(410);
const NOT_FOUND = answered(404);

// A dashboard with a finished dump of web-01, and its page.
async function withDump(stage, { arrangement = 'a dashboard that takes dumps itself', ...how } = {}) {
  const { dashboard, agent, images } = await ARRANGEMENTS[arrangement](stage);
  const dump = agent ? await triggered(agent) : await triggered(dashboard);
  const page = await stage.open(dashboard, how);
  await page.rowsOf('web-01').waitFor();
  return { page, dashboard, agent, images, dump };
}

// A dump of web-01 by a running service; its record when it has ended.
async function triggered(service) {
  const path = service.role === 'agent' ? '/api/dumps' : '/api/memory-dumps/trigger';
  const asked = await fetch(service.url + path, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"vms": ["web-01"]}',
  });
  assert.equal(asked.status, 200);
  return eventually(async () => {
    if (service.role === 'agent') {
      const { records } = await service.get('/api/records');
      assert.equal(records.length, 1);
      return records[0].record;
    }
    const records = await service.records();
    assert.equal(records.length, 1);
    return records[0];
  });
}

async function post(url, path) {
  const answer = await fetch(url + path, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}',
  });
  assert.equal(answer.status, 202, `POST ${path}`);
}

// Turns a byte in the middle of a file.
async function damage(path) {
  const file = await openFile(path, 'r+');
  const { size } = await file.stat();
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, size >> 1);
  byte[0] ^= 0xff;
  await file.write(byte, 0, 1, size >> 1);
  await file.close();
}

async function sha256(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

async function openDetails(page, guest = 'web-01') {
  await page.detailsLinkOf(guest).click();
  await page.details.waitFor();
}

for (const arrangement of Object.keys(ARRANGEMENTS)) {
  scenario(`everything that is known is shown, copied and downloaded, with ${arrangement}`, async (stage) => {
    const { page, dashboard, dump } = await withDump(stage, { arrangement });
    const manifest = await dashboard.get(`/api/memory-dumps/${dump.dump_id}/manifest`);
    const inspection = await dashboard.get(`/api/memory-dumps/${dump.dump_id}/inspect`);
    await openDetails(page);
    assert.equal(page.parameters.dump, dump.dump_id);
    const says = (group, text) => page.group(group).getByText(text).first().waitFor();
    await says('Guest', manifest.guest.uuid);
    await says('Guest', manifest.guest.os_banner);
    await says('Capture', manifest.host_kernel);
    await says('Capture', ` · ${manifest.hypervisor.qemu_version}`);
    await says('Pause', pauseText(dump.pause_ms));
    await says('File', dump.dump_path);
    for (const hash of [dump.sha256, manifest.file_sha256, manifest.frame_digests.root, manifest.page_map.file_blake3]) {
      await says('Hashes', hash);
    }
    const { pages } = manifest.page_map;
    await says('Page statistics', `${pages.total.toLocaleString('en')} pages of 4.00 KiB`);
    await says('Page statistics', pages.high_entropy.toLocaleString('en'));

    for (const [name, whole] of [
      ['Copy SHA-256 of the image of web-01', dump.sha256], ['Copy path of web-01', dump.dump_path],
    ]) {
      const button = page.details.getByRole('button', { name, exact: true });
      await button.click();
      await button.getByText('Copied', { exact: true }).waitFor();
      assert.equal(await page.tab.clipboardText(), whole);
    }

    const links = page.group('Download').getByRole('link');
    const hrefs = await links.evaluateAll((all) => all.map((link) => link.getAttribute('href')));
    // Relative to where the page is.
    const path = `api/memory-dumps/${dump.dump_id}`;
    const forms = ['elf', 'raw', 'lime', 'avml', 'stored'].map((form) => `${path}/image?format=${form}`);
    assert.deepEqual(hrefs, [...forms, `${path}/manifest`]);
    for (const { format, size_bytes: size } of inspection.exports) {
      const head = await fetch(`${dashboard.url}/${path}/image?format=${format}`, { method: 'HEAD' });
      assert.equal(head.status, 200);
      assert.equal(head.headers.get('content-length'), size === null ? null : String(size));
    }
    const download = async (name) => {
      const [file] = await Promise.all([
        page.page.waitForEvent('download'), page.group('Download').getByRole('link', { name }).click(),
      ]);
      return { name: file.suggestedFilename(), path: await file.path() };
    };
    const stored = await download(/^Stored file/);
    assert.ok(dump.dump_path.endsWith(stored.name), stored.name);
    assert.equal(await sha256(stored.path), manifest.file_sha256);
    const kept = await download(/^Manifest/);
    assert.equal(kept.name, `${dump.dump_id}.json`);
    assert.deepEqual(JSON.parse(await readFile(kept.path, 'utf8')), manifest);
  });

  scenario(`a verification tells its progress and its verdict, to others too, with ${arrangement}`, async (stage) => {
    const { page, dashboard, agent, dump } = await withDump(stage, { arrangement });
    const other = await stage.open(dashboard);
    const badge = (of) => of.rowsOf('web-01').locator('.record-verified');
    await openDetails(page);
    const verification = page.group('Verification');
    await verification.getByText('Not verified yet.').waitFor();
    await verification.getByRole('button', { name: 'Verify now' }).click();
    await verification.getByText('Intact', { exact: true }).waitFor();
    await badge(other).getByText('Intact', { exact: true }).waitFor();
    assert.equal(await other.page.getByRole('region', { name: 'Notifications' }).getByText('intact').count(), 0);

    // Somebody else finds it damaged, with the service that has it.
    await damage(dump.dump_path);
    await post((agent ?? dashboard).url, `/api/memory-dumps/${dump.dump_id}/verify`);
    await verification.getByText('Damaged', { exact: true }).waitFor();
    await verification.getByRole('listitem').first().waitFor();
    await badge(other).getByText('Damaged', { exact: true }).waitFor();
    await page.page.reload();
    await page.group('Verification').getByText('Damaged', { exact: true }).waitFor();
    await other.tab.assertNotReloaded();

    // From the row, and told where the operator is.
    await other.choose('web-01', 'Verify now');
    await other.alert('The image of web-01: damaged.').waitFor();
  });

  scenario(`a deletion is confirmed with the name, and everybody sees who did it, with ${arrangement}`, async (stage) => {
    const { page, dashboard, images, dump } = await withDump(stage, { arrangement });
    const other = await stage.open(dashboard);
    const watcher = await stage.open(dashboard, { path: `/memory-dumps?dump=${dump.dump_id}` });
    await watcher.group('Hashes').getByText(dump.sha256).waitFor();
    await page.choose('web-01', 'Delete the image…');
    await page.deletion.waitFor();
    const says = await page.deletion.innerText();
    for (const text of ['web-01', dump.sha256, 'removes the image from the disk for good', 'The manifest and the record remain', 'MiB on disk']) {
      assert.ok(says.includes(text), `${text} is not in: ${says}`);
    }
    assert.ok(await hasFocus(page.deletion.getByRole('button', { name: 'Keep it' })), 'the harmless button has the focus');
    const remove = page.deletion.getByRole('button', { name: 'Delete the image' });
    assert.ok(await remove.isDisabled());
    await page.deletion.getByLabel('Guest name').fill('web-0');
    await page.deletion.getByText('Type web-01 to confirm.').waitFor();
    assert.ok(await remove.isDisabled());
    await page.deletion.getByLabel('Guest name').fill('web-01');

    // Its directory cannot be trusted with a removal now: the refusal is told where it was asked.
    const directory = join(images.directory, 'dumps');
    page.tab.expectComplaints(...answered(500), ...answered(503));
    await chmod(directory, 0o777);
    await remove.click();
    await page.alert('The image was not deleted.').waitFor();
    assert.match(await page.deletion.innerText(), /not all of its files can be removed/);
    await chmod(directory, 0o700);
    await remove.click();
    await page.deletion.waitFor({ state: 'hidden' });
    const left = (await readdir(directory)).map((name) => name.slice(name.indexOf('.'))).sort();
    assert.deepEqual(left, ['.json', '.json.sig'], 'only the manifest stays, and its signature');

    for (const one of [page, other]) {
      const row = one.rowsOf('web-01');
      await row.locator('.record-deleted').waitFor();
      assert.equal(await one.menuButtonOf('web-01').count(), 0, 'there is nothing left to be done with it');
      assert.equal(await one.news.count(), 0, 'a deletion is no arrival');
      assert.equal(await one.rows.count(), 1);
    }
    await watcher.details.getByText('The image was deleted on the page').waitFor();
    assert.equal(await watcher.group('Download').count(), 0);
    assert.equal(await watcher.group('Verification').count(), 0);
    await watcher.group('Hashes').getByText(dump.sha256).waitFor();
    await watcher.tab.assertNotReloaded();
    const [kept] = await dashboard.records();
    // A dashboard in front of a service names itself, too.
    assert.deepEqual(kept.deleted_by.actor ?? kept.deleted_by, { kind: 'page' });
    watcher.tab.expectComplaints(...GONE);
    await watcher.page.reload();
    await watcher.details.getByText('The image was deleted on the page').waitFor();
  });
}

// Sixty dumps of a service that keeps no images.
const SIXTY = Array.from({ length: 60 }, (_, index) =>
  record(index + 1, { dom: `web-${String(index + 1).padStart(2, '0')}`, at: Date.UTC(2025, 10, 1, index) }));

async function withSixty(stage, path, how) {
  const service = await DumpService.start(SIXTY);
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  await eventually(async () => {
    const { total } = await dashboard.get('/api/memory-dumps/records?limit=1');
    assert.equal(total, SIXTY.length);
  });
  const page = await stage.open(dashboard, { path: `/memory-dumps${path}`, withGuests: false, ...how });
  page.tab.expectComplaints(...NOT_FOUND);
  await page.hasRecords(SIXTY.length);
  return { page, dashboard };
}

scenario('the details have an address: back closes them, forward and reload show them, the view stays', async (stage) => {
  const { page } = await withSixty(stage, '?search=web&sort=dom&page=2&rows=10');
  const view = { search: 'web', sort: 'dom', page: '2', rows: '10' };
  await page.detailsLinkOf('web-15').scrollIntoViewIfNeeded();
  const scrolled = await page.page.evaluate(() => window.scrollY);
  await openDetails(page, 'web-15');
  assert.deepEqual(page.parameters, { ...view, dump: 'dump-0015' });
  // It comes with the answer of the server.
  await page.details.getByRole('heading', { name: 'Dump of web-15' }).waitFor();
  await page.page.goBack();
  await page.details.waitFor({ state: 'hidden' });
  assert.deepEqual(page.parameters, view);
  await eventually(async () => assert.ok(await hasFocus(page.detailsLinkOf('web-15')), 'the focus is where it came from'));
  assert.equal(await page.page.evaluate(() => window.scrollY), scrolled, 'nothing has moved');
  await page.page.goForward();
  await page.details.waitFor();
  await page.page.reload();
  await page.details.waitFor();
  await page.details.getByRole('button', { name: 'Close' }).click();
  await page.details.waitFor({ state: 'hidden' });
  await eventually(async () => assert.deepEqual(page.parameters, view));
  await eventually(async () => assert.ok(await hasFocus(page.detailsLinkOf('web-15'))));
  assert.equal(await page.rows.count(), 10);
});

scenario('the details close in every way there is and give the focus back; nothing leads back into them', async (stage) => {
  const { page } = await withSixty(stage, '?rows=10');
  const link = page.detailsLinkOf('web-60');
  const ways = {
    Esc: () => page.page.keyboard.press('Escape'),
    'a press outside': () => page.page.mouse.click(5, 5),
    'the corner': () => page.details.getByRole('button', { name: 'Close' }).click(),
  };
  for (const [way, close] of Object.entries(ways)) {
    await openDetails(page, 'web-60');
    await close();
    await page.details.waitFor({ state: 'hidden' });
    await eventually(async () => assert.deepEqual(page.parameters, { rows: '10' }, way));
    assert.ok(await hasFocus(link), `the focus returns after ${way}`);
  }
  await page.page.goForward();
  await page.details.waitFor();
});

scenario('labels of a dump are text: encryption, fallback, case and note, failure', async (stage) => {
  const service = await DumpService.start([
    record(1, {
      dom: 'odd-01', at: Date.UTC(2025, 10, 1), ok: false, encrypted: true, mode: 'frozen',
      fallback: 'the guest is paused', case: 'IR-2026-17', note: '<b>Beacons</b> every minute',
    }),
  ]);
  stage.defer(() => service.stop());
  const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: service.url });
  const page = await stage.open(dashboard, { withGuests: false });
  page.tab.expectComplaints(...NOT_FOUND);
  await page.rowsOf('odd-01').or(page.rows.first()).first().waitFor();
  await page.rows.first().getByRole('link', { name: 'Details of odd-01' }).click();
  for (const text of [
    'The image is ciphertext: it cannot be analysed without the guest’s key.',
    'Frozen, because the guest is paused.',
    'The dump failed',
    'IR-2026-17',
    '<b>Beacons</b> every minute',
    // The service has no such calls.
    'The image is out of reach',
  ]) {
    await page.details.getByText(text).first().waitFor();
  }
  assert.equal(await page.group('Download').count(), 0);
});

scenario('an address of no dump says so', async (stage) => {
  const dashboard = await stage.start('serve');
  for (const id of ['0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11', '../../etc/passwd']) {
    const page = await stage.open(dashboard, { path: `/memory-dumps?dump=${encodeURIComponent(id)}`, withGuests: false });
    page.tab.expectComplaints(...NOT_FOUND);
    await page.details.getByText('No finished dump has this id').waitFor();
    await page.details.getByText(id, { exact: true }).waitFor();
    await page.page.keyboard.press('Escape');
    await page.details.waitFor({ state: 'hidden' });
    await eventually(async () => assert.deepEqual(page.parameters, {}));
  }
});

scenario('where somebody removed the file, the details say so and keep what is known', async (stage) => {
  const { page, dump } = await withDump(stage);
  await rm(dump.dump_path);
  page.tab.expectComplaints(...GONE);
  await openDetails(page);
  await page.details.getByText('The image file is gone').waitFor();
  await page.group('Hashes').getByText(dump.sha256).waitFor();
  await page.group('Page statistics').getByRole('table').waitFor();
  assert.equal(await page.group('Download').count(), 0);
  assert.ok(await page.group('Verification').getByRole('button', { name: 'Verify now' }).isDisabled());
  await page.page.keyboard.press('Escape');
  // From the row it is asked of the server, which says the same.
  await page.choose('web-01', 'Verify now');
  await page.alert('The image of web-01: not verified.').waitFor();
  await page.choose('web-01', 'Download ELF core');
  await page.alert('The image of web-01 cannot be downloaded.').waitFor();
  // Nothing about details that are not open; and an operator who wants what lies under them closes both.
  const toasts = page.page.locator('.toast').filter({ hasText: 'The image of web-01' });
  assert.equal(await toasts.count(), 2);
  assert.doesNotMatch((await toasts.allInnerTexts()).join(), /details below/);
  const dismiss = toasts.getByRole('button', { name: 'Dismiss this notification' });
  await dismiss.first().click();
  await dismiss.first().click();
  await eventually(async () => assert.equal(await toasts.count(), 0));

  // With the manifest gone too, the record is left.
  for (const name of await readdir(dirname(dump.dump_path))) await rm(join(dirname(dump.dump_path), name));
  await openDetails(page);
  await page.alert('The image file is gone').waitFor();
  await page.group('Hashes').getByText(dump.sha256).waitFor();
  assert.equal(await page.group('Page statistics').count(), 0);
});

scenario('while the dump service is away the details show the record, and the rest when it is back', async (stage) => {
  const { page, agent, dump } = await withDump(stage, { arrangement: 'a dashboard in front of a dump service' });
  page.tab.expectComplaints(...SERVICE_AWAY);
  await agent.stop();
  await page.alert('The dump service does not answer.').waitFor();
  await openDetails(page);
  const absent = page.details.getByRole('alert').filter({ hasText: 'The image cannot be reached now' });
  await absent.waitFor();
  assert.ok((await absent.innerText()).includes(agent.url), await absent.innerText());
  await page.group('Hashes').getByText(dump.sha256).waitFor();
  await page.group('Verification').getByRole('button', { name: 'Verify now' }).click();
  await page.group('Verification').getByText('The verification did not start.').waitFor();
  await stage.startAgain(agent);
  await page.group('Page statistics').getByRole('table').waitFor();
  assert.equal(await absent.count(), 0);
  await page.tab.assertNotReloaded();
});

scenario('details, menu, verification and deletion by the keyboard alone', async (stage) => {
  const { page } = await withDump(stage);
  const { keyboard } = page.page;
  const tabTo = async (target) => {
    for (let step = 0; step < 60; step += 1) {
      if (await hasFocus(target)) return;
      await keyboard.press('Tab');
    }
    assert.fail(`${target} is not reached by Tab`);
  };
  await tabTo(page.detailsLinkOf('web-01'));
  await keyboard.press('Enter');
  await page.group('Page statistics').waitFor();
  const isInside = () => page.page.evaluate(() => {
    const focused = document.activeElement;
    return focused === document.body || Boolean(focused.closest('dialog[open]'));
  });
  const verify = page.group('Verification').getByRole('button', { name: 'Verify now' });
  await tabTo(verify);
  await keyboard.press('Enter');
  await page.group('Verification').getByText('Intact', { exact: true }).waitFor();
  assert.ok(await hasFocus(verify), 'the focus stays on the button');
  for (let step = 0; step < 30; step += 1) {
    await keyboard.press('Tab');
    assert.ok(await isInside(), 'the focus stays in the dialog');
  }
  await keyboard.press('Escape');
  await page.details.waitFor({ state: 'hidden' });
  assert.ok(await hasFocus(page.detailsLinkOf('web-01')));

  await keyboard.press('Tab');
  assert.ok(await hasFocus(page.menuButtonOf('web-01')));
  await keyboard.press('Enter');
  await eventually(async () => assert.ok(await hasFocus(page.page.getByRole('menuitem', { name: 'Verify now' }))));
  await keyboard.press('ArrowUp');
  await keyboard.press('Enter');
  await page.deletion.waitFor();
  await tabTo(page.deletion.getByLabel('Guest name'));
  await keyboard.type('web-01');
  await tabTo(page.deletion.getByRole('button', { name: 'Delete the image' }));
  await keyboard.press('Enter');
  await page.deletion.waitFor({ state: 'hidden' });
  await page.rowsOf('web-01').locator('.record-deleted').waitFor();
  await eventually(async () => assert.ok(await hasFocus(page.detailsLinkOf('web-01')), 'the focus is in the row still'));
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    scenario(`every state of the details is accessible in ${colorScheme} at ${width} px`, async (stage) => {
      const { page, dump } = await withDump(stage, { colorScheme, width });
      page.tab.expectComplaints(...GONE);
      const check = async (name) => {
        await standsStill(page.page);
        assert.deepEqual(await wideElements(page), [], `${name} is wider than it may be`);
        await page.page.screenshot({
          path: join(process.env.SCREENS_DIR, `details-${name}-${colorScheme}-${width}.png`),
        });
        assert.deepEqual(await violations(page.page), [], name);
      };
      await page.menuButtonOf('web-01').scrollIntoViewIfNeeded();
      await page.menuButtonOf('web-01').click();
      await page.page.getByRole('menuitem', { name: 'Verify now' }).waitFor();
      await check('menu');
      await page.page.keyboard.press('Escape');

      await openDetails(page);
      await page.group('Page statistics').getByRole('table').waitFor();
      if (width === 390) {
        // It comes in from below.
        await eventually(async () => {
          const box = await page.details.boundingBox();
          const whole = { x: 0, y: 0, width: 390, height: 900 };
          for (const side of Object.keys(whole)) assert.ok(Math.abs(box[side] - whole[side]) < 0.5, `${side} of the screen`);
        });
      }
      await page.group('Verification').getByRole('button', { name: 'Verify now' }).click();
      await page.group('Verification').getByText('Intact', { exact: true }).waitFor();
      await check('whole');
      await page.group('Page statistics').scrollIntoViewIfNeeded();
      await check('end');

      await damage(dump.dump_path);
      await page.group('Verification').getByRole('button', { name: 'Verify now' }).click();
      await page.group('Verification').getByText('Damaged', { exact: true }).waitFor();
      await page.group('Verification').scrollIntoViewIfNeeded();
      await check('damaged');

      await page.details.getByRole('button', { name: 'Delete the image…' }).click();
      await page.deletion.waitFor();
      await check('question');
      await page.deletion.getByRole('button', { name: 'Keep it' }).click();
      await page.page.keyboard.press('Escape');
      await page.details.waitFor({ state: 'hidden' });

      await rm(dump.dump_path);
      await openDetails(page);
      await page.details.getByText('The image file is gone').waitFor();
      await check('gone');

      await page.details.getByRole('button', { name: 'Delete the image…' }).click();
      await page.deletion.getByLabel('Guest name').fill('web-01');
      await page.deletion.getByRole('button', { name: 'Delete the image' }).click();
      await page.details.getByText('The image was deleted').waitFor();
      await page.deletion.waitFor({ state: 'hidden' });
      await check('deleted');
      await page.page.keyboard.press('Escape');
      await page.details.waitFor({ state: 'hidden' });
      await page.rowsOf('web-01').scrollIntoViewIfNeeded();
      await check('deleted-row');
    });
  }
}
