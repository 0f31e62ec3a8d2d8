"""What can stall beside a dump. Each is a context: what has to be there before memdeck starts; `stall` of it is the stall."""

import contextlib
import os
import select
import signal
import socket
import sqlite3
import subprocess
import threading

from .process import BenchError

# As many as one caller may have.
DOWNLOADS = 4
EVENT_STREAMS = 50
READERS = 50
# Answers of 80 kB: more than lies in the buffers of a connection.
ASKED_AT_ONCE = 100
TAKEN_BYTES = 4096
PATIENCE_S = 60


class Stall:
    """Of one dump. Nothing stalls before `stall`, but where `prepare` says so."""

    name = ""
    stops_the_process = False
    variables = {}

    def __init__(self, case):
        self.case = case

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def prepare(self):
        """When memdeck runs, before the dump."""

    def stall(self):
        raise NotImplementedError


@contextlib.contextmanager
def frozen(volume):
    """Nothing can be written to a volume."""
    subprocess.run(["fsfreeze", "--freeze", volume], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", volume], check=True)


class StateVolume(Stall):
    name = "volume of the state"

    def stall(self):
        return frozen(self.case.memdeck.state)


class ImageVolume(Stall):
    name = "volume of the images"

    def stall(self):
        return frozen(self.case.memdeck.dumps)


class ImageVolumeAndProcess(Stall):
    name = "volume of the images and memdeck"
    stops_the_process = True

    @contextlib.contextmanager
    def stall(self):
        with frozen(self.case.memdeck.dumps):
            process = self.case.service.process
            process.send_signal(signal.SIGSTOP)
            try:
                yield
            finally:
                # Its guardian has ended it by now, or has no guest to end it for.
                process.send_signal(signal.SIGCONT)


class Log(Stall):
    name = "reader of the log"

    @contextlib.contextmanager
    def stall(self):
        service = self.case.service
        # A way of its own to the pipe, for one that does not wait.
        pipe = os.open(f"/proc/{service.process.pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
        try:
            with service.unread(lambda line: os.write(pipe, line)):
                for size in (4096, 1):
                    with contextlib.suppress(BlockingIOError):
                        while os.write(pipe, b"." * size):
                            pass
                yield
        finally:
            os.close(pipe)


class Catalog(Stall):
    name = "lock of the catalog"

    @contextlib.contextmanager
    def stall(self):
        path = self.case.memdeck.state / "catalog.db"
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)) as catalog:
            catalog.execute("BEGIN EXCLUSIVE")
            yield
            catalog.execute("ROLLBACK")


class Influx(Stall):
    """One that takes connections and points, and never answers. An earlier dump's point waits for it."""

    name = "InfluxDB"

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._kept, self._asked = [], threading.Event()
        self.variables = {
            "INFLUX_URL": "http://127.0.0.1:%d" % self._listener.getsockname()[1],
            "INFLUX_TIMEOUT_S": "3600",
        }
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._kept.append(connection)
                if connection.recv(1):
                    self._asked.set()

    def __exit__(self, *_):
        # Wakes whoever accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._let_go()

    def _let_go(self):
        while self._kept:
            self._kept.pop().close()

    def prepare(self):
        self.case.dump()
        if not self._asked.wait(PATIENCE_S):
            raise BenchError("memdeck sends InfluxDB no point")

    @contextlib.contextmanager
    def stall(self):
        yield
        self._let_go()


class Pages(Stall):
    """Pages and scripts that ask for all that there is, and read nothing. They do so before the dump begins."""

    name = "all pages"

    def __enter__(self):
        self._connections = []
        return self

    def __exit__(self, *_):
        while self._connections:
            self._connections.pop().close()

    def prepare(self):
        dump_id = self.case.dump()
        asked = ["/api/events"] * EVENT_STREAMS
        asked += [f"/api/memory-dumps/{dump_id}/image?format=elf"] * DOWNLOADS
        host, port = self.case.service.address.rsplit(":", 1)
        requests = [self._get(path) for path in asked] + [self._get("/api/openapi.json") * ASKED_AT_ONCE] * READERS
        for request in requests:
            connection = socket.socket()
            self._connections.append(connection)
            # Told to the other end with the connection, so before it.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TAKEN_BYTES)
            connection.connect((host, int(port)))
            connection.sendall(request)
        for connection in self._connections:
            if not select.select([connection], [], [], PATIENCE_S)[0]:
                raise BenchError("a page is not answered")
            status = connection.recv(12, socket.MSG_PEEK)
            if status != b"HTTP/1.1 200":
                raise BenchError(f"a page is refused: {status!r}")

    @staticmethod
    def _get(path):
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    @contextlib.contextmanager
    def stall(self):
        yield
        self.__exit__()


STALLS = (StateVolume, ImageVolume, Log, Catalog, Influx, Pages, ImageVolumeAndProcess)
