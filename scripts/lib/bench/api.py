"""Measures the calls of the page over HTTP on loopback, on a catalog full of made-up records.

Every question is asked often enough for a median. What is measured is the whole call as a client sees it: the query,
JSON and loopback. The same pages are asked for as a caller whose limits name a thousand guests. Needs Python's standard library
only.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.parse
import uuid

from . import report, served
from .figures import percentile
from .process import BenchError

# What a page, a search, an order and a filter may take, in milliseconds.
TARGET_MS = 50
WARM_UP_RUNS = 3
# Guests in the limits of a caller.
LIMITED_TO = 1000
# Opens everything, where somebody needs a token.
ADMIN = "the administrator of a benchmark"
# The newest records, among which its guests are found.
ASKED_FOR_GUESTS = 2000


def cases(records):
    """Name, path, and whether the target holds for it."""

    def listing(**query):
        return "/api/memory-dumps/records?" + urllib.parse.urlencode({"limit": 25, **query})

    def export(**query):
        return "/api/memory-dumps/export.csv?" + urllib.parse.urlencode(query)

    deep = max(0, records - 25)
    return [
        ("first page", listing(), True),
        ("first page of 100", listing(limit=100), True),
        ("search, 1 character: w", listing(search="w"), True),
        ("search, 1 character: a", listing(search="a"), True),
        ("search, name: web-0", listing(search="web-0"), True),
        ("search, id: 42", listing(search="42"), True),
        ("search, hash: abc", listing(search="abc"), True),
        ("search, case: IR-2026-01", listing(search="IR-2026-01"), True),
        ("search, note: night shift", listing(search="night shift"), True),
        ("search, nothing found", listing(search="no such guest"), True),
        ("sort by timestamp, oldest", listing(order="asc"), True),
        ("sort by name", listing(sort="dom", order="asc"), True),
        ("sort by id", listing(sort="vmid", order="desc"), True),
        ("sort by duration", listing(sort="duration_sec"), True),
        ("sort by hash", listing(sort="sha256"), True),
        ("sort by path", listing(sort="dump_path"), True),
        ("sort by stored size", listing(sort="gzip_size_bytes"), True),
        ("sort by raw size", listing(sort="raw_size_bytes"), True),
        ("filter, failed", listing(state="failed"), True),
        ("filter, complete", listing(state="complete"), True),
        ("filter, host", listing(host="hv03"), True),
        ("filter, host and mode", listing(host="hv03", mode="frozen"), True),
        ("filter, one week", listing(**{"from": "2024-03-01", "to": "2024-03-07"}), True),
        ("last page", listing(offset=deep), True),
        ("last page, by duration", listing(offset=deep, sort="duration_sec"), True),
        ("last page, by name", listing(offset=deep, sort="dom"), True),
        ("search w by duration", listing(search="w", sort="duration_sec"), False),
        ("search web-0 by duration", listing(search="web-0", sort="duration_sec"), False),
        ("host by name", listing(host="hv03", sort="dom"), False),
        ("totals", "/api/memory-dumps/stats", True),
        ("CSV of a search: web-0", export(search="web-0"), False),
        ("CSV of everything", export(), False),
    ]


def call(connection, method, path, body=None, token=None):
    """The answer's body."""
    headers = {"content-type": "application/json"} if body else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    connection.request(method, path, body and json.dumps(body), headers)
    response = connection.getresponse()
    said = response.read()
    if response.status >= 300:
        raise BenchError(f"{method} {path} answered {response.status}: {said[:200]!r}")
    return said


def guests_of_limits(rows):
    """Every other guest of the records, by host and name, and as many that have none as make up the thousand, by UUID."""
    known = sorted({f"{row['host']}/{row['dom']}" for row in rows if row.get("host")})[::2]
    if len(known) > LIMITED_TO:
        raise BenchError(f"{len(known)} guests are more than the {LIMITED_TO} of the limits")
    return known + [str(uuid.UUID(int=number + 1)) for number in range(LIMITED_TO - len(known))]


def limited_token(address):
    """An API token that sees a thousand guests and no others."""
    connection = http.client.HTTPConnection(address, timeout=120)
    pages = (f"/api/memory-dumps/records?limit=100&offset={offset}" for offset in range(0, ASKED_FOR_GUESTS, 100))
    rows = [record for path in pages for record in json.loads(call(connection, "GET", path, token=ADMIN))["records"]]
    wanted = {"name": "limited", "role": "viewer", "guests": guests_of_limits(rows)}
    token = json.loads(call(connection, "POST", "/api/tokens", wanted, token=ADMIN))["token"]
    all_of_them, its_own = (
        json.loads(call(connection, "GET", "/api/memory-dumps/records?limit=1", token=caller))["total"] for caller in (ADMIN, token)
    )
    connection.close()
    if not 0 < its_own < all_of_them:
        raise BenchError(f"the limited caller sees {its_own} records of {all_of_them}")
    return token


def limited(measured):
    """What is asked as the limited caller: pages and totals, no files."""
    return [(f"limited: {name}", path, True) for name, path, has_target in measured if has_target]


def measure(address, path, runs, token=None):
    """Times of `runs` calls in milliseconds, and the bytes of one answer."""
    connection = http.client.HTTPConnection(address, timeout=120)
    times, size = [], 0
    for run in range(WARM_UP_RUNS + runs):
        begun = time.perf_counter()
        body = call(connection, "GET", path, token=token)
        elapsed = (time.perf_counter() - begun) * 1000
        size = len(body)
        if run >= WARM_UP_RUNS:
            times.append(elapsed)
    connection.close()
    return times, size


def run(records, runs):
    program, seed = served.build()
    results = []
    asked = cases(records)
    with served.home_with(records, seed) as home:
        with served.Server(program, home) as server:
            for name, path, has_target in asked:
                times, size = measure(server.address, path, runs)
                results.append(result_of(name, path, has_target, times, size))
        # Where nobody needs a token, one that is sent limits nobody.
        with served.Server(program, home, OPEN_ACCESS="", MEMDECK_TOKEN=ADMIN) as server:
            token = limited_token(server.address)
            for name, path, has_target in limited(asked):
                times, size = measure(server.address, path, runs, token)
                results.append(result_of(name, path, has_target, times, size))
    return {"records": records, "runs": runs, "cpus": os.cpu_count(), "load": os.getloadavg()[0], "results": results}


def result_of(name, path, has_target, times, size):
    median = statistics.median(times)
    return {
        "name": name,
        "path": path,
        "median_ms": round(median, 2),
        "p95_ms": round(percentile(times, 95), 2),
        "bytes": size,
        "target_ms": TARGET_MS if has_target else None,
        "is_met": median <= TARGET_MS if has_target else None,
    }


def as_text(found):
    yield (
        f"{found['records']:,} records, medians of {found['runs']} calls over HTTP on loopback, "
        f"{found['cpus']} CPUs, load {found['load']:.1f}"
    )
    yield ""
    lines = [
        [
            result["name"],
            f"{result['median_ms']:.1f}",
            f"{result['p95_ms']:.1f}",
            f"{result['bytes']:,}",
            "" if result["target_ms"] is None else f"≤ {result['target_ms']}",
            "" if result["target_ms"] is None else report.WORDS[result["is_met"]],
        ]
        for result in found["results"]
    ]
    yield from report.table(["call", "median ms", "95 % ms", "answer bytes", "must be", ""], lines)


def main(argv):
    parser = argparse.ArgumentParser(prog="bench api", description="Measures the calls of the page.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--records", type=int, default=100_000, help="records in the catalog (default 100000)")
    parser.add_argument("--runs", type=int, default=21, help="calls of each kind, at least 20 (default 21)")
    options = parser.parse_args(argv)
    if options.records < 1 or options.runs < 20:
        parser.error("at least 1 record and 20 runs are needed")
    try:
        found = run(options.records, options.runs)
    except (BenchError, subprocess.CalledProcessError, OSError) as error:
        print(f"bench api: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2) if options.json else "\n".join(as_text(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
