// A reverse proxy that cannot pass on streams, as some in the world: everything but live events goes through it.

import { createServer, request as forward } from 'node:http';

export class ProxyWithoutEvents {
  static async start(url) {
    const { hostname, port } = new URL(url);
    const server = createServer((request, response) => {
      if (request.url.startsWith('/api/events')) {
        response.writeHead(502).end();
        return;
      }
      const onward = forward(
        { hostname, port, path: request.url, method: request.method, headers: request.headers },
        (answer) => {
          response.writeHead(answer.statusCode, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new ProxyWithoutEvents();
    proxy.url = `http://127.0.0.1:${server.address().port}`;
    proxy.stop = () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    };
    return proxy;
  }
}

// What a browser says about the stream that does not come through.
export const EVENTS_AWAY = [/^response: 502 .*\/api\/events/, /^console: .*502.*/, /^request: .*\/api\/events/];
