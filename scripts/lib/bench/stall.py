"""bench stall: how long a guest stands still when something stalls beside its dump: the volume of the state or of the images,
whoever reads the log, another program with the catalog's lock, InfluxDB, all pages at once, and the volume of the images
together with the whole process.

Each stall begins while the guest is stopped for its dump, or before, and lasts for as long as is asked. The pause is what
QEMU's events say. A live dump may stop its guest for long here, so that the stall meets it while it is stopped.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from . import figures, report
from .alone import alone, ignore_signals, to_its_end
from .lab import URI
from .pauses import PauseWatch
from .process import BenchError, turn
from .service import Service
from .stalls import STALLS
from .ways import Memdeck

GUEST_MIB = 512
IMAGES_MIB = 2 * GUEST_MIB + 512
STATE_MIB = 256
SECONDS = 60
SHORTEST_S = 8
LIMIT_S = 3
# Nearly all of a guest fits into it, so a live dump soon stops it.
PAUSE_BUDGET_MS = 10_000
MODES = ("frozen", "live")
# A guest may run again before the stall has begun.
ATTEMPTS = 8
STOP_PATIENCE_S = 60
END_PATIENCE_S = 300


def log(line):
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def volume(directory, mib):
    """A file system of its own on a directory."""
    disk = directory.with_suffix(".disk")
    with open(disk, "xb") as file:
        file.truncate(mib << 20)
    subprocess.run(["mkfs.ext4", "-q", disk], check=True)
    subprocess.run(["mount", "-o", "loop", disk, directory], check=True)
    try:
        os.chmod(directory, 0o700)
        (directory / "lost+found").rmdir()
        yield
    finally:
        # Lazily: what was killed may not be gone to its last file.
        subprocess.run(["umount", "--lazy", directory], check=True)
        disk.unlink()


class Case:
    """One stall of one dump."""

    def __init__(self, memdeck, guest, watch, mode, chosen):
        self.memdeck, self.guest, self.watch, self.mode, self.chosen = memdeck, guest, watch, mode, chosen
        self.service = None

    def run(self, stall):
        """What came of it; None where the guest ran before the stall had begun."""
        with contextlib.ExitStack() as stack:
            # Whatever a dump left would make the next one find another volume.
            stack.callback(self._empty)
            variables = {**self.memdeck.variables, "FROZEN_PAUSE_LIMIT": str(self.chosen.limit)}
            with contextlib.ExitStack() as prepared:
                stalled = prepared.enter_context(stall(self))
                self.service = Service(self.memdeck.program, self.memdeck.work, **{**variables, **stalled.variables})
                prepared.enter_context(self.service)
                stalled.prepare()
                with turn():
                    return self._stall(stalled)

    def dump(self):
        """A dump to its end, in whatever way is the quickest."""
        _ended, dump = self.service.dump(self.guest, "frozen")
        if dump["job_state"] != "completed":
            raise BenchError(f"a dump without any stall failed: {dump['message']}")
        return dump["dump_id"]

    def _stall(self, stalled):
        self.watch.begin()
        dump_id = self.service.ask(self.guest, mode=self.mode, pause_budget_ms=PAUSE_BUDGET_MS)
        self.watch.wait_for_stop(STOP_PATIENCE_S)
        began = time.time()
        with stalled.stall():
            if not self.watch.is_stopped():
                met = False
            else:
                met = True
                time.sleep(max(0.0, began + self.chosen.seconds - time.time()))
            # Of one that stands still, up to now.
            longest = self.watch.longest_ms(time.time())
        if not met:
            if not stalled.stops_the_process:
                self.service.end_of(dump_id, self.guest, END_PATIENCE_S)
            return None
        if stalled.stops_the_process:
            value, end = self.watch.ms_from(began), "ended by the guardian"
            if self.service.process.wait(STOP_PATIENCE_S) != -signal.SIGKILL:
                raise BenchError("a stopped memdeck was not ended by its guardian")
        else:
            ended = self.service.end_of(dump_id, self.guest, END_PATIENCE_S)
            value, end = longest, (ended.get("end_reason") or {}).get("kind") or ended["job_state"]
        return {"stall": stalled.name, "mode": self.mode, "stops_the_process": stalled.stops_the_process, "ms": value, "end": end}

    def _empty(self):
        for path in self.memdeck.dumps.iterdir():
            path.unlink()


def measured(case, stall):
    for _attempt in range(ATTEMPTS):
        found = case.run(stall)
        if found:
            log(f"  {found['stall']}, {found['mode']}: {report.number(found['ms'], 0)} ms, {found['end']}")
            return found
    raise BenchError(f"the guest ran {ATTEMPTS} times before its stall had begun: the machine is too busy")


def measure(chosen):
    with alone(log, GUEST_MIB) as (lab, work), contextlib.ExitStack() as stack:
        guest = lab.start("bench-stall", GUEST_MIB)
        memdeck = Memdeck(chosen.memdeck.resolve(), work)
        stack.enter_context(volume(memdeck.dumps, IMAGES_MIB))
        stack.enter_context(volume(memdeck.state, STATE_MIB))
        watch = PauseWatch(URI, guest)
        stack.callback(watch.close)
        # What cleans up is not interrupted.
        stack.push(ignore_signals)
        found = [measured(Case(memdeck, guest, watch, mode, chosen), stall) for stall in STALLS for mode in MODES]
    return {"seconds": chosen.seconds, "limit_s": chosen.limit, "guest_mib": GUEST_MIB, "stalls": found}


def as_text(found, marks):
    yield f"each stall lasted {found['seconds']:g} s, a guest of {found['guest_mib']} MiB may stand still for {found['limit_s']} s"
    yield ""
    ends = [one["end"] for one in found["stalls"]]
    lines = [[m.figure, m.must, m.shown, report.WORDS[m.reached], end] for m, end in zip(marks, ends)]
    yield from report.table(["figure", "must be", "is", "", "end of the dump"], lines)


def main(argv):
    parser = argparse.ArgumentParser(prog="bench stall", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long each stall lasts [{SECONDS}]")
    parser.add_argument("--limit", type=int, default=LIMIT_S, help=f"FROZEN_PAUSE_LIMIT, in seconds [{LIMIT_S}]")
    parser.add_argument("--memdeck", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    if chosen.seconds < SHORTEST_S:
        parser.error(f"a stall lasts at least {SHORTEST_S} s: so long the guardian needs to end a stopped memdeck")
    if chosen.limit < 1 or chosen.seconds <= chosen.limit + 1:
        parser.error("a stall that is no longer than a guest may stand still shows nothing: --seconds, --limit")
    found = to_its_end("bench stall", log, lambda: measure(chosen))
    if found is None:
        return 1
    marks = figures.stall_marks(found)
    if chosen.json:
        print(json.dumps({**found, "bar": [mark.as_json() for mark in marks]}, indent=2))
    else:
        print("\n".join(as_text(found, marks)))
    return 0 if all(mark.reached for mark in marks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
