"""bench telemetry: what the collector costs, what it costs others, and what becomes of its points.

Parts, each of which can be had alone (--only):

- collector: the collector on 1,000 simulated guests of 3 devices, at one sample a second
- guests:    idle real guests: one call for all of them, against a call for each and for each of its devices
- tools:     the same guests: memdeck against collectd with its virt plugin and prometheus-libvirt-exporter
- dumps:     a live dump while the collector runs, against one while it does not, in turn
- outage:    InfluxDB goes away under load and comes back
- calls:     GET /api/telemetry/vm-telemetry with 1,000 guests
- chart:     seven days of one guest from memdeck's own store
- import:    100,000 rows of older tools come from InfluxDB into the table

Ways of `guests` and `tools` take turns on the same guests, a window each, so that whatever changes on the machine changes
it for all of them. Processor time is that of the processes that work for a way: the program and libvirt's daemon.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

from . import beside, calls, capture, figures, machine, outage, report
from .lab import LAB_DIR, URI, Lab
from .pauses import PauseWatch
from .process import BenchError, turn
from .ways import Bench, Memdeck
from .windows import Windows

PARTS = ("collector", "guests", "tools", "dumps", "outage", "calls", "chart", "import")
WAYS = {"guests": ("memdeck", "together", "each"), "tools": ("memdeck", "collectd", "exporter")}
# The least that the kernel of the lab boots with.
GUEST_MIB = 80
DUMPED_MIB = 512
SIMULATED = 1000
DEVICES = 3
CALLS = 500
ROWS = 100_000
# Beside its memory, an emulated guest has QEMU's.
BESIDE_GUEST_MIB = 128


def log(line):
    print(line, file=sys.stderr, flush=True)


def arguments_of(command_line):
    parser = argparse.ArgumentParser(
        prog="bench telemetry", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    number = capture.at_least_one
    parser.add_argument("--json", action="store_true", help="print the result as JSON and nothing else")
    parser.add_argument("--quick", action="store_true", help="for trying: everything small and short")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help="this part, and others that are named so")
    parser.add_argument("--seconds", type=number, metavar="N", help="how long the collector runs on simulated guests [600]")
    parser.add_argument("--guests", type=number, metavar="N", help=f"real guests of {GUEST_MIB} MiB [20]")
    parser.add_argument("--window", type=number, metavar="SECONDS", help="how long each way is measured at a time [30]")
    parser.add_argument("--rounds", type=number, metavar="N", help="how often [3]")
    parser.add_argument("--pairs", type=number, metavar="N", help="pairs of live dumps [15]")
    parser.add_argument("--minutes", type=number, metavar="N", help="how long InfluxDB is away [10]")
    for program in ("memdeck", "examples"):
        parser.add_argument(f"--{program}", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args(command_line)
    usual = {"seconds": 600, "guests": 20, "window": 30, "rounds": 3, "pairs": figures.DUMP_PAIRS, "minutes": 10}
    if chosen.quick:
        usual = {"seconds": 20, "guests": 4, "window": 10, "rounds": 1, "pairs": 2, "minutes": 1}
    for name, value in usual.items():
        setattr(chosen, name, getattr(chosen, name) or value)
    chosen.only = [part for part in PARTS if part in (chosen.only or PARTS)]
    return chosen


class Telemetry:
    """The measurement, one part after the other; what was measured is in `found`."""

    def __init__(self, chosen, lab, work):
        self.chosen, self.lab, self.work = chosen, lab, work
        # It collects when it is told to, and not before.
        self.memdeck = Memdeck(chosen.memdeck.resolve(), work, ["TELEMETRY=off"])
        self.found, self.failures = {}, {}

    def run(self):
        """What fails is told at the end, and the other parts are measured all the same."""
        for part, measure in (("collector", self.collector), ("chart", self.chart), ("calls", self.calls), ("import", self.imports)):
            self.part(part, measure)
        if {"guests", "tools", "outage"} & set(self.chosen.only):
            with self.guarded("guests"):
                self.on_guests()
        self.part("dumps", self.dumps)

    def part(self, name, measure):
        if name in self.chosen.only:
            log(f"{name}:")
            with self.guarded(name):
                self.found[name] = measure()

    @contextlib.contextmanager
    def guarded(self, part):
        try:
            yield
        except (BenchError, OSError, subprocess.SubprocessError) as cause:
            log(f"  {part}: {cause}")
            self.failures[part] = str(cause)

    def example(self, name, *arguments):
        command = [self.chosen.examples / name, *map(str, arguments)]
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
        log(f"  {ended.stdout.strip()}")
        return json.loads(ended.stdout)

    def collector(self):
        return self.example("load", SIMULATED, self.chosen.seconds, DEVICES, 1000, "points")

    def chart(self):
        return self.example("week", 2 if self.chosen.quick else 20)

    def calls(self):
        many = SIMULATED // 10 if self.chosen.quick else SIMULATED
        return calls.of_many_guests(self.memdeck.program, self.work, many, CALLS, log)

    def imports(self):
        return calls.importing(self.memdeck.program, self.work, ROWS // 10 if self.chosen.quick else ROWS, log)

    def on_guests(self):
        count = self.chosen.guests
        names = [f"bench-idle-{number:02}" for number in range(1, count + 1)]
        log(f"{count} guests of {GUEST_MIB} MiB")
        with turn():
            self.lab.start_all(names, GUEST_MIB, 0, "idle")
        wanted = [part for part in WAYS if part in self.chosen.only]
        if wanted:
            log(f"{', '.join(wanted)}:")
            self.windows(["nothing", *dict.fromkeys(way for part in wanted for way in WAYS[part])])
        self.part("outage", lambda: outage.measure(self.memdeck, names, self.work, self.chosen.minutes, log))
        for name in names:
            self.lab.stop(name)

    def windows(self, wanted):
        windows = Windows(self.chosen.window, log)
        self.found["windows"] = windows.seen
        with self.memdeck.service() as service:
            ways = windows.ways(service, self.chosen.examples / "collect", self.work)
            for number in range(1, self.chosen.rounds + 1):
                log(f"  round {number} of {self.chosen.rounds}")
                for way in wanted:
                    with self.guarded(way):
                        windows.measure(way, ways[way])

    def dumps(self):
        name = "bench-beside"
        try:
            with turn():
                self.lab.start(name, DUMPED_MIB, 0)
            watch = PauseWatch(URI, name)
            with contextlib.closing(watch), self.memdeck.service() as service:
                bench = Bench(name, DUMPED_MIB, watch, self.work, self.memdeck)
                return beside.measure(bench, service, 1, self.chosen.pairs, log)
        finally:
            self.lab.stop(name)


def measure(chosen):
    machine.require_room(max(chosen.guests * (GUEST_MIB + BESIDE_GUEST_MIB), DUMPED_MIB) // 2, LAB_DIR.parent)
    LAB_DIR.mkdir(parents=True, exist_ok=True)
    # Registered first is done last.
    with contextlib.ExitStack() as stack:
        stack.enter_context(capture._alone())
        work = LAB_DIR / "bench"
        shutil.rmtree(work, ignore_errors=True)  # of a benchmark that was killed
        work.mkdir(mode=0o700)
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        lab = Lab(log)
        stack.callback(lab.close)
        stack.push(capture._ignore_signals)
        telemetry = Telemetry(chosen, lab, work)
        load = os.getloadavg()[0]
        telemetry.run()
        return result_of({**telemetry.found, "failures": telemetry.failures}, chosen, load)


def result_of(found, chosen, load):
    """Everything that is printed, from what was measured."""
    result = {
        "machine": {**machine.hardware(), "load_before": round(load, 2)},
        "settings": {name: getattr(chosen, name) for name in ("only", "quick", "seconds", "guests", "window", "rounds", "pairs", "minutes")},
        "ways": figures.ways_of(found.get("windows", [])),
        **found,
    }
    marks = figures.telemetry_marks(result)
    result["bar"] = [mark.as_json() for mark in marks]
    return result, marks


def as_text(result, marks):
    about = result["machine"]
    yield f"{about['cpu']}, {about['cores']} cores, {about['memory_mib']} MiB, load {about['load_before']} before"
    yield ""
    if result["ways"]:
        header = ["milliseconds per guest and sample", "together", "program", "libvirt", "guests' QEMU", "samples/s", "cores of others"]
        yield from report.table(header, [_way_line(way) for way in result["ways"]])
        yield ""
    if "outage" in result:
        yield outage_line(result["outage"])
        yield ""
    for part, cause in result.get("failures", {}).items():
        yield f"{part} was not measured to its end: {cause}"
    is_whole = len(result["settings"]["only"]) == len(PARTS)
    yield from report.bar_table([mark for mark in marks if is_whole or mark.value is not None])


def _way_line(way):
    parts = ("ms", "program_ms", "daemon_ms", "qemu_ms")
    rates = ("samples_per_s", "others_cores")
    return [way["way"], *(report.number(way[part], 3) for part in parts), *(report.number(way[rate]) for rate in rates)]


def outage_line(found):
    return (
        f"InfluxDB away for {found['minutes']:g} min: {found['dumps']} dumps, {found['collections']} collections;"
        f" {found['points_written']} points sent, {found['points_stored']} found, {found['points_dropped']} dropped by the full queue"
    )


def main(command_line):
    chosen = arguments_of(command_line)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, capture._interrupt)
    try:
        result, marks = measure(chosen)
    except (BenchError, OSError, subprocess.SubprocessError) as cause:
        log(f"bench telemetry: {cause}")
        return 1
    print(json.dumps(result, indent=1) if chosen.json else "\n".join(as_text(result, marks)))
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
