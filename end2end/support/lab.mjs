// Lab guests beside web-01 and db-01, which run anyway.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { virsh } from './virsh.mjs';

const LAB = fileURLToPath(new URL('../../scripts/lab', import.meta.url));
const run = promisify(execFile);

// Starts a guest and waits until it has booted.
export async function startGuest(name, memoryMib) {
  await run(LAB, ['up', '--guest', `${name}:${memoryMib}:1`]);
}

export async function stopGuest(name) {
  await run(LAB, ['down', name]);
}

// Ends a guest and starts it again as it was: the same UUID, and counters that begin anew.
export async function restartGuest(name) {
  const directory = await mkdtemp(join(tmpdir(), 'memdeck-end2end-'));
  try {
    const description = join(directory, 'domain.xml');
    // As it may be moved to another host: without what only this run of it has.
    await writeFile(description, await virsh('dumpxml', '--migratable', name));
    await virsh('destroy', name);
    await virsh('create', description);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

// A guest of this name may be left of a run that was killed.
export async function ensureNoGuest(name) {
  const { stdout } = await run(LAB, ['status']);
  if (stdout.split('\n').some((line) => line.startsWith(`${name} `))) await stopGuest(name);
}
