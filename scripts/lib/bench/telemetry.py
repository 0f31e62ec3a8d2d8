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
import pathlib
import subprocess
import sys

from . import beside, calls, figures, outage, parts, report
from .lab import URI
from .parts import log
from .pauses import PauseWatch
from .process import turn
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


def arguments_of(command_line):
    parser = parts.parser_of("telemetry", __doc__, PARTS)
    number = parts.at_least_one
    parser.add_argument("--seconds", type=number, metavar="N", help="how long the collector runs on simulated guests [600]")
    parser.add_argument("--guests", type=number, metavar="N", help=f"real guests of {GUEST_MIB} MiB [20]")
    parser.add_argument("--window", type=number, metavar="SECONDS", help="how long each way is measured at a time [30]")
    parser.add_argument("--rounds", type=number, metavar="N", help="how often [3]")
    parser.add_argument("--pairs", type=number, metavar="N", help="pairs of live dumps [15]")
    parser.add_argument("--minutes", type=number, metavar="N", help="how long InfluxDB is away [10]")
    parser.add_argument("--examples", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    chosen = parts.chosen_of(parser, command_line, PARTS)
    usual = {"seconds": 600, "guests": 20, "window": 30, "rounds": 3, "pairs": figures.DUMP_PAIRS, "minutes": 10}
    if chosen.quick:
        usual = {"seconds": 20, "guests": 4, "window": 10, "rounds": 1, "pairs": 2, "minutes": 1}
    for name, value in usual.items():
        setattr(chosen, name, getattr(chosen, name) or value)
    return chosen


class Telemetry(parts.Parts):
    """The measurement, one part after the other."""

    def __init__(self, chosen, lab, work):
        super().__init__(chosen)
        self.lab, self.work = lab, work
        # It collects when it is told to, and not before.
        self.memdeck = Memdeck(chosen.memdeck.resolve(), work, ["TELEMETRY=off"])

    def run(self):
        for part, measure in (("collector", self.collector), ("chart", self.chart), ("calls", self.calls), ("import", self.imports)):
            self.part(part, measure)
        if {"guests", "tools", "outage"} & set(self.chosen.only):
            with self.guarded("guests"):
                self.on_guests()
        self.part("dumps", self.dumps)

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
    largest_mib = max(chosen.guests * (GUEST_MIB + BESIDE_GUEST_MIB), DUMPED_MIB) // 2
    telemetry, about = parts.measured(lambda lab, work: Telemetry(chosen, lab, work), largest_mib)
    return result_of({**telemetry.found, "failures": telemetry.failures}, chosen, about)


def result_of(found, chosen, about):
    """Everything that is printed, from what was measured."""
    result = {
        "machine": about,
        "settings": {name: getattr(chosen, name) for name in ("only", "quick", "seconds", "guests", "window", "rounds", "pairs", "minutes")},
        "ways": figures.ways_of(found.get("windows", [])),
        **found,
    }
    marks = figures.telemetry_marks(result)
    result["bar"] = [mark.as_json() for mark in marks]
    return result, marks


def as_text(result, marks):
    yield from parts.about_lines(result["machine"])
    yield ""
    if result["ways"]:
        header = ["milliseconds per guest and sample", "together", "program", "libvirt", "guests' QEMU", "samples/s", "cores of others"]
        yield from report.table(header, [_way_line(way) for way in result["ways"]])
        yield ""
    if "outage" in result:
        yield outage_line(result["outage"])
        yield ""
    yield from parts.bar_lines(result, marks, PARTS)


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
    return parts.main("telemetry", arguments_of(command_line), measure, as_text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
