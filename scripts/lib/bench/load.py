"""bench load: many callers, many pages and many hosts at once.

Parts, each of which can be had alone (--only):

- trigger: 50 clients that each ask for a dump of one of 20 guests every second; then ten thousand triggers as fast as they are
           answered
- reads:   the records page, asked for 500 times a second while four dumps run, and what that costs the dumps: beside the same
           load on a server that answers every request with one fixed line, in turn
- pages:   1,000 readers of the feed, of which 100 never read, at four events a second
- fleet:   50 agents with 20 guests each on one dashboard, and how soon one that was killed is seen to be back; and a service that
           has only the three calls, which is asked every five seconds

The guests of `reads` are real. Those of the others are of libvirt's own test driver, which dumps nobody: each dump of them ends
with an error soon after it began.
"""

import asyncio
import http.client
import json
import resource
import signal
import statistics
import subprocess
import sys
import time

from . import figures, fleet, parts
from .figures import MIB, percentile
from .overload import trivial_server
from .parts import log
from .process import BenchError, cpu_seconds, high_water, turn
from .served import Server
from .service import ENDED
from .simulated import GUESTS, PATIENCE_S, get, new_home, test_hypervisor
from .ways import Memdeck

PARTS = ("trigger", "reads", "pages", "fleet")
CLIENTS = 50
TRIGGERS = 10_000
DUMPED = 4
DUMPED_MIB = 256
READS_PER_S = 500
READERS = 20
FEEDS = 1000
# Of those, who never read.
DEAF = 100
EVENTS_PER_S = 4
AGENTS = 50
# A service that has only the three calls goes and returns so many times.
RETURNS = 5
WINDOW_S = 30
PAIRS = 5
RECORDS = "/api/memory-dumps/records?limit=25"
# How long the load goes on before it counts.
WARM_UP_S = 1


def arguments_of(command_line):
    parser = parts.parser_of("load", __doc__, PARTS)
    parser.add_argument("--pairs", type=parts.at_least_one, metavar="N", help=f"pairs of rounds of dumps [{PAIRS}]")
    chosen = parts.chosen_of(parser, command_line, PARTS)
    chosen.pairs = chosen.pairs or (1 if chosen.quick else PAIRS)
    part = 10 if chosen.quick else 1
    chosen.triggers, chosen.feeds, chosen.deaf = TRIGGERS // part, FEEDS // part, DEAF // part
    chosen.returns = 1 if chosen.quick else RETURNS
    chosen.agents, chosen.window = AGENTS // part, WINDOW_S // (3 if chosen.quick else 1)
    return chosen


def request_of(address, method, path, body=""):
    head = f"{method} {path} HTTP/1.1\r\nHost: {address}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def answered(reader):
    """Status and body of the answer that comes next."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    if not lengths:
        raise BenchError(f"an answer without a length: {head[:200]!r}")
    return status, await reader.readexactly(int(lengths[0].split(b":")[1]))


async def trigger_from_many(address, triggers, every_s):
    """Milliseconds until each trigger was answered, and the answers that were none. Each client waits for its answer, and for the
    next turn of its own, where there are turns."""
    host, port = address.rsplit(":", 1)
    times, wrong, numbers = [], [], iter(range(triggers))

    async def client(place):
        reader, writer = await asyncio.open_connection(host, port)
        next_at = time.monotonic() + every_s * place / CLIENTS
        for number in numbers:
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            next_at += every_s
            body = json.dumps({"vms": [f"load-{number % GUESTS + 1:02}"]})
            began = time.perf_counter()
            writer.write(request_of(address, "POST", "/api/memory-dumps/trigger", body))
            status, said = await answered(reader)
            times.append((time.perf_counter() - began) * 1000)
            if status != 200 or not json.loads(said)["dumps"]:
                wrong.append(said[:200])
        writer.close()

    await asyncio.gather(*(client(place) for place in range(CLIENTS)))
    return times, wrong


async def read_steadily(address, per_s):
    """Reads the records page at a steady pace until it is told to end, and prints the milliseconds that each took."""
    host, port = address.rsplit(":", 1)
    ended, times, bad = asyncio.Event(), [], [0]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    counts_from = time.monotonic() + WARM_UP_S

    async def reads(number):
        pace = READERS / per_s
        next_at = time.monotonic() + number / per_s
        reader, writer = await asyncio.open_connection(host, port)
        while not ended.is_set():
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
            # From when it was due: a server that is late makes no load lighter.
            began, next_at = next_at, next_at + pace
            writer.write(request_of(address, "GET", RECORDS))
            status, _ = await answered(reader)
            if began >= counts_from:
                times.append((time.monotonic() - began) * 1000)
                bad[0] += status != 200

    tasks = [asyncio.create_task(reads(number)) for number in range(READERS)]
    print("loading", flush=True)
    await ended.wait()
    for task in tasks:
        task.cancel()
    broken = [task for task in tasks if task.done() and not task.cancelled() and task.exception()]
    print(json.dumps({"times_ms": times, "bad": bad[0] + len(broken)}), flush=True)


class Reads:
    """That load, in a process of its own, for as long as the `with` block runs."""

    def __init__(self, address):
        self._command = [sys.executable, "-m", "bench.load", "--reads", address, str(READS_PER_S)]
        self.told = None

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline().strip() != "loading":
            raise BenchError("the load did not begin")
        time.sleep(2 * WARM_UP_S)
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate(timeout=30)
        self.told = json.loads(said.strip().splitlines()[-1])


async def follow_feed(address, feeds, deaf, seconds, begun):
    """Events that each reader of the feed got within a while. `begun` is called when all of them listen."""
    host, port = address.rsplit(":", 1)
    counts, writers, listening = [0] * feeds, [], []

    async def listen(number):
        reader, writer = await asyncio.open_connection(host, port)
        writers.append(writer)
        writer.write(f"GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        listening.append(number)
        if number < deaf:
            await asyncio.Event().wait()
        while line := await reader.readline():
            counts[number] += line.startswith(b"data:")

    tasks = [asyncio.create_task(listen(number)) for number in range(feeds)]
    while len(listening) < feeds:
        await asyncio.sleep(0.05)
    await asyncio.sleep(2)
    counts[:] = [0] * feeds
    finish = begun()
    await asyncio.sleep(seconds)
    found = finish()
    broken = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    for writer in writers:
        writer.close()
    return found, counts[deaf:], broken


class Load(parts.Parts):
    """The measurement, one part after the other."""

    def __init__(self, chosen, lab, work):
        super().__init__(chosen)
        self.lab, self.work = lab, work
        self.program = chosen.memdeck.resolve()

    def run(self):
        for part in PARTS:
            self.part(part, getattr(self, part))

    def serving(self, name):
        """A dashboard with 20 guests of the test driver."""
        home = new_home(self.work, name)
        uri = test_hypervisor(home, "load", GUESTS)
        return Server(self.program, home, LIBVIRT_URI=uri, TELEMETRY="off")

    def trigger(self):
        found = {}
        with self.serving("trigger") as server:
            for way, triggers, every_s in (("paced", CLIENTS * self.chosen.window, 1.0), ("at_once", self.chosen.triggers, 0.0)):
                began = time.monotonic()
                times, wrong = asyncio.run(trigger_from_many(server.address, triggers, every_s))
                if wrong:
                    raise BenchError(f"{len(wrong)} triggers were not taken, the first: {wrong[0]!r}")
                per_s = len(times) / (time.monotonic() - began)
                told = {"triggers": len(times), "per_s": per_s, "median_ms": statistics.median(times), "p99_ms": percentile(times, 99)}
                log(f"  {way}: {per_s:.0f} a second, median {told['median_ms']:.1f} ms, 99 % {told['p99_ms']:.1f} ms")
                found[way] = told
        return found

    def reads(self):
        names = [f"bench-load-{number}" for number in range(1, DUMPED + 1)]
        memdeck = Memdeck(self.program, self.work, ["TELEMETRY=off", "OPEN_ACCESS=loopback", f"MAX_PARALLEL_DUMPS={DUMPED}"])
        with turn():
            self.lab.start_all(names, DUMPED_MIB, 8)
        times, bad, ratios = [], 0, []
        with memdeck.service() as service, trivial_server() as other:
            for number in range(1, self.chosen.pairs + 1):
                walls = []
                for address in (service.address, other):
                    with Reads(address) as load:
                        walls.append(self.dump_all(service, names))
                    if address == service.address:
                        times, bad = times + load.told["times_ms"], bad + load.told["bad"]
                    for path in memdeck.dumps.iterdir():
                        path.unlink()
                ratios.append(walls[0] / walls[1])
                log(f"  pair {number}: four dumps in {walls[0]:.2f} s, against {walls[1]:.2f} s")
        for name in names:
            self.lab.stop(name)
        return {"reads": len(times), "bad": bad, "p99_ms": percentile(times, 99), "slower": statistics.median(ratios)}

    @staticmethod
    def dump_all(service, names):
        """Seconds until all of them are dumped."""
        began = time.monotonic()
        ids = {service.ask(name, mode="frozen"): name for name in names}
        while ids:
            for dump_id, name in list(ids.items()):
                told = get(service.address, f"/api/memory-dumps/status/{name}")
                if told["dump_id"] == dump_id and told["job_state"] in ENDED:
                    if told["job_state"] != "completed":
                        raise BenchError(f"the dump of {name} failed: {told['message']}")
                    del ids[dump_id]
            if time.monotonic() - began > PATIENCE_S:
                raise BenchError(f"the dumps of {', '.join(ids.values())} did not end")
            time.sleep(0.02)
        return time.monotonic() - began

    def pages(self):
        with self.serving("pages") as server:
            pid = server.process.pid
            told = {}

            def begun():
                began, before = time.monotonic(), cpu_seconds(pid)
                stirring = subprocess.Popen([sys.executable, "-m", "bench.load", "--stir", server.address])

                def finish():
                    told["cpu"] = (cpu_seconds(pid) - before) / (time.monotonic() - began)
                    stirring.terminate()
                    stirring.wait()
                    return told["cpu"]

                return finish

            cpu, counts, broken = asyncio.run(
                follow_feed(server.address, self.chosen.feeds, self.chosen.deaf, self.chosen.window, begun)
            )
            resident = high_water(pid)
        per_s = statistics.median(counts) / self.chosen.window
        log(f"  {per_s:.1f} events a second to each; {cpu:.0%} of a core, {resident / MIB:.0f} MiB, {broken} broken off")
        if min(counts) == 0 or per_s < EVENTS_PER_S / 2:
            raise BenchError(f"the feed told too little: {min(counts)} to {max(counts)} events in {self.chosen.window} s")
        return {"feeds": len(counts), "events_per_s": per_s, "cpu_share": cpu, "resident_bytes": resident, "broken": broken}

    def fleet(self):
        found = fleet.measured(self.program, self.work, self.chosen)
        log(f"  {found}")
        return found


def stir(address):
    """Asks for dumps of guests that nobody can dump, so that something is told a few times a second."""
    number = 0
    while True:
        number += 1
        connection = http.client.HTTPConnection(address, timeout=60)
        body = json.dumps({"vms": [f"load-{number % GUESTS + 1:02}"]})
        connection.request("POST", "/api/memory-dumps/trigger", body, {"content-type": "application/json"})
        connection.getresponse().read()
        connection.close()
        # Queued, running and ended are three events.
        time.sleep(3 / EVENTS_PER_S)


def marks_of(found):
    trigger, reads = found.get("trigger", {}), found.get("reads", {})
    pages, fleet = found.get("pages", {}), found.get("fleet", {})
    resident = pages.get("resident_bytes")
    share = lambda value: None if value is None else value * 100  # noqa: E731
    yield figures.at_most("trigger to queued, 50 clients, 99 %", 20, trigger.get("paced", {}).get("p99_ms"), " ms", 1)
    yield figures.at_most("records page beside four dumps, 99 %", 100, reads.get("p99_ms"), " ms", 1)
    yield figures.at_most("the dumps, against a trivial server", 1.1, reads.get("slower"))
    yield figures.at_most("1,000 readers of the feed: memory", 150, None if resident is None else resident / MIB, " MiB", 0)
    yield figures.at_most("1,000 readers of the feed: share of a core", 20, share(pages.get("cpu_share")), " %", 1)
    yield figures.at_most("50 agents, idle: share of a core", 30, share(fleet.get("idle_share")), " %", 1)
    yield figures.at_most("a host that is back: until it is shown", 2.5, fleet.get("back_s"), " s")
    yield figures.at_most("one with the three calls that is back: the same", 6.5, fleet.get("polled_back_s"), " s")


def measure(chosen):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load, about = parts.measured(lambda lab, work: Load(chosen, lab, work), DUMPED * DUMPED_MIB)
    marks = list(marks_of(load.found))
    settings = {name: getattr(chosen, name) for name in ("only", "quick", "pairs", "triggers", "feeds", "agents", "returns", "window")}
    bar = [mark.as_json() for mark in marks]
    return {"machine": about, "settings": settings, **load.found, "failures": load.failures, "bar": bar}, marks


def as_text(result, marks):
    chosen = result["settings"]
    yield from parts.about_lines(result["machine"])
    if chosen["quick"]:
        yield "A tenth of everything: these figures are for trying only."
    yield ""
    if "trigger" in result:
        rush = result["trigger"]["at_once"]
        yield f"{rush['triggers']} triggers as fast as they are answered: {rush['per_s']:.0f} a second, 99 % within {rush['p99_ms']:.0f} ms"
        yield ""
    yield from parts.bar_lines(result, marks, PARTS)


def main(command_line):
    if command_line[:1] == ["--reads"]:
        asyncio.run(read_steadily(command_line[1], int(command_line[2])))
        return 0
    if command_line[:1] == ["--stir"]:
        stir(command_line[1])
    return parts.main("load", arguments_of(command_line), measure, as_text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
