// A private InfluxDB 1 of Debian's, with a database of the name that memdeck uses.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { end, freePort, start } from './children.mjs';
import { eventually } from './eventually.mjs';

const DATABASE = 'vmstats';

export class InfluxDb {
  // Starts one and waits until it answers.
  static async start() {
    const influx = new InfluxDb();
    influx.directory = await mkdtemp(join(tmpdir(), 'memdeck-end2end-influxdb-'));
    influx.port = await freePort();
    influx.url = `http://127.0.0.1:${influx.port}`;
    await influx.startAgain();
    await influx.#call('query', 'POST', { q: `CREATE DATABASE ${DATABASE}` });
    return influx;
  }

  // Starts one that was stopped, with what it had.
  async startAgain() {
    const configuration = join(this.directory, 'influxdb.conf');
    const place = (name) => JSON.stringify(join(this.directory, name));
    await writeFile(configuration, `
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = ${place('meta')}
[data]
dir = ${place('data')}
wal-dir = ${place('wal')}
[http]
bind-address = "127.0.0.1:${this.port}"
log-enabled = false
[monitor]
store-enabled = false
`);
    this.child = start('influxd', ['-config', configuration], { stdio: 'ignore' });
    await eventually(async () => assert.equal((await fetch(`${this.url}/ping`)).status, 204));
  }

  async #call(path, method, parameters, body) {
    const answer = await fetch(`${this.url}/${path}?${new URLSearchParams({ db: DATABASE, ...parameters })}`, { method, body });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
  }

  // Writes lines as another program would.
  write(lines) {
    return this.#call('write', 'POST', {}, lines.join('\n'));
  }

  // Keeps what it has.
  async stop() {
    end(this.child, 'SIGKILL');
    await this.child.ended;
  }

  async remove() {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}
