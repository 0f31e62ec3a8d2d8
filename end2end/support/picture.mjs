// Screenshots as small PNG files: pixels are indexes into a palette, which a page of flat colours and text needs little
// of. Where there are more colours, some get the one nearest to them, which no eye tells apart.

import { deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const MOST_COLOURS = 256;
const AS_THEY_ARE = 144;

// The pixels of a screenshot as Chromium writes it: eight bits of red, green, blue and perhaps alpha, not interlaced.
export function decode(png) {
  const parts = [...chunks(png)];
  const header = parts.find(({ type }) => type === 'IHDR').data;
  const [width, height, depth, kind, , , interlace] = [
    header.readUInt32BE(0), header.readUInt32BE(4), ...header.subarray(8),
  ];
  const channels = { 2: 3, 6: 4 }[kind];
  if (!channels || depth !== 8 || interlace !== 0) throw new Error(`a PNG of kind ${kind}, ${depth} bits is not expected`);
  const raw = inflateSync(Buffer.concat(parts.filter(({ type }) => type === 'IDAT').map(({ data }) => data)));
  const stride = width * channels;
  const lines = unfiltered(raw, { height, stride, channels });
  const pixels = new Uint32Array(width * height);
  for (let index = 0, at = 0; index < pixels.length; index += 1, at += channels) {
    pixels[index] = (lines[at] << 16) | (lines[at + 1] << 8) | lines[at + 2];
  }
  return { width, height, pixels };
}

// A PNG with a palette.
export function encode({ width, height, pixels }) {
  const { colours, indexOf } = palette(pixels);
  const lines = Buffer.alloc((width + 1) * height);
  for (let y = 0, from = 0, to = 0; y < height; y += 1) {
    to += 1; // No filter: indexes have no neighbours that would foretell them.
    for (let x = 0; x < width; x += 1) lines[to++] = indexOf.get(pixels[from++]);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const table = Buffer.from(colours.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', table),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

// What part of the pixels differs so much that it is seen; 1 where the sizes differ.
export function difference(a, b) {
  if (a.width !== b.width || a.height !== b.height) return 1;
  let differing = 0;
  for (let index = 0; index < a.pixels.length; index += 1) {
    if (distance(a.pixels[index], b.pixels[index]) > 3 * 24 ** 2) differing += 1;
  }
  return differing / a.pixels.length;
}

// What `encode` wrote, as pixels again.
export function decodeOwn(png) {
  const parts = Object.fromEntries([...chunks(png)].map(({ type, data }) => [type, data]));
  if (!parts.PLTE) return decode(png);
  const [width, height] = [parts.IHDR.readUInt32BE(0), parts.IHDR.readUInt32BE(4)];
  const lines = inflateSync(parts.IDAT);
  const pixels = new Uint32Array(width * height);
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) pixels[at] = parts.PLTE.readUIntBE(3 * lines[y * (width + 1) + 1 + x], 3);
  }
  return { width, height, pixels };
}

// The most used colours as they are, for flat grounds and shadows; of the others those that lie so far apart that there is
// room for all, and every further one is near one of them.
function palette(pixels) {
  const counts = new Map();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const byUse = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || a - b);
  for (let apart = 0; ; apart += 2) {
    const colours = byUse.slice(0, AS_THEY_ARE);
    const indexOf = new Map(colours.map((colour, index) => [colour, index]));
    for (const colour of byUse.slice(AS_THEY_ARE)) {
      let [nearest, least] = [-1, apart * apart];
      colours.forEach((chosen, index) => {
        const far = distance(chosen, colour);
        if (far < least) [nearest, least] = [index, far];
      });
      if (nearest < 0 && colours.length === MOST_COLOURS) break;
      indexOf.set(colour, nearest < 0 ? colours.push(colour) - 1 : nearest);
    }
    if (indexOf.size === byUse.length) return { colours, indexOf };
  }
}

function distance(a, b) {
  const red = (a >> 16) - (b >> 16);
  const green = ((a >> 8) & 255) - ((b >> 8) & 255);
  const blue = (a & 255) - (b & 255);
  return red * red + green * green + blue * blue;
}

// Undoes the filter of each line, which its first byte names (PNG specification, section 9).
function unfiltered(raw, { height, stride, channels }) {
  const lines = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const left = x < channels ? 0 : lines[y * stride + x - channels];
      const above = y === 0 ? 0 : lines[(y - 1) * stride + x];
      const corner = x < channels || y === 0 ? 0 : lines[(y - 1) * stride + x - channels];
      lines[y * stride + x] = raw[y * (stride + 1) + 1 + x] + foretold(filter, left, above, corner);
    }
  }
  return lines;
}

function foretold(filter, left, above, corner) {
  switch (filter) {
    case 0: return 0;
    case 1: return left;
    case 2: return above;
    case 3: return (left + above) >> 1;
    default: return paeth(left, above, corner);
  }
}

function paeth(left, above, corner) {
  const estimate = left + above - corner;
  const toLeft = Math.abs(estimate - left);
  const toAbove = Math.abs(estimate - above);
  const toCorner = Math.abs(estimate - corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

function* chunks(png) {
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    yield { type: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) };
    at += length + 12;
  }
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
