// A proxy that puts live values of guests into the event stream, at a rate and in a number that no lab has. Everything else is
// the dashboard's own.

import { createServer, request as forward } from 'node:http';

export class LiveValues {
  // In front of the dashboard at `url`. `values(watch)` gives the events to send now, as [kind, data]: `watch` is what the
  // page asked for. `answers` stand in for calls of the page, by their names.
  static async start(url, values, { everyMs = 1000, answers = {} } = {}) {
    const live = new LiveValues(new URL(url), values, everyMs, answers);
    await new Promise((resolve) => live.#server.listen(0, '127.0.0.1', resolve));
    live.url = `http://127.0.0.1:${live.#server.address().port}`;
    return live;
  }

  // How many times values were sent.
  sent = 0;

  #server = createServer((request, response) => this.#pass(request, response));

  constructor(target, values, everyMs, answers) {
    Object.assign(this, { target, values, everyMs, answers });
  }

  #pass(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.target);
    const isStream = pathname === '/api/events';
    const stand = this.answers[pathname.replace('/api/ui/', '')];
    if (stand) {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify(stand(JSON.parse(body || '{}'))));
      });
      return;
    }
    const { hostname, port } = this.target;
    // The values of the dashboard's own collector stay away.
    const path = isStream ? request.url.replace(/\bwatch=[^&]*/, '') : request.url;
    const onward = forward(
      { hostname, port, path, method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        if (isStream && answer.statusCode === 200) this.#mix(answer, response, searchParams.get('watch') ?? '');
        else answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }

  // Whole events only: what is put in stands between two of the server's.
  #mix(answer, response, watch) {
    let isBetween = false;
    const send = () => {
      if (!isBetween || watch === '') return;
      for (const [kind, data] of this.values(watch.split(','))) {
        response.write(`event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
      }
      this.sent += 1;
    };
    const timer = setInterval(send, this.everyMs);
    answer.on('data', (chunk) => {
      response.write(chunk);
      const isFirst = !isBetween;
      isBetween = chunk.toString().endsWith('\n\n');
      if (isFirst) send();
    });
    const end = () => {
      clearInterval(timer);
      response.end();
    };
    answer.on('close', end);
    response.on('close', end);
  }

  stop() {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(resolve));
  }
}

// What the collector tells of a guest in short. `load` from 0 to 1 is how busy it is; what is not given follows from it.
export function summaryOf(uuid, load, others = {}) {
  const mib = 1_048_576;
  return {
    uuid,
    name: 'of-the-test',
    state: 'running',
    at: new Date().toISOString(),
    stale: false,
    partial: false,
    cpu_pct: 100 * load,
    memory_pct: 40 + 50 * load,
    net_rx: 40 * mib * load,
    net_tx: 4 * mib * load,
    disk_read: 20 * mib * load,
    disk_write: 10 * mib * load,
    ...others,
  };
}
