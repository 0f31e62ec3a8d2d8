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

// A reverse proxy that shows a service below a path of its own site, and nothing else there. `takesOff`: it takes the path off
// what it passes on, and says so in a header. What was asked for outside of the path is noted (`astray`).
export class ProxyBelowPath {
  static async start(url, path, { takesOff }) {
    const { hostname, port } = new URL(url);
    const proxy = new ProxyBelowPath();
    const astray = [];
    proxy.astray = async () => astray;
    const server = createServer((request, response) => {
      if (!request.url.startsWith(`${path}/`)) {
        // A browser asks for it by itself.
        if (request.url !== '/favicon.ico') astray.push(request.url);
        response.writeHead(404).end();
        return;
      }
      const told = { 'x-forwarded-proto': 'http', ...(takesOff ? { 'x-forwarded-prefix': path } : {}) };
      const onward = forward(
        {
          hostname,
          port,
          path: takesOff ? request.url.slice(path.length) : request.url,
          method: request.method,
          headers: { ...request.headers, ...told },
        },
        (answer) => {
          response.writeHead(answer.statusCode, answer.headers);
          answer.pipe(response);
          answer.on('close', () => response.end());
        },
      );
      onward.on('error', () => response.destroy());
      response.on('close', () => onward.destroy());
      request.pipe(onward);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${server.address().port}${path}`;
    proxy.stop = () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    };
    return proxy;
  }
}
