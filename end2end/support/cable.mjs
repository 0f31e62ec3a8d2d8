// A cable between a browser and a service, which can be cut: connections break and new ones are refused. It notes the
// streams of events that were asked for: those that a worker opens are no requests of a page.

import { createServer, connect } from 'node:net';

export class Cable {
  // Begins at an address of its own.
  static async to(url) {
    const cable = new Cable(Number(new URL(url).port));
    await cable.mend();
    return cable;
  }

  // The addresses of all streams that were asked for, the oldest first.
  streams = [];

  #sockets = new Set();
  #streaming = new Set();
  #target;
  #server;
  #port = 0;

  constructor(target) {
    this.#target = target;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  // How many streams are open now.
  get openStreams() {
    return this.#streaming.size;
  }

  async cut() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async mend() {
    this.#server = createServer((near) => {
      const far = connect(this.#target, '127.0.0.1');
      for (const [socket, other] of [[near, far], [far, near]]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          this.#streaming.delete(socket);
          other.destroy();
        });
      }
      near.on('data', (chunk) => {
        const [, path] = /^GET (\/\S*) HTTP/.exec(chunk.toString('latin1')) ?? [];
        if (!path || new URL(path, this.url).pathname !== '/api/events') return;
        this.streams.push(new URL(path, this.url));
        this.#streaming.add(near);
      });
      near.pipe(far).pipe(near);
    });
    await new Promise((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = this.#server.address().port;
  }
}
