// What a browser has to load before the page works, and what is seen until then.

import assert from 'node:assert/strict';
import { cp, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from '../support/scenario.mjs';

// As scripts/build has it for a page with /ui.
const LIMIT_BYTES = 455_000;

scenario('WASM and JavaScript come in brotli, in few bytes, and once', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page } = await stage.open(dashboard);
  const answers = [];
  page.on('response', (response) => answers.push(response));
  const program = await programFiles(page);
  assert.ok(program.length >= 2, 'WASM and the JavaScript that loads it');
  const total = program.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  assert.ok(total > 10_000 && total <= LIMIT_BYTES, `${total} bytes`);
  for (const { encodedBodySize, decodedBodySize, name } of program) {
    // What several parts use may be small.
    const most = decodedBodySize > 20_000 ? decodedBodySize / 2 : decodedBodySize;
    assert.ok(decodedBodySize < 1_024 || encodedBodySize < most, `${name} is not compressed`);
  }

  await page.reload();
  for (const { transferSize, name } of await programFiles(page)) assert.equal(transferSize, 0, `${name} came again`);
  const shell = answers.find((answer) => answer.url() === page.url());
  assert.equal(await shell.headerValue('cache-control'), 'no-store');
});

scenario('the page has its shape before the program is there', async (stage) => {
  // An installation whose program never arrives.
  const home = await stage.home();
  const site = join(home.directory, 'site');
  // The built page may be behind a link, and its own files must stay.
  await cp(await realpath(process.env.SITE_DIR), site, { recursive: true });
  for (const name of await readdir(site)) if (/\.wasm/.test(name)) await rm(join(site, name));
  const dashboard = await stage.start('serve', { SITE_DIR: site });
  const opened = await stage.open(dashboard, { withGuests: false });
  opened.tab.expectComplaints(/\.wasm$/, /^uncaught: .*(WebAssembly|failed to fetch Wasm)/, /^console: .*(wasm|WebAssembly)/);
  const { page } = opened;
  await page.getByRole('heading', { name: 'Memory Dumps', level: 1 }).waitFor();
  assert.equal(await page.locator('main[aria-busy=true]').count(), 1, 'the static shell');
  const { height } = await page.locator('.shell .panel-trigger').boundingBox();
  assert.ok(height > 100, 'the place of what will be there is kept');
  const background = await page.locator('.navbar').evaluate((bar) => getComputedStyle(bar).backgroundColor);
  assert.notEqual(background, 'rgba(0, 0, 0, 0)', 'the stylesheet is there');
});

scenario('the page asks for each thing once, when changes begin to arrive', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page } = await stage.open(dashboard);
  await page.getByText('No dumps yet').waitFor();
  const asked = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .map(({ name }) => new URL(name).pathname)
      .filter((path) => path.startsWith('/api/ui/')),
  );
  assert.deepEqual([...asked].sort(), [...new Set(asked)].sort());
  assert.ok(asked.length >= 5, `${asked}`);
});

function programFiles(page) {
  return page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .filter(({ name }) => /\.(js|wasm)$/.test(name))
      .map(({ name, transferSize, encodedBodySize, decodedBodySize }) =>
        ({ name, transferSize, encodedBodySize, decodedBodySize })),
  );
}
