// The sheets of style: what belongs to one page changes nothing of another.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

const STYLE = new URL('../../style/', import.meta.url).pathname;
// Names and operators' texts have their white space wherever they stand.
const OF_ALL_PAGES = ['names.css'];

// The first element that each selector of a sheet names, as `.card` of `.card > p`.
function subjects(sheet) {
  const rules = sheet.replace(/\/\*[^]*?\*\//g, '').matchAll(/([^{};]+)\{/g);
  return [...rules]
    .map(([, selectors]) => selectors.trim())
    .filter((selectors) => !selectors.startsWith('@'))
    .flatMap((selectors) => selectors.split(/,(?![^(]*\))/))
    .map((selector) => selector.trim().split(/[\s>+~]/)[0]);
}

const classes = (subject) => [...subject.matchAll(/\.([a-z][\w-]*)/g)].map(([, name]) => name);

async function sheets(folder) {
  const names = (await readdir(join(STYLE, folder))).filter((name) => name.endsWith('.css'));
  return Promise.all(names.map(async (name) => [name, await readFile(join(STYLE, folder, name), 'utf8')]));
}

test('a page gives no looks to a component outside its own parts', async () => {
  const ofComponents = new Set((await sheets('components')).flatMap(([, sheet]) => subjects(sheet).flatMap(classes)));
  assert.ok(ofComponents.has('check') && ofComponents.has('card'));
  const wrong = (await sheets('pages'))
    .filter(([name]) => !OF_ALL_PAGES.includes(name))
    .flatMap(([name, sheet]) => subjects(sheet).map((subject) => [name, subject]))
    .filter(([, subject]) => classes(subject).length > 0 && classes(subject).every((name) => ofComponents.has(name)));
  assert.deepEqual(wrong, []);
});
