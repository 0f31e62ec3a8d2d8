// A receiver of webhooks: a real HTTP server on loopback that keeps what it gets, and refuses while it is told to.

import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';

export class Receiver {
  // Answers this status.
  status = 204;
  #got = [];
  #server;

  static async start() {
    const receiver = new Receiver();
    receiver.#server = createServer((request, response) => {
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        receiver.#got.push({ headers: request.headers, body: Buffer.concat(chunks).toString(), answered: receiver.status });
        response.writeHead(receiver.status).end();
      });
    });
    await new Promise((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/hook`;
  }

  // What it has got, the oldest first: headers, body, and what it answered.
  get got() {
    return [...this.#got];
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

// The signature that a message must have, as Standard Webhooks says.
export function signatureOf({ headers, body }, secret) {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  return `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`;
}
