// Takes the screens of docs/screens.
//
//   node end2end/screens/run.mjs DIRECTORY [NAME...]   all of them, or those named
//
// MEMDECK is the program, SITE_DIR the built page, CHROMIUM the browser; web-01 and db-01 of the lab must run. A file is
// written anew only if it has changed by more than what is different every time: times, hashes, durations.

import { readFile, writeFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { standsStill } from '../support/accessibility.mjs';
import { BrowserTab, launchBrowser } from '../support/browser-tab.mjs';
import { MemoryDumpsPage } from '../support/memory-dumps-page.mjs';
import { decode, decodeOwn, difference, encode } from '../support/picture.mjs';
import { FILES, LOOKS, SCREENS } from './list.mjs';
import { Worlds } from './worlds.mjs';

// The part of a picture that the figures of a table may take.
const CHANGED_FROM = 0.005;

const [directory, ...names] = process.argv.slice(2);
const unknown = names.filter((name) => !SCREENS.some((screen) => screen.name === name));
if (unknown.length > 0) {
  console.error(`there is no screen ${unknown.join(', ')}: there are ${SCREENS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

async function take(screen, { browser, worlds }) {
  const world = await worlds.get(screen.world);
  const pages = await Promise.all(screen.looks.map((look) => open(browser, world.dashboard.url + screen.path, look)));
  try {
    for (const page of pages) await screen.ready(page);
    await screen.begin?.(world, pages);
    for (const [index, look] of screen.looks.entries()) {
      const page = pages[index];
      await screen.show?.(page);
      // The bar at the top would lie across the middle.
      if (screen.whole) await page.page.evaluate(() => scrollTo(0, 0));
      // The pointer is nobody's.
      await page.page.mouse.move(0, 0);
      await standsStill(page.page);
      const what = screen.clip?.(page) ?? page.page;
      await keep(`${screen.name}-${look}`, await what.screenshot({ fullPage: screen.whole ?? false, caret: 'hide' }));
    }
  } finally {
    for (const { page } of pages) await page.context().close();
  }
}

async function open(browser, url, look) {
  const tab = await BrowserTab.open(browser, url, { ...LOOKS[look], timezoneId: 'UTC', reducedMotion: 'reduce' });
  return new MemoryDumpsPage(tab);
}

async function keep(name, png) {
  const path = join(directory, `${name}.png`);
  const picture = decode(png);
  const before = await readFile(path).then(decodeOwn, () => undefined);
  const changed = before ? difference(before, picture) : 1;
  if (changed < CHANGED_FROM) {
    console.log(`${name}: as before but for ${(100 * changed).toFixed(2)} %`);
    return;
  }
  const file = encode(picture);
  await writeFile(path, file);
  console.log(`${name}: ${picture.width} x ${picture.height}, ${(file.length / 1000).toFixed(0)} kB`);
}

const browser = await launchBrowser();
const worlds = new Worlds();
try {
  for (const screen of SCREENS) {
    if (names.length === 0 || names.includes(screen.name)) await take(screen, { browser, worlds });
  }
  // What no screen makes any more.
  for (const file of await readdir(directory)) {
    if (file.endsWith('.png') && !FILES.includes(file.slice(0, -4))) await rm(join(directory, file));
  }
} finally {
  await browser.close();
  await worlds.clear();
}
