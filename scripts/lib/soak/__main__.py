"""soak: injects faults while real guests are dumped, and checks after each that nothing is lost, doubled, wrong, left over
or left paused. Every image is read and compared with its hash, and InfluxDB is asked, every 25 faults and at the end.

The same seed chooses the same faults in the same order; when each of them meets a dump is up to the machine.
"""

import argparse
import collections
import contextlib
import json
import pathlib
import random
import sys
import time

from bench import report
from bench.alone import fresh, ignore_signals, to_its_end

from . import faults
from .ledger import Ledger
from .world import World, directory

GUESTS = ("soak-01", "soak-02")
FAULTS = 200
ALL_EVERY = 25
# Where in a dump a fault comes: dumps of these guests take about as long.
WITHIN_S = 1.2
MODES = ("frozen", "live", "auto")


def log(line):
    print(line, file=sys.stderr, flush=True)


class Soak:
    def __init__(self, world, chosen):
        self._world, self._chosen = world, chosen
        self._chance, self._ledger = random.Random(chosen.seed), Ledger(world)
        self.injected, self.dumps = collections.Counter(), collections.Counter()
        self.violations = []

    def run(self):
        began = time.monotonic()
        queue = self._queue()
        for number, fault in enumerate(queue, 1):
            if self._chosen.minutes and time.monotonic() - began > self._chosen.minutes * 60:
                log(f"the {self._chosen.minutes:g} minutes are over")
                break
            self._inject(number, fault)
            if number % ALL_EVERY == 0:
                self._note(number, "the check of everything", self._ledger.check_all())
        self._note(sum(self.injected.values()), "the end", self._end())
        return {
            "seed": self._chosen.seed,
            "seconds": round(time.monotonic() - began, 1),
            "faults": sum(self.injected.values()),
            "by_fault": dict(self.injected),
            "dumps": dict(self.dumps),
            "records": len(self._ledger),
            "violations": self.violations,
        }

    def _queue(self):
        """Each fault once, in an order by chance; then by how often each is to come."""
        named = {faults.name_of(fault): fault for fault in faults.FAULTS}
        chosen = [named[name] for name in self._chosen.only] if self._chosen.only else list(faults.FAULTS)
        weights = [faults.FAULTS[fault] for fault in chosen]
        self._chance.shuffle(first := list(chosen))
        more = self._chance.choices(chosen, weights, k=max(0, self._chosen.faults - len(first)))
        return (first + more)[: self._chosen.faults]

    def _inject(self, number, fault):
        name, world = faults.name_of(fault), self._world
        mode = self._chance.choice(MODES)
        guests = self._chance.choice([*([one] for one in world.names), list(world.names)])
        asked = world.trigger(guests, mode)
        time.sleep(self._chance.uniform(0, WITHIN_S))
        if fault in faults.COSTS_THE_CATALOG:
            # Where the outbox is lost with the catalog, InfluxDB cannot have what was not yet sent.
            self._ledger.excuse_points()
        said = fault(world, self._chance)
        self.injected[name] += 1
        found = [*([said] if said else []), *world.settle()]
        if world.is_running():
            for dump in (world.statuses() or {}).values():
                if dump["dump_id"] in asked:
                    why = (dump.get("end_reason") or {}).get("kind", dump["job_state"])
                    self.dumps[why] += 1
            found += self._ledger.check()
        if fault in faults.COSTS_THE_CATALOG:
            self._ledger.excuse_points()
        self._note(number, f"{name}, {mode}", found)

    def _note(self, number, what, found):
        for violation in found:
            self.violations.append({"number": number, "fault": what, "violation": violation})
            log(f"{number}: VIOLATION after {what}: {violation}")
        if not found and self._chosen.verbose:
            log(f"{number}: {what}")

    def _end(self):
        found = self._ledger.check_all()
        self._world.end()
        left = self._world.processes()
        found += [f"processes are left: {left}"] if left else []
        paused = [name for name in self._world.names if self._world.state_of(name) != "running"]
        return found + ([f"guests do not run: {', '.join(paused)}"] if paused else [])


def measure(chosen):
    work = directory()
    with fresh(work), contextlib.ExitStack() as stack:
        world = stack.enter_context(World(chosen.memdeck.resolve(), work, GUESTS, log))
        # What cleans up is not interrupted.
        stack.push(ignore_signals)
        return Soak(world, chosen).run()


def as_text(found):
    yield f"seed {found['seed']}, {found['seconds']:g} s, {found['records']} records"
    yield ""
    yield from report.table(["fault", "injected"], [[name, str(count)] for name, count in sorted(found["by_fault"].items())])
    yield ""
    yield from report.table(["end of a dump that a fault met", "dumps"], [[why, str(n)] for why, n in sorted(found["dumps"].items())])
    yield ""
    yield f"{found['faults']} faults injected, {len(found['violations'])} violations"


def main(argv):
    parser = argparse.ArgumentParser(prog="soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=FAULTS, help=f"how many [{FAULTS}]; the first are one of each kind")
    parser.add_argument("--seed", type=int, default=1, help="what is chosen by chance [1]")
    parser.add_argument("--minutes", type=float, default=None, help="begin no further fault after that time")
    names = [faults.name_of(fault) for fault in faults.FAULTS]
    parser.add_argument("--only", action="append", choices=names, metavar="FAULT", help=f"of {', '.join(names)}")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument("--verbose", action="store_true", help="a line for each fault")
    parser.add_argument("--memdeck", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args(argv)
    if chosen.faults < 1:
        parser.error("at least one fault: --faults")
    found = to_its_end("soak", log, lambda: measure(chosen))
    if found is None:
        return 2
    print(json.dumps(found, indent=2) if chosen.json else "\n".join(as_text(found)))
    return 1 if found["violations"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
