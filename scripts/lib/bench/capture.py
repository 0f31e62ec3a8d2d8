"""bench capture: memdeck's dumps, side by side with the present way, virsh alone and SHA-256 alone.

All ways take the same guests in one run, in turn (A B C, A B C, ...), so that whatever changes on the machine changes
it for all of them. Guests are started one at a time and stopped again.

- present: virsh dump --memory-only, then SHA-256, then gzip -6
- virsh:   virsh dump --memory-only alone
- sha256:  SHA-256 alone of the same image from the page cache
- frozen, live, turbo: memdeck in each mode that it has, as a service: from the call that asks for the dump to the event
  that says that its image is sealed

Then guests that write to their memory all the time: the pause of live dumps, and images that must not be torn.
"""

import argparse
import contextlib
import json
import pathlib
import sys

from . import figures, machine, parts, report
from .alone import alone, to_its_end
from .lab import ROOT, URI, content_facts
from .pauses import PauseWatch
from .process import turn
from .ways import Bench, Memdeck

TORN_GUEST_MIB = 128
TORN_MIBPS = 300
# The guest writes all of it many times in a second, and what it has written since a pass began fits into the last one.
# Several passes over an emulated guest are not believed by memdeck where QEMU is old.
TORN_BUFFER_MIB = 24
TORN_PAUSE_BUDGET_MS = 100
# So many dumps are tried for each one that is wanted, where some cannot be taken in their mode.
TORN_TRIES = 4


def log(line):
    print(line, file=sys.stderr, flush=True)


def sizes(text):
    found = sorted({int(part) for part in text.split(",")})
    if not found or found[0] < 256 or found[-1] > 1 << 20:
        raise argparse.ArgumentTypeError("guests have 256 MiB to 1 TiB, for example 512,1024")
    return found


def setting(text):
    if "=" not in text:
        raise argparse.ArgumentTypeError("NAME=VALUE is wanted")
    return text


def arguments_of(command_line):
    parser = argparse.ArgumentParser(
        prog="bench capture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON and nothing else")
    parser.add_argument("--quick", action="store_true", help="for trying: one guest of 512 MiB, 1 run, 3 dumps for torn")
    parser.add_argument("--sizes", type=sizes, metavar="MIB,...", help="guests [512,1024,2048,4096]")
    parser.add_argument("--runs", type=parts.at_least_one, metavar="N", help="runs of each way on each guest [3]")
    parser.add_argument(
        "--hot", type=sizes, metavar="MIB,...", help="guests that write 100 MiB/s [the smallest and largest of --sizes]"
    )
    parser.add_argument("--torn", type=int, metavar="N", help="dumps per mode that are searched for torn pages [15]")
    parser.add_argument("--only-torn", action="store_true", help="search for torn pages and measure nothing else")
    parser.add_argument("--set", action="append", default=[], type=setting, metavar="NAME=VALUE", help="a setting of memdeck")
    parser.add_argument("--memdeck", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args(command_line)
    defaults = ([512], 1, 3) if chosen.quick else ([512, 1024, 2048, 4096], 3, figures.TORN_DUMPS)
    chosen.sizes = chosen.sizes or defaults[0]
    chosen.runs = chosen.runs or defaults[1]
    chosen.torn = defaults[2] if chosen.torn is None else chosen.torn
    if chosen.only_torn and chosen.torn < 1:
        parser.error("--only-torn and --torn 0 leave nothing to do")
    chosen.hot = chosen.hot or sorted({chosen.sizes[0], chosen.sizes[-1]})
    return chosen


class Capture:
    """The measurement, one part after the other; what was measured is in `raw`."""

    def __init__(self, chosen, lab, work):
        self.chosen, self.lab, self.work = chosen, lab, work
        self.memdeck = Memdeck(chosen.memdeck.resolve(), work, chosen.set)
        self.modes = self.memdeck.modes()
        self.machine = None
        self.raw = {"runs": [], "into_nothing": [], "into_a_pipe": [], "reading": [], "hot": [], "torn": {}, "content": [], "profile": []}

    @contextlib.contextmanager
    def guest(self, name, mib, dirty_mibps=0, how="fill"):
        """A guest that runs and is watched meanwhile."""
        log(f"guest {name}: {mib} MiB, {dirty_mibps} MiB/s dirtied")
        watch = None
        try:
            with turn():
                self.lab.start(name, mib, dirty_mibps, how)
                watch = PauseWatch(URI, name)
            self.machine = self.machine or machine.facts(name)
            yield Bench(name, mib, watch, self.work, self.memdeck)
        finally:
            if watch is not None:
                watch.close()
            self.lab.stop(name)

    def side_by_side(self, mib):
        with self.guest(f"bench-{mib}", mib) as bench, self.memdeck.service():
            self.raw["content"].append({"guest_mib": mib, **content_facts(mib)})
            for run in range(1, self.chosen.runs + 1):
                log(f"  run {run} of {self.chosen.runs}")
                self._keep("runs", bench.present())
                self._keep("into_nothing", bench.into_nothing())
                self._keep("into_a_pipe", bench.into_a_pipe())
                self._keep("runs", bench.virsh())
                hashed = self._keep("runs", bench.sha256())
                for mode in self.modes:
                    dumped = self._keep("runs", bench.memdeck_dump(mode))
                    if mode == self.modes[-1]:
                        self._keep("reading", self._read_back(dumped, hashed))
                    self.memdeck.remove(dumped["path"])
            if mib in (self.chosen.sizes[-1], figures.GIB_IN_MIB):
                self._profile(bench)

    def _profile(self, bench):
        """One more dump per mode, which counts for no figure: where its time goes."""
        for mode in self.modes:
            dumped = bench.memdeck_dump(mode, profile=True)
            self._keep("profile", dumped)
            self.memdeck.remove(dumped["path"])

    def _read_back(self, dumped, hashed):
        verify, export = self.memdeck.verify(dumped), self.memdeck.export(dumped)
        sha256 = hashed["image_bytes"] / hashed["wall_s"]
        return {
            "guest_mib": dumped["guest_mib"],
            "verify_gb_s": verify / 1e9,
            "export_gb_s": export / 1e9,
            "sha256_gb_s": sha256 / 1e9,
        }

    def hot(self, mib):
        name = f"bench-hot-{mib}"
        with self.guest(name, mib, figures.LIVE_PAUSE_DIRTY_MIBPS) as bench, self.memdeck.service():
            for _run in range(self.chosen.runs):
                for mode in self.modes:
                    if mode != "frozen":
                        dumped = self._keep("hot", bench.memdeck_dump(mode))
                        self.memdeck.remove(dumped["path"])
            for run in self.raw["hot"]:
                if run["guest_mib"] == mib:
                    run["reached_mibps"] = self.lab.reached_mibps(name)

    def torn(self):
        name = "bench-torn"
        with self.guest(name, TORN_GUEST_MIB, TORN_MIBPS, how=str(TORN_BUFFER_MIB)) as bench:
            for mode in self.modes:
                counted = self.raw["torn"][mode] = {"dumps": 0, "torn": 0, "attempts": 0, "by_iterations": {}}
                while counted["dumps"] < self.chosen.torn and counted["attempts"] < self.chosen.torn * TORN_TRIES:
                    counted["attempts"] += 1
                    self._search(bench, mode, counted)
                counted["reached_mibps"] = self.lab.reached_mibps(name)
                log(f"  {mode}: {counted['attempts']} attempts, {counted['dumps']} dumps, {counted['torn']} torn")

    def _search(self, bench, mode, counted):
        """Takes a dump that counts only if it was taken in that mode, and searches it for pages of different instants."""
        with turn():
            dump = self.memdeck.dump_in(bench.guest, mode, TORN_PAUSE_BUDGET_MS)
        if dump["state"] != "completed":
            log(f"  {mode}: {dump['message']}")
            return
        record = dump["record"]
        consistent, sentence = self.memdeck.check(record["dump_path"], ROOT / "scripts" / "check-image")
        self.memdeck.remove(record["dump_path"])
        iterations = record.get("iterations")
        of_these = counted["by_iterations"].setdefault(str(iterations), {"dumps": 0, "torn": 0})
        for count in (counted, of_these):
            count["dumps"] += 1
            count["torn"] += not consistent
        after = f" after {iterations} iterations" if iterations else ""
        log(f"  {mode} {counted['dumps']} of {self.chosen.torn}{after}: {sentence}")

    def _keep(self, part, measured):
        self.raw[part].append(measured)
        shown = {key: value for key, value in measured.items() if key in ("way", "wall_s", "pause_ms", "copy_s", "threads") and value is not None}
        log(f"    {', '.join(f'{key} {_short(value)}' for key, value in shown.items())}" if shown else f"    {measured}")
        return measured


def _short(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def result_of(capture):
    """Everything that is printed, from what was measured."""
    raw, chosen = capture.raw, capture.chosen
    rows = figures.rows_of(raw["runs"])
    reading = [
        {
            "guest_mib": mib,
            **{name: figures.median([one[name] for one in same]) for name in ("verify_gb_s", "export_gb_s", "sha256_gb_s")},
            "verify_against_sha256": figures.median([one["verify_gb_s"] / one["sha256_gb_s"] for one in same]),
        }
        for mib, same in _by_guest(raw["reading"])
    ]
    result = {
        "rows": rows,
        "verify_gb_s": reading[-1]["verify_gb_s"] if reading else None,
        "export_gb_s": reading[-1]["export_gb_s"] if reading else None,
        "torn": raw["torn"],
        "ratios": figures.ratios_of(rows),
        "into_nothing": list(_medians_by_guest(raw["into_nothing"])),
        "into_a_pipe": list(_medians_by_guest(raw["into_a_pipe"])),
        "reading": reading,
        "profile": [figures.profile_of(dumped, capture.machine["cores"]) for dumped in raw["profile"]],
        "hot": raw["hot"],
        "hot_summary": [
            {**row, **_hot_facts(raw["hot"], row)} for row in figures.rows_of(raw["hot"])
        ],
        "fallbacks": [run for run in raw["runs"] + raw["hot"] if run.get("fallback")],
        "content": raw["content"],
        "machine": {**capture.machine, "memdeck": capture.memdeck.version()},
        "settings": {"sizes": chosen.sizes, "runs": chosen.runs, "hot": chosen.hot, "torn": chosen.torn, "set": chosen.set},
        "runs": raw["runs"],
    }
    marks = figures.bar_of(result)
    result["bar"] = [mark.as_json() for mark in marks]
    return result, marks


def _by_guest(measured):
    for mib in sorted({one["guest_mib"] for one in measured}):
        yield mib, [one for one in measured if one["guest_mib"] == mib]


def _medians_by_guest(measured):
    for mib, same in _by_guest(measured):
        yield {"guest_mib": mib, **{name: figures.median([one[name] for one in same]) for name in ("wall_s", "pause_ms")}}


def _hot_facts(runs, row):
    same = [run for run in runs if (run["way"], run["guest_mib"]) == (row["way"], row["guest_mib"])]
    return {
        "longest_pause_ms": figures.worst(max, [run["pause_ms"] for run in same]),
        "reached_mibps": same[-1]["reached_mibps"],
        "iterations": figures.median([run["iterations"] for run in same]),
    }


def measure(chosen):
    with alone(log, TORN_GUEST_MIB if chosen.only_torn else chosen.sizes[-1]) as (lab, work):
        capture = Capture(chosen, lab, work)
        if not chosen.only_torn:
            for mib in chosen.sizes:
                capture.side_by_side(mib)
            for mib in chosen.hot:
                capture.hot(mib)
        if chosen.torn > 0:
            capture.torn()
        return result_of(capture)


def main(command_line):
    chosen = arguments_of(command_line)
    found = to_its_end("bench capture", log, lambda: measure(chosen))
    if found is None:
        return 1
    result, marks = found
    if chosen.json:
        print(json.dumps(result, indent=1))
    else:
        print("\n".join(report.text(result, marks)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
