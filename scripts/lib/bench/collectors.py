"""What collects the statistics of guests: memdeck, and what an operator could use instead. Each runs for as long as a
`with` block, and gives the ids of the processes that work for it, with what counts its samples: on a busy machine there may
be fewer than one a second. libvirt's daemon is counted beside them.
"""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import threading
import time

from .lab import URI
from .process import BenchError, children, stop

START_S = 30
# The same statistics as memdeck's, as far as the virt plugin has them. Nothing is stored: that would count against it.
COLLECTD = """
BaseDir "{work}"
PIDFile "{work}/collectd.pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin virt
LoadPlugin unixsock
<Plugin virt>
  Connection "{uri}"
  RefreshInterval 60
  HostnameFormat name
  ExtraStats "domain_state memory pcpu"
</Plugin>
<Plugin unixsock>
  SocketFile "{work}/collectd.socket"
</Plugin>
"""


@contextlib.contextmanager
def nothing():
    """Nobody asks: what guests and daemon do by themselves."""
    yield [], time.monotonic


@contextlib.contextmanager
def memdeck(service, guests):
    """The service with its collector: all guests in one call, rates, and series in its store."""
    post(service, "/api/telemetry/start")
    try:
        until(lambda: get(service, "/api/telemetry/status")["vms_monitored"] >= guests, "memdeck to see the guests")
        before = get(service, "/api/telemetry/status")
        collections = lambda: get(service, "/api/telemetry/status")["total_collections"]  # noqa: E731
        yield [service.process.pid, *children(service.process.pid)], collections
        after = get(service, "/api/telemetry/status")
        if after["total_errors"] > before["total_errors"] or after["stale_vms"]:
            raise BenchError("memdeck's collector met errors: what others cost cannot be held against that")
    finally:
        post(service, "/api/telemetry/stop")


@contextlib.contextmanager
def asked(program, way, guests):
    """The calls alone, in the same program: for all guests at once, or for each and each of its devices."""
    process = subprocess.Popen([program, URI, way], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    told, first = [], threading.Event()

    def read():
        for line in process.stdout:
            told.append(json.loads(line))
            first.set()
        first.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        first.wait(START_S)
        yield [process.pid], lambda: len(told)
    finally:
        stop(process)
        reader.join()
    if not told or any(one["guests"] < guests or one["unanswered"] for one in told):
        raise BenchError(f"of {guests} guests the program that asks {way} saw {told[-1:]}")


@contextlib.contextmanager
def collectd(work, guests):
    configuration = work / "collectd.conf"
    configuration.write_text(COLLECTD.format(work=work, uri=URI), encoding="ascii")
    process = subprocess.Popen(
        ["/usr/sbin/collectd", "-f", "-C", configuration],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        path = str(work / "collectd.socket")
        until(lambda: _values_of_collectd(path) >= guests, "values of collectd")
        # It does not tell how often it has read; it means to do so every second.
        yield [process.pid, *children(process.pid)], time.monotonic
        values = _values_of_collectd(path)
        # CPU, memory, disk and network of each.
        if values < 4 * guests:
            raise BenchError(f"collectd has {values} values of {guests} guests")
    finally:
        stop(process)


def _values_of_collectd(path):
    """How many values it keeps, as it answers LISTVAL; 0 before it answers."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(START_S)
            connection.connect(path)
            connection.sendall(b"LISTVAL\n")
            with connection.makefile(encoding="utf-8") as answer:
                found = re.match(r"(\d+) Values? found", answer.readline())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


@contextlib.contextmanager
def exporter(guests):
    """prometheus-libvirt-exporter, asked once a second. Who asks is not counted."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        ["prometheus-libvirt-exporter", f"--web.listen-address={address}", f"--libvirt.uri={URI}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    ended, failures, scrapes = threading.Event(), [], [0]

    def scrape():
        due = time.monotonic()
        while not ended.is_set():
            seen = _guests_of_exporter(address)
            scrapes[0] += 1
            if seen < guests:
                failures.append(seen)
            due += 1
            ended.wait(max(0.0, due - time.monotonic()))

    scraper = threading.Thread(target=scrape, daemon=True)
    try:
        until(lambda: _guests_of_exporter(address) >= guests, "values of prometheus-libvirt-exporter")
        scraper.start()
        yield [process.pid, *children(process.pid)], lambda: scrapes[0]
    finally:
        ended.set()
        if scraper.ident:
            scraper.join()
        stop(process)
    if failures:
        raise BenchError(f"prometheus-libvirt-exporter answered {len(failures)} times with {failures[-1]} of {guests} guests")


def _guests_of_exporter(address):
    """How many guests a scrape tells; 0 before it answers."""
    connection = http.client.HTTPConnection(address, timeout=START_S)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return len(set(re.findall(r'^libvirt_domain_\w+\{[^}]*domain="([^"]*)"', text, re.MULTILINE)))


def get(service, path):
    return _call(service, "GET", path)


def post(service, path):
    return _call(service, "POST", path)


def _call(service, method, path):
    connection = http.client.HTTPConnection(service.address, timeout=START_S)
    with contextlib.closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchError(f"{method} {path} answered {answer.status}: {body[:300]!r}")
        return json.loads(body)


def until(holds, what, patience_s=START_S, pause_s=0.2):
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise BenchError(f"waited {patience_s} s for {what}")
        time.sleep(pause_s)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
