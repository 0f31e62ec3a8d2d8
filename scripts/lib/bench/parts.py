"""A benchmark of several parts, each of which can be had alone."""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys

from . import machine, report
from .alone import alone, to_its_end
from .process import BenchError


def log(line):
    print(line, file=sys.stderr, flush=True)


def at_least_one(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def parser_of(name, description, parts):
    """A parser of what all of them take."""
    parser = argparse.ArgumentParser(
        prog=f"bench {name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON and nothing else")
    parser.add_argument("--quick", action="store_true", help="for trying: everything small and short")
    parser.add_argument("--only", action="append", choices=parts, metavar="PART", help="this part, and others that are named so")
    parser.add_argument("--memdeck", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    return parser


def chosen_of(parser, command_line, parts):
    """What is asked for; `only` names the parts in their order, all of them where none is named."""
    chosen = parser.parse_args(command_line)
    chosen.only = [part for part in parts if part in (chosen.only or parts)]
    return chosen


class Parts:
    """What was measured, by part, in `found`. What fails is told at the end, and the other parts are measured all the same."""

    def __init__(self, chosen):
        self.chosen, self.found, self.failures = chosen, {}, {}

    def part(self, name, measure):
        if name in self.chosen.only:
            log(f"{name}:")
            with self.guarded(name):
                self.found[name] = measure()

    @contextlib.contextmanager
    def guarded(self, name):
        try:
            yield
        except (BenchError, OSError, LookupError, ValueError, subprocess.SubprocessError) as cause:
            log(f"  {name}: {cause!r}")
            self.failures[name] = str(cause)


def measured(parts_of, largest_mib):
    """Runs a benchmark, which `parts_of` makes of a lab and a directory. Its parts, and what it was measured on."""
    with alone(log, largest_mib) as (lab, work):
        parts = parts_of(lab, work)
        load = os.getloadavg()[0]
        parts.run()
    return parts, {**machine.hardware(), "load_before": round(load, 2)}


def about_lines(about):
    yield f"{about['cpu']}, {about['cores']} cores, {about['memory_mib']} MiB, load {about['load_before']} before"


def bar_lines(result, marks, parts):
    """What was not measured to its end, and the bar: all of it where every part was asked for, else what was measured."""
    for part, cause in result["failures"].items():
        yield f"{part} was not measured to its end: {cause}"
    is_whole = len(result["settings"]["only"]) == len(parts)
    yield from report.bar_table([mark for mark in marks if is_whole or mark.value is not None])


def main(name, chosen, measure, as_text):
    """Measures and prints, as JSON or as text; the exit code."""
    measured_now = to_its_end(f"bench {name}", log, lambda: measure(chosen))
    if measured_now is None:
        return 1
    result, marks = measured_now
    print(json.dumps(result, indent=1) if chosen.json else "\n".join(as_text(result, marks)))
    return 1 if result["failures"] else 0
