// Waiting for what comes about by itself.

import { setTimeout as pause } from 'node:timers/promises';

// What takes longer than this on a busy machine with two cores does not happen.
export const PATIENCE_MS = 30_000;

const BETWEEN_LOOKS_MS = 50;

// Calls `assertion` until it no longer throws; what it gives then. After PATIENCE_MS its own error is the failure.
export async function eventually(assertion) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
    }
    await pause(BETWEEN_LOOKS_MS);
  }
}
