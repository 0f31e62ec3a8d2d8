"""A dump service that has only the three calls of the oldest protocol."""

import contextlib
import http.server
import socket
import threading


class ThreeCalls:
    """At rest: it knows of no dump. It can be stopped, and started where it was."""

    class _Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            is_known = self.path == "/api/dumps"
            body = b"{}" if is_known else b'{"detail": "not found"}'
            self.send_response(200 if is_known else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

        def setup(self):
            super().setup()
            self.server.connections.append(self.connection)

    def __init__(self):
        self.address, self._server = "127.0.0.1:0", None
        self.start()

    def start(self):
        host, port = self.address.rsplit(":", 1)
        self._server = http.server.ThreadingHTTPServer((host, int(port)), self._Answers)
        self._server.connections = []
        self.address = f"{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        """Connections that are open end with it, as those of a process do."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        for connection in self._server.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server = None
