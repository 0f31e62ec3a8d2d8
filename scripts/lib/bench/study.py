"""bench study: how soon the images of dumps answer questions.

Parts, each of which can be had alone (--only):

- inside:  the guest's own view, of a small guest and of a large one
- compare: two dumps of the large guest: the figures, and the whole map that the page draws
- hunt:    a list of a thousand strings over one image of the large guest, and over all of them
- mount:   random and sequential reads of a mounted image by other programs
- second:  a second dump of a guest that idles, stored as a difference: its bytes and its processor time against a full one

The large guest has a quarter of its memory full of files, writes to another quarter, and leaves the rest empty. Every call
is repeated and its median counts; programs are started anew each time, as an operator starts them.
"""

import contextlib
import http.client
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time

from . import figures, parts
from .figures import MIB
from .parts import log
from .process import BenchError, measured, stop, turn
from .ways import Memdeck

PARTS = ("inside", "compare", "hunt", "mount", "second")
SMALL_MIB = 512
LARGE_MIB = 4096
DUMPS = 10
INDICATORS = 1000
PAGE_BYTES = 4096
READERS = 2
READ_S = 10
RUNS = 5
# Anything that answers within this is there.
MOUNT_PATIENCE_S = 60
# Between a dump and the one that is a difference to it; what a guest does after its start is over by then.
IDLE_S, QUICK_IDLE_S, SETTLE_S = 600, 60, 30
# As many cells as the page asks for.
MAP_CELLS = 16384


def arguments_of(command_line):
    parser = parts.parser_of("study", __doc__, PARTS)
    parser.add_argument("--runs", type=parts.at_least_one, metavar="N", help=f"calls of which the median counts [{RUNS}]")
    chosen = parts.chosen_of(parser, command_line, PARTS)
    chosen.large, chosen.dumps = (SMALL_MIB, 3) if chosen.quick else (LARGE_MIB, DUMPS)
    chosen.runs = chosen.runs or (2 if chosen.quick else RUNS)
    return chosen


def median_of(runs, measure):
    """The median of what `measure` returns, in seconds."""
    return statistics.median(measure() for _ in range(runs))


def indicators(count):
    """Strings as they stand in lists of indicators: names of hosts that no guest knows."""
    numbers = random.Random(1)
    return [f"{numbers.getrandbits(64):016x}.c2.example" for _ in range(count)]


def page_offsets(image):
    """Offsets of the pages that are not zero, in no order, of an exported image with holes."""
    found = []
    with open(image, "rb") as file:
        fd, size, at = file.fileno(), image.stat().st_size, 0
        while at < size:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            until = os.lseek(fd, at, os.SEEK_HOLE)
            for page in range(at - at % PAGE_BYTES, until, PAGE_BYTES):
                if os.pread(fd, PAGE_BYTES, page).strip(b"\0"):
                    found.append(page)
            at = until
    if not found:
        raise BenchError(f"{image} has no page that is not zero")
    random.Random(2).shuffle(found)
    return found


def read_pages(path, offsets, seconds, counted):
    """Reads each page once, for a while, and puts their number and the time into a queue. Runs in a process of its own."""
    reads = 0
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    began = time.monotonic()
    for offset in offsets:
        if time.monotonic() - began > seconds:
            break
        if len(os.pread(fd, PAGE_BYTES, offset)) != PAGE_BYTES:
            raise BenchError(f"{path} ends before {offset}")
        reads += 1
    os.close(fd)
    counted.put((reads, time.monotonic() - began))


class Study(parts.Parts):
    """The measurement, one part after the other."""

    def __init__(self, chosen, lab, work):
        super().__init__(chosen)
        self.lab, self.work = lab, work
        self.memdeck = Memdeck(chosen.memdeck.resolve(), work, ["TELEMETRY=off", "OPEN_ACCESS=loopback"])
        self.large, self.small = [], []

    def run(self):
        self.small = self.take("study-small", SMALL_MIB, 1 if "inside" in self.chosen.only else 0)
        self.large = self.take("study-large", self.chosen.large, self.dumps_needed())
        for part in PARTS:
            self.part(part, getattr(self, part))

    def dumps_needed(self):
        counts = {"hunt": self.chosen.dumps, "compare": 2, "inside": 1, "mount": 1}
        return max((counts.get(part, 0) for part in self.chosen.only), default=0)

    def take(self, name, mib, count):
        """So many dumps of a guest that runs for them alone."""
        if count == 0:
            return []
        log(f"{count} dumps of a guest of {mib} MiB")
        with turn():
            self.lab.start(name, mib, 8)
            try:
                return [self.memdeck.dump_in(name, "frozen", 60)["record"] for _ in range(count)]
            finally:
                self.lab.stop(name)

    def timed(self, *arguments):
        ended = self.memdeck.run(*arguments).or_fail(f"memdeck {arguments[0]}")
        log(f"  memdeck {arguments[0]}: {ended.cost.wall_s:.2f} s, {ended.cost.peak_rss_bytes / MIB:.0f} MiB")
        return ended

    def inside(self):
        found = {}
        for size, record in (("small", self.small[0]), ("large", self.large[-1])):
            runs = [self.timed("inside", record["dump_path"], "--json") for _ in range(self.chosen.runs)]
            told = json.loads(runs[0].stdout)
            if not told["processes"].get("rows"):
                raise BenchError(f"no process was found in the {size} guest: {runs[0].stdout[:300]}")
            found[size] = {
                "wall_s": statistics.median(run.cost.wall_s for run in runs),
                "peak_rss_bytes": max(run.cost.peak_rss_bytes for run in runs),
            }
        return found

    def compare(self):
        before, after = (record["dump_id"] for record in self.large[-2:])
        figures_s = median_of(self.chosen.runs, lambda: self.timed("compare", before, after, "--json").cost.wall_s)
        with self.memdeck.service() as service:
            path = f"/api/memory-dumps/{before}/compare/{after}/map?cells={MAP_CELLS}"

            def ask():
                connection = http.client.HTTPConnection(service.address, timeout=60)
                began = time.monotonic()
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                took = time.monotonic() - began
                if answer.status != 200:
                    raise BenchError(f"GET {path} answered {answer.status}: {body[:200]!r}")
                connection.close()
                return took

            map_s = median_of(self.chosen.runs, ask)
        log(f"  the map: {map_s:.3f} s")
        return {"figures_s": figures_s, "map_s": map_s}

    def hunt(self):
        listed = self.work / "indicators"
        listed.write_text("\n".join(indicators(INDICATORS)) + "\n", encoding="ascii")
        newest = self.large[-1]
        ask = ["hunt", "--file", listed, "--json"]
        one_s = median_of(self.chosen.runs, lambda: self.timed(*ask, "--in", newest["dump_path"]).cost.wall_s)
        every = [part for record in self.large for part in ("--in", record["dump_path"])]
        all_s = median_of(self.chosen.runs, lambda: self.timed(*ask, *every).cost.wall_s)
        return {"one_s": one_s, "all_s": all_s, "images": len(self.large), "image_bytes": newest["raw_size_bytes"]}

    def mount(self):
        record = self.large[-1]
        exported = self.work / "exported.raw"
        self.timed("export", record["dump_path"], "--format", "raw", "-o", exported)
        offsets = page_offsets(exported)
        script = 'set -o pipefail; "$1" export "$2" --format raw -o - | cat >/dev/null'
        command = ["bash", "-c", script, "export", self.memdeck.program, record["dump_path"]]

        def export_s():
            return measured(command, env=self.memdeck.variables, cwd=self.work).or_fail("memdeck export").cost.wall_s

        pairs = []
        for _ in range(self.chosen.runs):
            # A mount of its own each time: nothing of the image is unpacked yet.
            with self.mounted() as where:
                raw = self.file_of(where, record)
                read_s = measured(["dd", f"if={raw}", "of=/dev/null", "bs=1M", "status=none"]).or_fail("dd").cost.wall_s
            pairs.append((read_s, export_s()))
            log(f"  sequential: {pairs[-1][0]:.2f} s mounted, {pairs[-1][1]:.2f} s exported")
        with self.mounted() as where:
            reads = self.random_reads(self.file_of(where, record), offsets)
        exported.unlink()
        return {"reads_per_s": reads, "of_export": statistics.median(export / read for read, export in pairs)}

    def second(self):
        name, idle_s = "study-second", QUICK_IDLE_S if self.chosen.quick else IDLE_S
        with turn():
            self.lab.start(name, self.chosen.large)
            try:
                time.sleep(SETTLE_S)
                self.costly(name)
                log(f"  the guest idles for {idle_s} s")
                time.sleep(idle_s)
                difference, full = self.costly(name, "--difference"), self.costly(name)
            finally:
                self.lab.stop(name)
        if not difference["is_difference"]:
            raise BenchError("the second dump was stored whole: memdeck's log says why")
        return {"idle_s": idle_s, "difference": difference, "full": full}

    def costly(self, name, *options):
        """What a frozen dump by a program of its own costs, and all files that it leaves."""
        ended = self.memdeck.run("dump", name, "--mode", "frozen", "--json", *options).or_fail(f"memdeck dump of {name}")
        record = json.loads(ended.stdout)["dumps"][0]["record"]
        stored = self.memdeck.stored_bytes(record["dump_id"])
        log(f"  memdeck dump {' '.join(options)}: {ended.cost.cpu_s:.2f} s of CPU, {stored / MIB:.1f} MiB stored")
        is_difference = "difference_of" in record
        return {"cpu_s": ended.cost.cpu_s, "wall_s": ended.cost.wall_s, "stored_bytes": stored, "is_difference": is_difference}

    def random_reads(self, path, offsets):
        counted = multiprocessing.SimpleQueue()
        readers = [
            # No page twice: the second time the kernel has it.
            multiprocessing.Process(target=read_pages, args=(path, offsets[number::READERS], READ_S, counted))
            for number in range(READERS)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        # One that failed put nothing there: nobody waits for it.
        if any(reader.exitcode for reader in readers):
            raise BenchError("a reader of the mounted image failed: its message is above")
        counts = [counted.get() for _ in readers]
        log(f"  random: {', '.join(f'{reads} pages in {took:.1f} s' for reads, took in counts)}")
        return sum(reads / took for reads, took in counts)

    @contextlib.contextmanager
    def mounted(self):
        where = self.work / "mounted"
        where.mkdir()
        process = subprocess.Popen(
            [self.memdeck.program, "mount", where, "--images", self.memdeck.dumps],
            env=self.memdeck.variables, cwd=self.work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + MOUNT_PATIENCE_S
            while not any(where.iterdir()):
                if process.poll() is not None or time.monotonic() > until:
                    raise BenchError("memdeck mount shows nothing: its message is above")
                time.sleep(0.05)
            yield where
        finally:
            stop(process)
            where.rmdir()

    @staticmethod
    def file_of(where, record):
        """The newest raw image of its guest."""
        return sorted((where / record["dom"]).glob("*.raw"))[-1]


def marks_of(found):
    inside, compare = found.get("inside", {}), found.get("compare", {})
    hunt, mount = found.get("hunt"), found.get("mount", {})
    small, large = inside.get("small", {}), inside.get("large", {})
    peak = small.get("peak_rss_bytes")
    yield figures.at_most("inside a guest of 512 MiB", 5, small.get("wall_s"), " s")
    yield figures.at_most("its memory, files included", 256, None if peak is None else peak / MIB, " MiB", 0)
    yield figures.at_most("inside the large guest", 25, large.get("wall_s"), " s")
    yield figures.at_most("two dumps compared: figures", 0.5, compare.get("figures_s"), " s")
    yield figures.at_most("two dumps compared: whole map", 2, compare.get("map_s"), " s")
    speed = hunt and hunt["image_bytes"] / hunt["one_s"] / 1e9
    yield figures.at_least("1,000 strings in one image", 1, speed, " GB/s")
    times = hunt["all_s"] / hunt["one_s"] if hunt and hunt["images"] >= DUMPS else None
    yield figures.at_most("ten dumps of a guest, against one", 2.5, times, " times")
    yield figures.at_least("mount: random pages, two readers", 1500, mount.get("reads_per_s"), " per s", 0)
    yield figures.at_least("mount: sequential, against export", 0.8, mount.get("of_export"))
    second = found.get("second")
    share = {what: second["difference"][what] / second["full"][what] for what in ("stored_bytes", "cpu_s")} if second else {}
    yield figures.at_most("second dump of an idle guest: bytes", 0.2, share.get("stored_bytes"), " of a full one")
    yield figures.at_most("its processor time", 0.7, share.get("cpu_s"), " of a full one")


def measure(chosen):
    study, about = parts.measured(lambda lab, work: Study(chosen, lab, work), chosen.large)
    marks = list(marks_of(study.found))
    settings = {name: getattr(chosen, name) for name in ("only", "quick", "runs", "large", "dumps")}
    bar = [mark.as_json() for mark in marks]
    return {"machine": about, "settings": settings, **study.found, "failures": study.failures, "bar": bar}, marks


def as_text(result, marks):
    chosen = result["settings"]
    yield from parts.about_lines(result["machine"])
    yield f"large guest of {chosen['large']} MiB, {chosen['dumps']} dumps; medians of {chosen['runs']}"
    yield ""
    yield from parts.bar_lines(result, marks, PARTS)


def main(command_line):
    return parts.main("study", arguments_of(command_line), measure, as_text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
