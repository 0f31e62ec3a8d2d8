// Leaves a .br and a .gz beside every file of the built page that gets smaller by it, and measures in brotli what a browser
// has to load before the page works, all WASM and JavaScript but for what is loaded when it is first shown; and the whole site.
//
//   node compress-site.mjs DIRECTORY FIRST_LIMIT_BYTES WHOLE_LIMIT_BYTES
//
// Exit code 1 if either is more than its limit.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [directory, ...limits] = process.argv.slice(2);
const COMPRESSIBLE = /\.(css|js|json|svg|txt|wasm)$/;
const PROGRAM = /\.(js|wasm)$/;
// Loaded when a chart is first shown.
const LATER = /(^|\/)charts\.js$/;
// Below this the headers of the answer are most of it.
const WORTHWHILE_BYTES = 1024;

const FORMS = {
  br: (bytes) =>
    brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  gz: (bytes) => gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }),
};

const files = readdirSync(directory, { recursive: true }).map((name) => join(directory, name));
for (const stale of files.filter((file) => /\.(br|gz)$/.test(file))) rmSync(stale);

const loaded = { first: 0, whole: 0 };
for (const file of files.filter((name) => COMPRESSIBLE.test(name))) {
  const bytes = readFileSync(file);
  const sizes = {};
  for (const [suffix, compress] of Object.entries(FORMS)) {
    const compressed = compress(bytes);
    const smaller = bytes.length >= WORTHWHILE_BYTES && compressed.length < bytes.length;
    if (smaller) writeFileSync(`${file}.${suffix}`, compressed);
    sizes[suffix] = smaller ? compressed.length : bytes.length;
  }
  if (PROGRAM.test(file) && !LATER.test(file)) loaded.first += sizes.br;
  loaded.whole += sizes.br;
}

const kilobytes = (bytes) => (bytes / 1000).toFixed(0);
console.log(
  `the page: ${kilobytes(loaded.first)} kB of WASM and JavaScript before it works, at most ${kilobytes(limits[0])} kB; ` +
    `${kilobytes(loaded.whole)} kB in all, at most ${kilobytes(limits[1])} kB; in brotli`,
);
if (loaded.first > limits[0] || loaded.whole > limits[1]) process.exit(1);
