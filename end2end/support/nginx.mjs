// A real nginx that shows a service below /memdeck, configured as docs/guide.md says.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { end, freePort, start } from './children.mjs';

export class NginxBelowPath {
  static async start(url, path) {
    const guide = await readFile(new URL('../../docs/guide.md', import.meta.url), 'utf8');
    const location = /^```nginx\n(.*?)^```$/ms.exec(guide)[1];
    const port = await freePort();
    const directory = await mkdtemp(join(tmpdir(), 'memdeck-nginx-'));
    const log = join(directory, 'asked');
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${join(directory, kind)};`)
      .join('\n');
    await writeFile(
      join(directory, 'nginx.conf'),
      `daemon off;
      master_process off;
      pid nginx.pid;
      events {}
      http {
        ${places}
        log_format paths '$request_uri';
        access_log ${log} paths;
        server {
          listen 127.0.0.1:${port};
          location = /favicon.ico { access_log off; return 404; }
          location / { return 404; }
          ${location.replace('127.0.0.1:8000', new URL(url).host)}
        }
      }`,
    );
    const child = start('nginx', ['-e', 'stderr', '-p', directory, '-c', 'nginx.conf'], {
      env: { PATH: `/usr/sbin:${process.env.PATH}` },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const ended = child.ended.then((code) => Promise.reject(new Error(`nginx ended with ${code}`)));
    while (!(await listens(port))) await Promise.race([pause(20), ended]);
    // Nobody waits for it any more.
    ended.catch(() => {});
    const proxy = new NginxBelowPath();
    proxy.url = `http://127.0.0.1:${port}${path}`;
    // What was asked for outside of the path.
    proxy.astray = async () => {
      const asked = (await readFile(log, 'utf8')).split('\n').filter(Boolean);
      return asked.filter((at) => !at.startsWith(`${path}/`));
    };
    proxy.stop = async () => {
      end(child, 'SIGKILL');
      await child.ended;
      await rm(directory, { recursive: true, force: true });
    };
    return proxy;
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
