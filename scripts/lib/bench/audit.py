"""Measures the audit: how fast entries are added, how long a check of all of them takes, and what it costs in memory.

The measuring program is an example of the catalog; it fills a new catalog, and checks it as memdeck does. Needs Python's
standard library only.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from . import report
from .figures import MIB
from .process import BenchError

ROOT = pathlib.Path(__file__).resolve().parents[3]
# What a check of a million entries may take.
VERIFY_S = 10
VERIFY_ROWS = 1_000_000
EXAMPLE = ["--package", "memdeck-catalog", "--example", "audit"]


def build():
    subprocess.run(["cargo", "build", "--release", "--quiet", *EXAMPLE], cwd=ROOT, check=True, stdout=sys.stderr)
    release = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    return release / "examples" / "audit"


def run(rows, runs):
    program = build()
    home = pathlib.Path(tempfile.mkdtemp(prefix="memdeck-bench-"))
    try:
        answer = subprocess.run([program, home, str(rows), str(runs)], check=True, stdout=subprocess.PIPE).stdout
        measured = json.loads(answer)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if not measured["intact"] or measured["rows"] < rows:
        raise BenchError(f"the check found something, or not all rows: {measured}")
    return {"cpus": os.cpu_count(), "load": os.getloadavg()[0], **result_of(measured)}


def result_of(measured):
    verify_s = statistics.median(measured["verify_s"])
    is_enough = measured["rows"] >= VERIFY_ROWS
    return {
        **measured,
        "verify_median_s": round(verify_s, 2),
        "target_s": VERIFY_S,
        "is_met": verify_s <= VERIFY_S if is_enough else None,
    }


def as_text(found):
    rows = found["rows"]
    yield f"{rows:,} entries, {found['file_bytes'] / MIB:.0f} MiB; {found['cpus']} CPUs, load {found['load']:.1f}"
    yield ""
    lines = [
        ["entries added one by one", "", f"{found['note_ms']:.2f} ms each", ""],
        ["entries added together", "", f"{found['append_s']:.1f} s", ""],
        ["check of all", f"≤ {found['target_s']} s", f"{found['verify_median_s']:.2f} s", report.WORDS[found["is_met"]]],
        ["peak memory of all that", "", f"{found['peak_rss_bytes'] / MIB:.0f} MiB", ""],
    ]
    yield from report.table(["figure", "must be", "is", ""], lines)


def main(argv):
    parser = argparse.ArgumentParser(prog="bench audit", description="Measures the audit.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--rows", type=int, default=VERIFY_ROWS, help=f"entries (default {VERIFY_ROWS})")
    parser.add_argument("--runs", type=int, default=5, help="checks, of which the median counts (default 5)")
    options = parser.parse_args(argv)
    if options.rows < 1 or options.runs < 1:
        parser.error("at least 1 entry and 1 run are needed")
    try:
        found = run(options.rows, options.runs)
    except (BenchError, subprocess.CalledProcessError, OSError) as error:
        print(f"bench audit: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2) if options.json else "\n".join(as_text(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
