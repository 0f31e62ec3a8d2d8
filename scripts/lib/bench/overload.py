"""bench overload: dumps while memdeck answers a thousand reads a second and holds two thousand idle connections.

Each pair is two dumps of the same guest, one after the other: one while the load goes to memdeck, one while the same load
goes to a server that answers every request with one fixed line. So what the load alone costs the machine counts for
both, and what remains is what reading costs a dump.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import time

from . import report
from .alone import alone, to_its_end
from .process import BenchError, stop, turn
from .ways import Memdeck

GUEST_MIB = 512
READS_PER_S = 1000
IDLE = 2000
READERS = 40
# What the pages and scripts of the customer ask for, as often as they do.
MIX = [
    ("live guests", "/api/telemetry/live-vms", 4),
    ("states", "/api/memory-dumps/status", 3),
    ("records", "/api/memory-dumps/records?limit=50", 2),
    ("totals", "/api/memory-dumps/stats", 1),
]
MOST_SLOWER = 1.2
WARM_UP_S = 2


def log(line):
    print(line, file=sys.stderr, flush=True)


class Load:
    """The load, in a process of its own, on one address for as long as the `with` block runs."""

    def __init__(self, address, reads_per_s, idle):
        self._command = [sys.executable, "-m", "bench.overload", "--load", address, str(reads_per_s), str(idle)]
        self.told = None

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline().strip() != "loading":
            raise BenchError("the load did not begin")
        time.sleep(WARM_UP_S)
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate(timeout=30)
        self.told = json.loads(said.strip().splitlines()[-1])


async def load(address, reads_per_s, idle):
    """Reads of the mix at a steady pace on connections that are kept, beside connections that ask nothing or half of it."""
    host, port = address.rsplit(":", 1)
    counted = {"answered": 0, "refused": 0, "broken": 0, "late": 0, "began": time.monotonic()}
    paths = [path for _, path, weight in MIX for _ in range(weight)]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

    async def hold(number):
        half = b"" if number % 2 else b"GET /healthz HTTP/1.1\r\nHost: "
        while not ended.is_set():
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(half)
                # Until the server gives it up.
                await reader.read()
                writer.close()
            await asyncio.sleep(1)

    async def read(number):
        pace, next_at, turn_of = READERS / reads_per_s, time.monotonic(), number
        reader = writer = None
        while not ended.is_set():
            next_at += pace
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection(host, port)
                path = paths[turn_of % len(paths)]
                turn_of += 1
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                await reader.readexactly(length)
                counted["answered" if b" 200 " in head.split(b"\r\n", 1)[0] else "refused"] += 1
            except (OSError, asyncio.IncompleteReadError, StopIteration):
                counted["broken"] += 1
                if writer:
                    writer.close()
                writer = None
            pause = next_at - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            elif pause < -1:
                counted["late"] += 1
                next_at = time.monotonic()

    tasks = [asyncio.create_task(hold(number)) for number in range(idle)]
    tasks += [asyncio.create_task(read(number)) for number in range(READERS)]
    print("loading", flush=True)
    await ended.wait()
    seconds = time.monotonic() - counted.pop("began")
    for task in tasks:
        task.cancel()
    print(json.dumps({**counted, "seconds": seconds, "reads_per_s": counted["answered"] / seconds}), flush=True)


async def trivial():
    """Answers every request with the same line."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}"

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def trivial_server():
    process = subprocess.Popen([sys.executable, "-m", "bench.overload", "--trivial"], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        stop(process)


def dumped(memdeck, guest, mode, address, chosen):
    with Load(address, chosen.reads, chosen.idle) as loaded, turn():
        ended, dump = memdeck._service.dump(guest, mode)
        failed = dump["job_state"] != "completed"
        if failed:
            log(f"    a dump failed: {dump['message']}")
        else:
            memdeck.remove(dump["record"]["dump_path"])
    return {"wall_s": ended.cost.wall_s, "failed": failed, **loaded.told}


def measure(chosen):
    with alone(log, GUEST_MIB) as (lab, work), contextlib.ExitStack() as stack:
        guest = lab.start("bench-overload", GUEST_MIB)
        memdeck = Memdeck(chosen.memdeck.resolve(), work)
        stack.enter_context(memdeck.service())
        other = stack.enter_context(trivial_server())
        pairs = []
        for number in range(1, chosen.pairs + 1):
            pair = {
                "memdeck": dumped(memdeck, guest, "frozen", memdeck._service.address, chosen),
                "trivial": dumped(memdeck, guest, "frozen", other, chosen),
            }
            pair["ratio"] = pair["memdeck"]["wall_s"] / pair["trivial"]["wall_s"]
            log(f"  pair {number}: {pair['memdeck']['wall_s']:.2f} s, against {pair['trivial']['wall_s']:.2f} s")
            pairs.append(pair)
    return result_of(pairs, chosen)


def result_of(pairs, chosen):
    ratio = statistics.median(pair["ratio"] for pair in pairs)
    failed = sum(side["failed"] for pair in pairs for side in (pair["memdeck"], pair["trivial"]))
    reads = statistics.median(pair["memdeck"]["reads_per_s"] for pair in pairs)
    return {
        "mix": [{"name": name, "path": path, "weight": weight} for name, path, weight in MIX],
        "wanted_reads_per_s": chosen.reads,
        "reads_per_s": round(reads, 1),
        "trivial_reads_per_s": round(statistics.median(pair["trivial"]["reads_per_s"] for pair in pairs), 1),
        "idle_connections": chosen.idle,
        "failed_dumps": failed,
        "refused_reads": sum(pair["memdeck"]["refused"] for pair in pairs),
        "broken_reads": sum(pair["memdeck"]["broken"] for pair in pairs),
        "ratio": round(ratio, 3),
        "bar": {"failed_dumps": failed == 0, "ratio": ratio <= MOST_SLOWER},
        "pairs": pairs,
    }


def as_text(found):
    yield f"{found['reads_per_s']:.0f} reads a second ({found['trivial_reads_per_s']:.0f} of the trivial server), {found['idle_connections']} idle connections"
    yield ""
    lines = [
        ["dumps failed", "0", str(found["failed_dumps"]), report.WORDS[found["bar"]["failed_dumps"]]],
        ["wall time against a trivial server", f"≤ {MOST_SLOWER}", f"{found['ratio']:.2f}", report.WORDS[found["bar"]["ratio"]]],
        ["reads refused", "", str(found["refused_reads"]), ""],
        ["reads broken off", "", str(found["broken_reads"]), ""],
    ]
    yield from report.table(["figure", "must be", "is", ""], lines)


def main(argv):
    if argv[:1] == ["--load"]:
        asyncio.run(load(argv[1], int(argv[2]), int(argv[3])))
        return 0
    if argv[:1] == ["--trivial"]:
        asyncio.run(trivial())
        return 0
    parser = argparse.ArgumentParser(prog="bench overload", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quick", action="store_true", help="for trying: 1 pair")
    parser.add_argument("--pairs", type=int, help="pairs of dumps [5]")
    parser.add_argument("--reads", type=int, default=READS_PER_S, help=f"reads a second [{READS_PER_S}]")
    parser.add_argument("--idle", type=int, default=IDLE, help=f"idle or half-open connections [{IDLE}]")
    parser.add_argument("--memdeck", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    chosen.pairs = chosen.pairs or (1 if chosen.quick else 5)
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = to_its_end("bench overload", log, lambda: measure(chosen))
    if found is None:
        return 1
    print(json.dumps(found, indent=2) if chosen.json else "\n".join(as_text(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
