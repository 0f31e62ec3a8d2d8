// The clock of the world as one process sees it, moved by hand (Debian's libfaketime). What measures how long something takes,
// and the times of files, stay the machine's.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LIBRARY = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file));
const HOUR_MS = 3_600_000;

export class MovableClock {
  #directory;
  #ahead = 0;

  static async create() {
    assert.ok(LIBRARY, 'there is no libfaketime: run scripts/setup test.');
    const clock = new MovableClock();
    clock.#directory = await mkdtemp(join(tmpdir(), 'memdeck-clock-'));
    await clock.#set(0);
    return clock;
  }

  // Variables of a process that goes by this clock. It looks where the clock stands once a second.
  get variables() {
    return {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    };
  }

  now() {
    return Date.now() + this.#ahead * 1000;
  }

  // Forward to so many seconds after the next full hour.
  async toNextHour(seconds = 1) {
    const now = this.now();
    const then = (Math.floor(now / HOUR_MS) + 1) * HOUR_MS + seconds * 1000;
    await this.#set(this.#ahead + Math.ceil((then - now) / 1000));
  }

  get #file() {
    return join(this.#directory, 'ahead');
  }

  // Replaced at once, so that nobody reads half of it.
  async #set(seconds) {
    this.#ahead = seconds;
    await writeFile(`${this.#file}.new`, `+${seconds}\n`);
    await rename(`${this.#file}.new`, this.#file);
  }

  remove() {
    return rm(this.#directory, { recursive: true, force: true });
  }
}
