// Lab guests beside web-01 and db-01, which run anyway.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const LAB = fileURLToPath(new URL('../../scripts/lab', import.meta.url));
const run = promisify(execFile);

// Starts a guest and waits until it has booted.
export async function startGuest(name, memoryMib) {
  await run(LAB, ['up', '--guest', `${name}:${memoryMib}:1`]);
}

export async function stopGuest(name) {
  await run(LAB, ['down', name]);
}

// A guest of this name may be left of a run that was killed.
export async function ensureNoGuest(name) {
  const { stdout } = await run(LAB, ['status']);
  if (stdout.split('\n').some((line) => line.startsWith(`${name} `))) await stopGuest(name);
}

// Memory as the page writes it; lab guests have 100 MiB or more.
export function memoryText(kib) {
  const mib = kib / 1024;
  assert.ok(mib >= 100, 'smaller guests are written with decimals');
  return mib < 999.5 ? `${mib.toFixed(0)} MiB` : `${(mib / 1024).toFixed(2)} GiB`;
}
