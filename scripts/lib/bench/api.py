"""Measures the calls of the page over HTTP on loopback, on a catalog full of made-up records.

Builds the program and the generator of records in release mode, fills a new catalog in a temporary directory, serves
it, and asks every question often enough for a median. What is measured is the whole call as a client sees it: the
query, JSON and loopback. Needs Python's standard library only.
"""

import argparse
import http.client
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
# What a first page, a search and a sort may take, in milliseconds.
TARGET_MS = 50
WARM_UP_RUNS = 3
START_TIMEOUT_S = 60


class BenchError(Exception):
    """The measurement cannot be made; the message says why."""


def cases(records):
    """Name, path, and whether the target holds for it."""

    def listing(**query):
        return "/api/memory-dumps/records?" + urllib.parse.urlencode({"limit": 25, **query})

    def export(**query):
        return "/api/memory-dumps/export.csv?" + urllib.parse.urlencode(query)

    deep = max(0, records - 1_000)
    return [
        ("first page", listing(), True),
        ("first page of 100", listing(limit=100), True),
        ("search, 1 character: w", listing(search="w"), True),
        ("search, name: web-0", listing(search="web-0"), True),
        ("search, id: 42", listing(search="42"), True),
        ("search, hash: abc", listing(search="abc"), True),
        ("search, note: night shift", listing(search="night shift"), True),
        ("search, nothing found", listing(search="no such guest"), True),
        ("sort by name", listing(sort="dom"), True),
        ("sort by id", listing(sort="vmid", order="desc"), True),
        ("sort by duration", listing(sort="duration_sec"), True),
        ("sort by hash", listing(sort="sha256"), True),
        ("sort by path", listing(sort="dump_path"), True),
        ("sort by size", listing(sort="gzip_size_bytes"), True),
        ("deep page", listing(offset=deep), True),
        ("deep page, by duration", listing(offset=deep, sort="duration_sec"), False),
        ("filter, host and mode", listing(host="hv03", mode="frozen"), False),
        ("filter, one week", listing(**{"from": "2024-03-01", "to": "2024-03-07"}), False),
        ("search web-0 by duration", listing(search="web-0", sort="duration_sec"), False),
        ("totals", "/api/memory-dumps/stats", False),
        ("CSV of a search: web-0", export(search="web-0"), False),
        ("CSV of everything", export(), False),
    ]


def build():
    """Gives the program and the generator."""
    for target in (["--package", "memdeck"], ["--package", "memdeck-catalog", "--example", "seed"]):
        subprocess.run(["cargo", "build", "--release", "--quiet", *target], cwd=ROOT, check=True, stdout=sys.stderr)
    release = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    return release / "memdeck", release / "examples" / "seed"


class Server:
    """`memdeck serve` on a state directory; ends with the `with` block."""

    def __init__(self, program, home):
        self.program = program
        self.home = home
        self.lines = []

    def __enter__(self):
        # Nothing of the surrounding configuration; libvirt's own test driver needs no hypervisor.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "STATE_DIR": str(self.home / "state"),
            "DUMP_DIR": str(self.home / "dumps"),
            "MEMDECK_BIND": "127.0.0.1:0",
            "LIBVIRT_URI": "test:///default",
        }
        self.process = subprocess.Popen(
            [self.program, "serve"], cwd=self.home, env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        if not ready.wait(START_TIMEOUT_S) or not self.lines or self.address is None:
            self.__exit__()
            raise BenchError("memdeck serve did not start:\n" + "".join(self.lines))
        return self

    address = None

    def _read(self, ready):
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r'\bready\b.*\burl="http://([^"]+)"', line)
            if found:
                self.address = found.group(1)
                ready.set()
        ready.set()

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(address, path, runs):
    """Times of `runs` calls in milliseconds, and the bytes of one answer."""
    connection = http.client.HTTPConnection(address, timeout=120)
    times, size = [], 0
    for run in range(WARM_UP_RUNS + runs):
        begun = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        elapsed = (time.perf_counter() - begun) * 1000
        if response.status != 200:
            raise BenchError(f"GET {path} answered {response.status}: {body[:200]!r}")
        size = len(body)
        if run >= WARM_UP_RUNS:
            times.append(elapsed)
    connection.close()
    return times, size


def percentile(times, part):
    """The smallest time that at least `part` of the times do not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * part // 100) - 1))]


def run(records, runs):
    program, seed = build()
    home = pathlib.Path(tempfile.mkdtemp(prefix="memdeck-bench-"))
    try:
        (home / "state").mkdir(mode=0o700)
        subprocess.run([seed, home / "state", str(records)], check=True, stdout=sys.stderr)
        results = []
        with Server(program, home) as server:
            for name, path, has_target in cases(records):
                times, size = measure(server.address, path, runs)
                results.append({
                    "name": name,
                    "path": path,
                    "median_ms": round(statistics.median(times), 2),
                    "p95_ms": round(percentile(times, 95), 2),
                    "bytes": size,
                    "target_ms": TARGET_MS if has_target else None,
                    "is_met": statistics.median(times) <= TARGET_MS if has_target else None,
                })
        return {"records": records, "runs": runs, "cpus": os.cpu_count(), "load": os.getloadavg()[0], "results": results}
    finally:
        shutil.rmtree(home, ignore_errors=True)


def as_table(report):
    lines = [
        f"{report['records']:,} records, medians of {report['runs']} calls over HTTP on loopback, "
        f"{report['cpus']} CPUs, load {report['load']:.1f}",
        "",
        f"{'call':<28} {'median':>10} {'95 %':>10} {'answer':>12}  target",
    ]
    for result in report["results"]:
        target = ""
        if result["target_ms"] is not None:
            target = f"≤ {result['target_ms']} ms: {'met' if result['is_met'] else 'MISSED'}"
        lines.append(
            f"{result['name']:<28} {result['median_ms']:>7.1f} ms {result['p95_ms']:>7.1f} ms "
            f"{result['bytes']:>10,} B  {target}".rstrip()
        )
    return "\n".join(lines)


def main(argv):
    parser = argparse.ArgumentParser(prog="bench api", description="Measures the calls of the page.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--records", type=int, default=100_000, help="records in the catalog (default 100000)")
    parser.add_argument("--runs", type=int, default=21, help="calls of each kind, at least 20 (default 21)")
    options = parser.parse_args(argv)
    if options.records < 1 or options.runs < 20:
        parser.error("at least 1 record and 20 runs are needed")
    try:
        report = run(options.records, options.runs)
    except (BenchError, subprocess.CalledProcessError, OSError) as error:
        print(f"bench api: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2) if options.json else as_table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
