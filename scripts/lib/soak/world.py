"""What the faults happen to: memdeck with real guests, an InfluxDB behind a proxy, and volumes of its own."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import threading
import time

from bench import stall
from bench.influx import DATABASE, InfluxDb
from bench.lab import LAB, LAB_DIR, URI, Lab
from bench.process import BenchError, children, stop
from bench.service import ENDED, Service
from bench.ways import Memdeck

GUEST_MIB = 192
DIRTY_MIBPS = 4
BUFFER = "16"
IMAGES_MIB = 3072
STATE_MIB = 512
START_S = 60
# A dump ends within seconds; after a fault it may wait for its limits.
SETTLE_S = 120
LOOK_S = 0.2
IMAGE = ".elf.zst"


class Proxy:
    """Between memdeck and InfluxDB: passes everything on, refuses, or breaks off after some bytes."""

    def __init__(self, port):
        self._target, self._listener = port, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        # None: pass on. A number: so many bytes of a request, and no more.
        self.limit = None
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        sent = 0
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target), 5) as server:
            other = {client: server, server: client}
            while True:
                for ready in select.select([client, server], [], [], 60)[0]:
                    data = ready.recv(16384)
                    if not data:
                        return
                    limit = self.limit
                    if ready is client and limit is not None:
                        data = data[: max(0, limit - sent)]
                        if not data:
                            return
                    sent += len(data) if ready is client else 0
                    other[ready].sendall(data)

    def close(self):
        self._listener.close()


class World:
    """Guests, services and volumes for as long as the `with` block runs."""

    def __init__(self, program, work, names, log):
        self.log, self.names, self.service, self.proxy, self.influx = log, names, None, None, None
        self.memdeck, self.work = Memdeck(program, work), work
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(stall.volume(self.memdeck.dumps, IMAGES_MIB))
            stack.enter_context(stall.volume(self.memdeck.state, STATE_MIB))
            self.influx = stack.enter_context(InfluxDb(self.work / "influxdb"))
            self.proxy = Proxy(self.influx.port)
            stack.callback(self.proxy.close)
            self.lab = Lab(self.log)
            stack.callback(self.lab.close)
            self.lab.start_all(self.names, GUEST_MIB, DIRTY_MIBPS, BUFFER)
            stack.callback(self.end)
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    # memdeck

    def start(self):
        variables = {
            **self.memdeck.variables,
            "INFLUX_URL": self.proxy.url,
            "INFLUX_DB": DATABASE,
            "SHUTDOWN_GRACE": "1",
            "FROZEN_PAUSE_LIMIT": "10",
        }
        self.service = Service(self.memdeck.program, self.work, **variables)
        self.service.__enter__()

    def end(self):
        if self.service is not None:
            stop(self.service.process)
            self.service = None

    def is_running(self):
        return self.service is not None and self.service.process.poll() is None

    def kill(self, number=signal.SIGKILL):
        """A signal to the service; returns when it has ended."""
        self.service.process.send_signal(number)
        return self.service.process.wait(START_S)

    def guardian(self):
        """The process that looks after guests where memdeck dies; None where there is none just now."""
        for child in children(self.service.process.pid):
            with contextlib.suppress(OSError):
                if b"guard" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                    return child
        return None

    def call(self, method, path, body=None):
        """Status and JSON of an answer; None while nobody answers."""
        address = self.service.address
        with contextlib.closing(http.client.HTTPConnection(address, timeout=START_S)) as connection:
            try:
                sent = None if body is None else json.dumps(body)
                connection.request(method, path, sent, {"content-type": "application/json"})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read() or b"null")
            except (OSError, http.client.HTTPException, ValueError):
                return None, None

    def trigger(self, names, mode):
        status, told = self.call("POST", "/api/memory-dumps/trigger", {"vms": names, "mode": mode, "pause_budget_ms": 1000})
        return [dump["dump_id"] for dump in told["dumps"]] if status == 200 else []

    def statuses(self):
        told = {}
        for name in self.names:
            status, dump = self.call("GET", f"/api/memory-dumps/status/{name}")
            if status == 200:
                told[name] = dump
            elif status != 404:
                return None
        return told

    def records(self):
        """All records, by dump id, each as often as it is listed."""
        found, offset = {}, 0
        while True:
            status, page = self.call("GET", f"/api/memory-dumps/records?limit=500&offset={offset}")
            if status != 200:
                raise BenchError(f"the records cannot be read: {status} {page}")
            for record in page["records"]:
                found.setdefault(record["dump_id"], []).append(record)
            offset += len(page["records"])
            if not page["records"] or offset >= page.get("total", 0):
                return found

    def delete(self, record):
        return self.call("DELETE", f"/api/memory-dumps/{record['dump_id']}", {"confirm": record["dom"], "by": "the soak"})[0]

    def settle(self):
        """Brings everything back and waits until no dump runs any more; what has not become right by then."""
        self.proxy.limit = None
        if not self.is_running():
            self.start()
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            if not self.is_running():
                return [f"memdeck ended by itself with exit code {self.service.process.poll()}"]
            told = self.statuses()
            is_quiet = told is not None and all(dump["job_state"] in ENDED for dump in told.values())
            if is_quiet and all(self.state_of(name) == "running" for name in self.names):
                return []
            time.sleep(LOOK_S)
        states = {name: self.state_of(name) for name in self.names}
        dumps = {name: dump["job_state"] for name, dump in (self.statuses() or {}).items()}
        return [f"after {SETTLE_S} s guests are {states} and their dumps {dumps}"]

    # Guests

    @staticmethod
    def virsh(*arguments, limit_s=30):
        """What virsh says; None where it fails or says nothing for so long."""
        try:
            called = subprocess.run(
                ["virsh", "-q", "-c", URI, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s
            )
        except subprocess.TimeoutExpired:
            return None
        return called.stdout.strip() if called.returncode == 0 else None

    def state_of(self, name):
        return self.virsh("domstate", name) or "unknown"

    def start_guest(self, name):
        self.lab.start(name, GUEST_MIB, DIRTY_MIBPS, BUFFER)

    @staticmethod
    def restart_libvirtd():
        subprocess.run([LAB, "restart-libvirtd"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)

    # What is left

    def partial_files(self):
        return sorted(path.name for path in self.memdeck.dumps.iterdir() if path.name.endswith(".partial"))

    def sealed(self):
        """The ids of the images that are whole by their names."""
        return {id_in(path.name) for path in self.memdeck.dumps.iterdir() if path.name.endswith(IMAGE)}

    def doctor(self, deep):
        """The violations that `memdeck doctor` finds."""
        called = self.memdeck.run("doctor", "--json", *(["--deep"] if deep else []))
        report = json.loads(called.stdout)
        return [f"doctor: {json.dumps(one)}" for one in report["violations"]]

    def points(self):
        """How many points InfluxDB has of each dump."""
        rows = self.influx.query('SELECT "dump_path" FROM "mem_dumps"')
        return collections.Counter(id_in(row["dump_path"]) for row in rows)

    def processes(self):
        """Processes of this memdeck, by their environment."""
        mine = f"STATE_DIR={self.memdeck.state}".encode()
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if mine in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found

    def open_files(self):
        return len(os.listdir(f"/proc/{self.service.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.service.process.pid}/task"))


def id_in(path):
    """The dump id in the name of an image."""
    return path.removesuffix(IMAGE).rsplit("_", 1)[-1]


def directory():
    """Where guests and images lie."""
    return LAB_DIR / "soak"
