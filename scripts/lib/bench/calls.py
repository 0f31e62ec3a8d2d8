"""memdeck with a thousand guests, and with a hundred thousand rows that others wrote: how fast it answers meanwhile."""

import contextlib
import time

from . import api
from .collectors import get, until
from .influx import DATABASE, InfluxDb
from .process import BenchError, children, share_of_memory
from .served import Server

WARM_UP_S = 5
ROWS_IN_A_WRITE = 5000
IMPORT_LIMIT_S = 300
TABLE = "/api/memory-dumps/records?limit=25"
# 2025-01-01T00:00:00Z
FIRST_NS = 1_735_689_600 * 10**9
DOMAIN = """<domain type='test'>
  <name>guest-{number:04}</name><uuid>00000000-0000-4000-8000-{number:012}</uuid>
  <memory>1048576</memory><vcpu>2</vcpu><os><type>hvm</type></os>
  <devices>
    <disk type='file'><source file='/guest-{number:04}-a.img'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file'><source file='/guest-{number:04}-b.img'/><target dev='vdb' bus='virtio'/></disk>
    <interface type='network'><source network='default'/><target dev='net{number:04}'/></interface>
  </devices>
</domain>
"""
NODE = """<node>
<cpu><mhz>2000</mhz><model>host</model><active>2</active><nodes>1</nodes><sockets>1</sockets><cores>2</cores><threads>1</threads></cpu>
<memory>16777216</memory>
<network><name>default</name><bridge name='none'/><ip address='192.0.2.1' netmask='255.255.255.0'/></network>
{domains}
</node>
"""


def of_many_guests(program, work, guests, calls, log):
    """Times of `vm-telemetry` in milliseconds, one call after the other, on the guests of libvirt's driver for tests."""
    node = work / "node.xml"
    node.write_text(NODE.format(domains="".join(DOMAIN.format(number=number) for number in range(1, guests + 1))), encoding="ascii")
    with _home(work / "many") as home, Server(program, home, LIBVIRT_URI=f"test://{node}") as server:
        until(lambda: get(server, "/api/telemetry/vm-telemetry")["count"] == guests, f"the statistics of {guests} guests", 120)
        time.sleep(WARM_UP_S)
        times, size = api.measure(server.address, "/api/telemetry/vm-telemetry", calls)
        log(f"  {guests} guests, {size:,} bytes: median {api.percentile(times, 50):.1f} ms, 99 % {api.percentile(times, 99):.1f} ms")
        return {"guests": guests, "calls": calls, "bytes": size, "times_ms": times}


def importing(program, work, rows, log):
    """Rows as the customer's tools wrote them, all at once: until they are in the table, and the table meanwhile."""
    with _home(work / "import") as home, InfluxDb(work / "influxdb-import") as database:
        for first in range(0, rows, ROWS_IN_A_WRITE):
            database.write([foreign_row(number) for number in range(first, min(rows, first + ROWS_IN_A_WRITE))])
        log(f"  {rows:,} rows are in InfluxDB")
        began = time.monotonic()
        with Server(program, home, INFLUX_URL=database.url, INFLUX_DB=DATABASE, TELEMETRY="off") as server:
            started_s, tables, peak = time.monotonic() - began, [], 0
            processes = [server.process.pid, *children(server.process.pid)]
            while (found := get(server, "/api/memory-dumps/stats")["total_dumps"]) < rows:
                if time.monotonic() - began > IMPORT_LIMIT_S:
                    raise BenchError(f"after {IMPORT_LIMIT_S} s {found} of {rows} rows are imported")
                asked = time.perf_counter()
                get(server, TABLE)
                tables.append((time.perf_counter() - asked) * 1000)
                # Not the high water marks: they would count the program once for each process.
                peak = max(peak, sum(map(share_of_memory, processes)))
                time.sleep(0.05)
            took_s = time.monotonic() - began
        log(f"  imported in {took_s:.1f} s, the start of memdeck included ({started_s:.1f} s)")
        return {"rows": rows, "seconds": took_s, "peak_bytes": peak, "tables_ms": tables}


def foreign_row(number):
    """Without the host, numbers as floats: as the tools before memdeck left them."""
    at = FIRST_NS + number * 60 * 10**9 + number % 1000
    guest = number % 50
    return (
        f"mem_dumps,dom=guest-{guest:02},vmid={guest} ok=true,sha256=\"{number:064x}\","
        f"dump_path=\"/var/dumps/guest-{guest:02}_{number}.gz\",raw_size_bytes={(number % 7 + 1) << 29},"
        f"gzip_size_bytes={(number % 7 + 1) << 27}i,ctime={at // 10**9},mtime={at // 10**9},atime={at // 10**9},"
        f"duration_sec={number % 90 + 0.5},dump_duration_sec={number % 60 + 0.25},loop=0,every_sec=0 {at}"
    )


@contextlib.contextmanager
def _home(path):
    (path / "state").mkdir(parents=True, mode=0o700)
    yield path
