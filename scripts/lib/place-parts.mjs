// Brings the parts of a page that is split into Trunk's staging directory: made small by wasm-opt, named by their content, and
// known to the script that loads them. Trunk runs it after each build (Trunk.toml); of a page that is one file it changes nothing.
//
// The program's own files are named anew, too: Trunk names them by what the compiler linked, and these names are for ever.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const { TRUNK_STAGING_DIR: site, TRUNK_HTML_FILE: source } = process.env;
// Where scripts/page-bindgen leaves them.
const PARTS = 'target/parts';
const LOADER = '__wasm_split.js';
// The page at the root of the site; all others are called as their address.
const START = 'gauges';

const hash = (...contents) =>
  contents.reduce((sum, content) => sum.update(content), createHash('sha256')).digest('hex').slice(0, 16);

const only = (found, what) => {
  if (found.length !== 1) throw new Error(`${what}: ${found.length} found, 1 expected`);
  return found[0];
};

const files = readdirSync(site);
const glueName = only(files.filter((name) => /^memdeck-frontend-\w+\.js$/.test(name)), 'the script of the program');
const glue = readFileSync(join(site, glueName), 'utf8');
if (glue.includes(LOADER)) await place();

async function place() {
  const stem = glueName.replace(/\.js$/, '');
  const placed = new Map();
  const parts = readdirSync(PARTS).filter((name) => /^(split|chunk)_\w+\.wasm$/.test(name));
  const flags = /data-wasm-opt-params="([^"]*)"/.exec(readFileSync(source, 'utf8'))[1].split(' ');
  const left = parts.values();
  const make = async () => {
    for (const name of left) {
      const file = join(PARTS, name);
      await promisify(execFile)('wasm-opt', ['-Oz', ...flags, '-o', `${file}.small`, file]);
      const bytes = readFileSync(`${file}.small`);
      const named = name.replace('.wasm', `-${hash(bytes)}.wasm`);
      writeFileSync(join(site, named), bytes);
      placed.set(name, named);
    }
  };
  // Much of the work on one part is done by one thread.
  await Promise.all(Array.from({ length: availableParallelism() }, make));

  const generated = readFileSync(join(PARTS, LOADER), 'utf8');
  const loader =
    generated.replaceAll(/"\.\/((?:split|chunk)_\w+\.wasm)"/g, (_, name) => `"./${placed.get(name)}"`) +
    preloading(generated, placed);
  const loaderName = `parts-${hash(loader)}.js`;
  const program = `memdeck-frontend-${hash(readFileSync(join(site, `${stem}_bg.wasm`)), glue, loader)}`;
  writeFileSync(join(site, loaderName), loader.replaceAll('./memdeck-frontend.js', `./${program}.js`));

  // The program knows the script by its first name; only where it is loaded from is another.
  const imports = glue.replaceAll(/\bfrom\s*["']\.\/__wasm_split\.js["']/g, `from "./${loaderName}"`);
  if (imports === glue) throw new Error('the program imports no parts');
  const page = readFileSync(join(site, 'index.html'), 'utf8');
  const preload = only(page.match(/<link [^>]*rel="?modulepreload\b[^>]*>/g) ?? [], 'the preloading of the script');
  const both = `${preload}${preload.replace(`${stem}.js`, loaderName)}`;
  writeFileSync(join(site, 'index.html'), page.replace(preload, both).replaceAll(stem, program));
  writeFileSync(join(site, `${program}.js`), imports.replaceAll(stem, program));
  writeFileSync(join(site, `${program}_bg.wasm`), readFileSync(join(site, `${stem}_bg.wasm`)));
  for (const old of [glueName, `${stem}_bg.wasm`]) rmSync(join(site, old));
}

// A script that asks for the files of the page that is visited, while the program itself is still on its way.
function preloading(generated, placed) {
  const files = {};
  for (const [, parts, file] of generated.matchAll(/\/\* ([\w, ]+) \*\/[^/]*?"\.\/(chunk_\w+\.wasm)"/g)) {
    for (const part of parts.split(', ')) (files[part] ??= []).push(placed.get(file));
  }
  for (const [file, part] of generated.matchAll(/split_(\w+)\.wasm/g)) (files[part] ??= []).push(placed.get(file));
  const pages = {};
  for (const { name } of WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(join(PARTS, 'linked.wasm'))))) {
    const [, part, page] = /^__wasm_split_00(\w+)00_import_[0-9a-f]{32}_(\w+)$/.exec(name) ?? [];
    if (page) pages[page] = part;
  }
  const known = Object.values(files).flat();
  if (!pages[START] || Object.values(pages).some((part) => !files[part]) || [...placed.values()].some((file) => !known.includes(file))) {
    throw new Error(`${LOADER} does not tell which page needs which file`);
  }
  return `
const files = ${JSON.stringify(files)};
const pages = ${JSON.stringify(pages)};
const path = location.pathname.slice(new URL(document.baseURI).pathname.length);
for (const file of files[pages[path.replaceAll("-", "_") || "${START}"]] ?? []) {
  const href = new URL(file, import.meta.url).href;
  document.head.append(Object.assign(document.createElement("link"), { rel: "preload", as: "fetch", crossOrigin: "anonymous", href }));
}
`;
}
