// Leaves a .br and a .gz beside every file of the built site that gets smaller by it, and measures in brotli what a browser has
// to load before a page works: the WASM and JavaScript of the frame and of the page, but for what is loaded when it is first
// shown. The largest page counts; and the whole site.
//
//   node compress-site.mjs DIRECTORY FIRST_LIMIT_BYTES WHOLE_LIMIT_BYTES
//
// Exit code 3 if either is more than its limit.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const [directory, ...limits] = process.argv.slice(2);
const COMPRESSIBLE = /\.(css|js|json|svg|txt|wasm)$/;
const PROGRAM = /\.(js|wasm)$/;
// Loaded when a chart is first shown.
const LATER = /(^|\/)charts\.js$/;
// Of some pages only.
const PART = /(^|\/)(split|chunk)_\w+-\w+\.wasm$/;
// Below this the headers of the answer are most of it.
const WORTHWHILE_BYTES = 1024;

const FORMS = {
  br: (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gz: (bytes) => promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
};

const files = readdirSync(directory, { recursive: true }).map((name) => join(directory, name));
for (const stale of files.filter((file) => /\.(br|gz)$/.test(file))) rmSync(stale);

const loaded = { frame: 0, whole: 0 };
const sizeOf = {};
async function compressed(file) {
  const bytes = readFileSync(file);
  const sizes = {};
  for (const [suffix, compress] of Object.entries(FORMS)) {
    const compressed = await compress(bytes);
    const smaller = bytes.length >= WORTHWHILE_BYTES && compressed.length < bytes.length;
    if (smaller) writeFileSync(`${file}.${suffix}`, compressed);
    sizes[suffix] = smaller ? compressed.length : bytes.length;
  }
  if (PROGRAM.test(file) && !LATER.test(file) && !PART.test(file)) loaded.frame += sizes.br;
  loaded.whole += sizes.br;
  sizeOf[basename(file)] = sizes.br;
}
// Node compresses on threads, as many at a time as it has.
await Promise.all(files.filter((name) => COMPRESSIBLE.test(name)).map(compressed));

// Which files a page needs is written in the script that loads them (place-parts.mjs).
const loader = files.find((file) => /(^|\/)parts-\w+\.js$/.test(file));
const [, parts, pages] = loader
  ? /^const files = (.*);\nconst pages = (.*);$/m.exec(readFileSync(loader, 'utf8')).map((json, group) => (group ? JSON.parse(json) : json))
  : [null, { all: [] }, { 'every page': 'all' }];
const weights = Object.entries(pages)
  .map(([page, part]) => [page, parts[part].reduce((sum, file) => sum + sizeOf[file], loaded.frame)])
  .sort(([, one], [, other]) => other - one);
const [[, heaviest]] = weights;

const kilobytes = (bytes) => (bytes / 1000).toFixed(0);
console.log(
  `the page: ${kilobytes(heaviest)} kB of WASM and JavaScript before it works, at most ${kilobytes(limits[0])} kB ` +
    `(frame ${kilobytes(loaded.frame)}; ${weights.map(([page, bytes]) => `${page} ${kilobytes(bytes)}`).join(', ')}); ` +
    `${kilobytes(loaded.whole)} kB in all, at most ${kilobytes(limits[1])} kB; in brotli`,
);
if (heaviest > limits[0] || loaded.whole > limits[1]) process.exit(3);
