// A cable between a browser and a service, which can be cut: connections break and new ones are refused.

import { createServer, connect } from 'node:net';

export class Cable {
  // Begins at an address of its own.
  static async to(url) {
    const cable = new Cable(Number(new URL(url).port));
    await cable.mend();
    return cable;
  }

  #sockets = new Set();
  #target;
  #server;
  #port = 0;

  constructor(target) {
    this.#target = target;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
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
          other.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    await new Promise((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = this.#server.address().port;
  }
}
