// Processes of memdeck and what they leave on disk.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { end, isRunning, start } from './children.mjs';

const { MEMDECK, SITE_DIR } = process.env;

// State and dump directory of one memdeck.
export class Home {
  static async create() {
    return new Home(await mkdtemp(join(tmpdir(), 'memdeck-end2end-')));
  }

  constructor(directory) {
    this.directory = directory;
  }

  remove() {
    return rm(this.directory, { recursive: true, force: true });
  }

  // Starts the program on this home. Nothing of the surrounding configuration reaches it.
  spawn(args, variables = {}) {
    const { PATH, HOME } = process.env;
    const own = { STATE_DIR: join(this.directory, 'state'), DUMP_DIR: join(this.directory, 'dumps'), SITE_DIR };
    return start(MEMDECK, args, {
      cwd: this.directory,
      env: { PATH, HOME, ...own, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  // `memdeck dump VM`: waits for the end and gives the record.
  async dump(vm) {
    const child = this.spawn(['dump', vm, '--json']);
    const [said, complaint, code] = await Promise.all([text(child.stdout), text(child.stderr), child.ended]);
    assert.equal(code, 0, `memdeck dump ${vm}: ${said}${complaint}`);
    return JSON.parse(said).dumps[0].record;
  }

  // The SHA-256 of what `memdeck export FILE -o -` writes.
  async exportedSha256(file) {
    const child = this.spawn(['export', file, '-o', '-']);
    const hash = createHash('sha256');
    child.stdout.on('data', (chunk) => hash.update(chunk));
    const [complaint, code] = await Promise.all([text(child.stderr), child.ended]);
    assert.equal(code, 0, `memdeck export ${file}: ${complaint}`);
    return hash.digest('hex');
  }
}

// A running `memdeck serve` or `memdeck agent`.
export class Service {
  // Starts it and waits until it says that it is ready. Without a port it takes a free one. A test that is not about
  // signing in, and so names no token, needs none.
  static async start(home, role, variables = {}, port = 0) {
    const access = 'MEMDECK_TOKEN' in variables ? {} : { OPEN_ACCESS: 'loopback' };
    const child = home.spawn([role], { MEMDECK_BIND: `127.0.0.1:${port}`, ...access, ...variables });
    child.stdout.resume();
    const service = new Service(home, role, variables, child);
    service.url = await service.#ready();
    return service;
  }

  constructor(home, role, variables, child) {
    Object.assign(this, { home, role, variables, child, log: [] });
  }

  #ready() {
    return new Promise((resolve, reject) => {
      const lines = createInterface({ input: this.child.stderr });
      lines.on('line', (line) => {
        this.log.push(line);
        const url = /\bready\b.*\burl="([^"]+)"/.exec(line)?.[1];
        if (url) resolve(url);
      });
      const ended = (how) => reject(new Error(`memdeck ${this.role} ended (${how}):\n${this.log.join('\n')}`));
      this.child.ended.then(ended, ended);
    });
  }

  // Another process in the place of this one, which has ended: same home, same address.
  startAgain() {
    return Service.start(this.home, this.role, this.variables, new URL(this.url).port);
  }

  // SIGTERM: it must end by itself and without an error.
  async stop() {
    if (!isRunning(this.child)) return;
    end(this.child, 'SIGTERM');
    assert.equal(await this.child.ended, 0, `memdeck ${this.role} did not stop well:\n${this.log.join('\n')}`);
  }

  async get(path) {
    const answer = await fetch(this.url + path);
    assert.equal(answer.status, 200, `GET ${path}`);
    return answer.json();
  }

  // Records, newest first.
  async records() {
    return (await this.get('/api/memory-dumps/records')).records;
  }

  // Guests that run now: `name` and `memory_max` in KiB, among others.
  async runningGuests() {
    const { vms } = await this.get('/api/telemetry/live-vms');
    return vms.filter((guest) => guest.state === 'running');
  }
}

async function text(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
