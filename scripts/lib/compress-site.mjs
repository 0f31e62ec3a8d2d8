// Leaves a .br and a .gz beside every file of the built page that gets smaller by it, and measures what a browser has
// to load before the page works: all WASM and JavaScript, in brotli.
//
//   node compress-site.mjs DIRECTORY LIMIT_BYTES
//
// Exit code 1 if that is more than the limit.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [directory, limit] = process.argv.slice(2);
const COMPRESSIBLE = /\.(css|js|json|svg|txt|wasm)$/;
const PROGRAM = /\.(js|wasm)$/;
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

let program = 0;
for (const file of files.filter((name) => COMPRESSIBLE.test(name))) {
  const bytes = readFileSync(file);
  const sizes = {};
  for (const [suffix, compress] of Object.entries(FORMS)) {
    const compressed = compress(bytes);
    const smaller = bytes.length >= WORTHWHILE_BYTES && compressed.length < bytes.length;
    if (smaller) writeFileSync(`${file}.${suffix}`, compressed);
    sizes[suffix] = smaller ? compressed.length : bytes.length;
  }
  if (PROGRAM.test(file)) program += sizes.br;
}

const kilobytes = (bytes) => (bytes / 1000).toFixed(0);
console.log(`the page: ${kilobytes(program)} kB of WASM and JavaScript in brotli, at most ${kilobytes(limit)} kB`);
if (program > limit) process.exit(1);
