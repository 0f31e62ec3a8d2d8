// Child processes. A run that is interrupted leaves none behind.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

const running = new Set();
process.on('exit', () => running.forEach((child) => end(child, 'SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

// Starts a program. `isGroup`: it starts others that are to end with it. `ended` gives its exit code, or the signal that
// ended it.
export function start(program, args, { isGroup = false, ...options } = {}) {
  const child = spawn(program, args, { ...options, detached: isGroup });
  child.isGroup = isGroup;
  child.ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? signal);
    });
  });
  running.add(child);
  return child;
}

export function isRunning(child) {
  return running.has(child);
}

export function end(child, signal) {
  if (!child.isGroup) return child.kill(signal);
  try {
    return process.kill(-child.pid, signal);
  } catch {
    // All of them have ended.
    return false;
  }
}

// For a program that takes none by itself: it was free a moment ago.
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
