"""Measures how soon the page is there, in Chromium over loopback with the processor slowed down, and what it loads.

Two visits with an empty cache, each a few times: the sign-in page of somebody who is signed out, and Memory Dumps on a
catalog full of made-up records.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys

from . import figures, report, served
from .process import BenchError

THROTTLING = 4
# The bars.
FIRST_PAINT_MS = 1_000
INTERACTIVE_MS = 3_000
PROGRAM_BYTES = 450_000
# What each visit is told by, and how; where it has a bar, what it may be at most.
FIGURES = (
    ("first_paint_ms", "first paint", "ms", FIRST_PAINT_MS),
    ("first_contentful_paint_ms", "first contentful paint", "ms", FIRST_PAINT_MS),
    ("interactive_ms", "interactive", "ms", INTERACTIVE_MS),
    ("answered_ms", "a control answers", "ms", None),
    ("content_ms", "the content is there", "ms", None),
    ("longest_task_ms", "longest task", "ms", None),
    ("program_bytes", "WASM and JavaScript", "kB", PROGRAM_BYTES),
    ("bytes", "all that is transferred", "kB", None),
    ("requests", "requests", "", None),
)
SIGNED_OUT = {"name": "sign-in", "control": "#token", "content": "form button"}
SIGNED_IN = {"name": "Memory Dumps", "control": "input[name=theme][value=dark]", "content": ".records tbody tr"}


@dataclasses.dataclass
class Figure:
    page: str
    name: str
    unit: str
    median: float | None
    bar: float | None

    @property
    def reached(self):
        return None if self.bar is None or self.median is None else self.median <= self.bar

    def shown(self, value):
        if value is None:
            return ""
        return {"ms": f"{value:,.0f} ms", "kB": f"{value / 1000:,.1f} kB", "": f"{value:,.0f}"}[self.unit]


def figures_of(page, visits):
    """The medians of a page's visits, in the order of FIGURES."""
    return [
        Figure(page, name, unit, figures.median([visit.get(key) for visit in visits]), bar)
        for key, name, unit, bar in FIGURES
    ]


def visit(address, page, visits):
    """What Chromium tells of `visits` visits."""
    script = served.ROOT / "end2end" / "measure-page.mjs"
    arguments = [f"http://{address}/memory-dumps", page["control"], page["content"], str(visits), str(THROTTLING)]
    environment = {"CHROMIUM": "/usr/bin/chromium", **os.environ}
    ended = subprocess.run(["node", script, *arguments], env=environment, stdout=subprocess.PIPE, text=True)
    if ended.returncode != 0:
        raise BenchError(f"{page['name']} could not be measured: the browser's message is above")
    return json.loads(ended.stdout)


def run(records, visits):
    program, seed = served.build()
    site = {"SITE_DIR": str(served.ROOT / "target" / "site-release")}
    found = []
    with served.home_with(1, seed) as home:
        with served.Server(program, home, MEMDECK_TOKEN="a token for nobody", **site) as server:
            found.append((SIGNED_OUT, visit(server.address, SIGNED_OUT, visits)))
    with served.home_with(records, seed) as home, served.Server(program, home, **site) as server:
        found.append((SIGNED_IN, visit(server.address, SIGNED_IN, visits)))
    return {
        "records": records,
        "visits": visits,
        "throttling": THROTTLING,
        "browser": found[0][1]["browser"],
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "figures": [
            {**dataclasses.asdict(figure), "is_met": figure.reached}
            for page, told in found
            for figure in figures_of(page["name"], told["visits"])
        ],
        "pages": {page["name"]: told["visits"] for page, told in found},
    }


def as_text(found):
    yield (
        f"Chromium {found['browser']} over loopback, processor slowed down {found['throttling']} times, empty cache, "
        f"medians of {found['visits']} visits, {found['cpus']} CPUs, load {found['load']:.1f}"
    )
    yield f"{found['records']:,} records. Interactive: the theme switch (or field) answers, and no task of 50 ms or more follows for 5 s."
    yield ""
    lines = []
    for told in found["figures"]:
        figure = Figure(told["page"], told["name"], told["unit"], told["median"], told["bar"])
        bar = "" if figure.bar is None else f"≤ {figure.shown(figure.bar)}"
        lines.append([f"{figure.page}: {figure.name}", bar, figure.shown(figure.median) or "-", report.WORDS[figure.reached]])
    yield from report.table(["figure", "must be", "is", ""], lines)


def main(argv):
    parser = argparse.ArgumentParser(prog="bench page", description="Measures how soon the page is there.")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--records", type=int, default=100_000, help="records in the catalog (default 100000)")
    parser.add_argument("--visits", type=int, default=5, help="visits of each page (default 5)")
    options = parser.parse_args(argv)
    if options.records < 1 or options.visits < 1:
        parser.error("at least 1 record and 1 visit are needed")
    try:
        found = run(options.records, options.visits)
    except (BenchError, subprocess.CalledProcessError, OSError) as error:
        print(f"bench page: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2) if options.json else "\n".join(as_text(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
