// The pictures that documents show, and how they are kept.

import assert from 'node:assert/strict';
import { readFile, readdir, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { FILES } from '../screens/list.mjs';
import { launchBrowser } from '../support/browser-tab.mjs';
import { decode, decodeOwn, difference, encode } from '../support/picture.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SCREENS = `${ROOT}/docs/screens`;
const MOST_BYTES = 5_000_000;

test('docs/screens has the picture of every look of every screen, and little else', async () => {
  const files = await readdir(SCREENS);
  assert.deepEqual(files.sort(), FILES.map((name) => `${name}.png`).sort());
  const sizes = await Promise.all(files.map(async (file) => (await stat(`${SCREENS}/${file}`)).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total <= MOST_BYTES, `${total} bytes`);
});

test('every picture of the README is there and says what it shows', async () => {
  const readme = await readFile(`${ROOT}/README.md`, 'utf8');
  const inMarkdown = [...readme.matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)].map(([, alt, path]) => ({ alt, path }));
  const inHtml = [...readme.matchAll(/<img\b[^>]*>/g)].map(([tag]) => ({
    alt: /alt="([^"]*)"/.exec(tag)?.[1] ?? '',
    path: /src="([^"]*)"/.exec(tag)?.[1] ?? '',
  }));
  const pictures = [...inMarkdown, ...inHtml];
  assert.ok(pictures.length >= 2, 'the README shows the page');
  for (const { alt, path } of pictures) {
    assert.ok((await stat(`${ROOT}/${path}`)).isFile(), path);
    assert.ok(alt.length >= 20, `${path} says no more than "${alt}"`);
  }
});

test('a picture is smaller than the screenshot and looks the same', async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 200, height: 120 } });
    await page.setContent(`<body style="background: linear-gradient(120deg, #667eea, #764ba2); font: 40px sans-serif">memdeck`);
    const png = await page.screenshot();
    const shot = decode(png);
    const small = encode(shot);
    assert.ok(small.length < png.length, `${small.length} of ${png.length} bytes`);
    assert.equal(difference(shot, decodeOwn(small)), 0);
    // And one with another word is another.
    await page.setContent('<body style="background: #764ba2">');
    assert.ok(difference(shot, decode(await page.screenshot())) > 0.5);
  } finally {
    await browser.close();
  }
});

test('few colours are kept to the bit', () => {
  const pixels = Uint32Array.from({ length: 30 * 8 }, (_, index) => (index * 0x010309) & 0xffffff);
  const picture = { width: 30, height: 8, pixels };
  assert.deepEqual(decodeOwn(encode(picture)), picture);
});
