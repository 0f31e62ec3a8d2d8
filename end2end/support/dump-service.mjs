// A dump service of somebody else, with records of its own: a dashboard in front of it shows them. It has what the
// protocol asks for and takes no dumps.

import { createServer } from 'node:http';

export class DumpService {
  // Starts on a free port of loopback. `others` are answers to calls that the protocol does not know, by their paths. Without
  // `records` or `guests` (null) it lacks the calls for them. `instead` answers every call with something else.
  static async start(records = [], guests = [], others = {}, instead) {
    const service = new DumpService(records, guests, others, instead);
    await new Promise((resolve, reject) => {
      service.#server.once('error', reject);
      service.#server.listen(0, '127.0.0.1', resolve);
    });
    service.url = `http://127.0.0.1:${service.#server.address().port}`;
    return service;
  }

  #records;
  #guests;
  #others;
  #instead;
  #statuses = {};
  #server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
    const answer = this.#answer(pathname, Number(searchParams.get('since') ?? 0));
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { detail: `there is no ${pathname}` }));
  });

  constructor(records, guests, others, instead) {
    this.#records = records;
    this.#guests = guests;
    this.#others = others;
    this.#instead = instead;
  }

  #answer(path, since) {
    if (this.#instead) return this.#instead(path);
    if (path === '/api/dumps') return this.#statuses;
    if (path === '/api/guests') return this.#guests;
    if (path !== '/api/records') return this.#others[path];
    if (!this.#records) return undefined;
    const numbered = this.#records.map((record, index) => ({ seq: index + 1, record }));
    return { catalog_id: 'of-the-test', records: numbered.filter(({ seq }) => seq > since).slice(0, 1000) };
  }

  // Another dump has ended; dashboards learn of it when they ask the next time.
  finish(record) {
    this.#records = [...this.#records, record];
    this.tell({
      dump_id: record.dump_id,
      vm: record.dom,
      state: 'completed',
      progress: 100,
      message: 'Dump completed',
      started_at: record.timestamp,
      finished_at: record.timestamp,
      dump_path: record.dump_path,
      duration_sec: record.duration_sec,
    });
  }

  // A dump is, goes on or has ended as `status` says.
  tell(status) {
    this.#statuses[status.vm] = status;
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

// A record as a memdeck agent tells it. `at` is an instant; the rest follows from `number` where it is not given.
export function record(number, { dom, at, ...others }) {
  const instant = new Date(at);
  const id = `dump-${String(number).padStart(4, '0')}`;
  const second = Math.floor(instant / 1000);
  return {
    timestamp: instant.toISOString(),
    time: instant.toISOString(),
    dom,
    vmid: String(number),
    sha256: (number * 2654435761 % 2 ** 32).toString(16).padStart(8, '0').repeat(8),
    duration_sec: (number * 37 % 100) / 10 + 0.05,
    gzip_size_bytes: (number * 7 % 61 + 1) * 1_048_576,
    ctime: second,
    mtime: second,
    atime: second,
    dump_path: `/var/lib/memdeck/dumps/${dom}_${second}_${id}.elf.zst`,
    dump_id: id,
    host: number % 2 ? 'hv1' : 'hv2',
    mode: number % 3 ? 'live' : 'frozen',
    pause_ms: number % 3 ? 40 : 1_300,
    raw_size_bytes: (61 - number * 7 % 61) * 16_777_216,
    format: 'elf',
    codec: 'zstd',
    ok: true,
    ...others,
  };
}

// A dump service that has only the three calls, and takes what it is asked for: a dump has ended when somebody has asked twice
// how it is, unless dumps are held.
export class ThreeCalls {
  static async start() {
    const service = new ThreeCalls();
    await new Promise((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    service.url = `http://127.0.0.1:${service.#server.address().port}`;
    return service;
  }

  // The bodies of the requests for dumps, the oldest first.
  asked = [];

  // Whether dumps go on and on.
  holds = false;

  #dumps = new Map();
  #server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname } = new URL(request.url, 'http://127.0.0.1');
    const answer = this.#answer(request.method, pathname, Buffer.concat(chunks).toString());
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? { detail: `there is no ${pathname}` }));
  });

  #answer(method, path, body) {
    if (path !== '/api/dumps') return path.startsWith('/api/dumps/') ? this.#status(decodeURIComponent(path.slice(11))) : undefined;
    if (method === 'POST') {
      const { vms } = JSON.parse(body);
      this.asked.push(vms);
      for (const vm of vms) this.#dumps.set(vm, { id: `three-calls-${this.asked.length}`, begun: Date.now(), looks: 0 });
    }
    return Object.fromEntries([...this.#dumps.keys()].map((vm) => [vm, this.#status(vm)]));
  }

  #status(vm) {
    const dump = this.#dumps.get(vm);
    if (!dump) return undefined;
    if (!this.holds) dump.looks += 1;
    const has_ended = dump.looks > 2;
    if (has_ended) dump.ended ??= Date.now();
    const at = (instant) => new Date(instant).toISOString();
    return {
      dump_id: dump.id,
      vm,
      state: has_ended ? 'completed' : 'running',
      progress: has_ended ? 100 : 30,
      message: has_ended ? 'Dump completed' : 'Dump in progress (30.0%)',
      started_at: at(dump.begun),
      finished_at: has_ended ? at(dump.ended) : null,
      dump_path: has_ended ? `/srv/dumps/${vm}.mem.gz` : null,
      duration_sec: has_ended ? (dump.ended - dump.begun) / 1000 : null,
    };
  }

  // As a restart does.
  forget() {
    this.#dumps.clear();
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}
