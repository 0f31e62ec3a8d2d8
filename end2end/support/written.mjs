// Values as the page writes them.

import assert from 'node:assert/strict';

// Memory; lab guests have 100 MiB or more.
export function memoryText(kib) {
  const mib = kib / 1024;
  assert.ok(mib >= 100, 'smaller guests are written with decimals');
  return mib < 999.5 ? `${mib.toFixed(0)} MiB` : `${(mib / 1024).toFixed(2)} GiB`;
}

// How long a guest was stopped; on a machine with much else to do that may be more than a second.
export function pauseText(ms) {
  assert.ok(ms < 60_000, 'longer ones are written in minutes');
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`;
}
