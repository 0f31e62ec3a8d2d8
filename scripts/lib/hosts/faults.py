"""soak hosts: cuts hosts off and heals them while they dump real guests, and checks after each fault that nothing is lost, doubled,
left over or left paused.

The dashboard and the agents are in network namespaces of this process alone: the network of the machine is not touched.
"""

import argparse
import calendar
import contextlib
import hashlib
import http.client
import json
import pathlib
import sys
import tempfile
import time

from bench.alone import ignore_signals, to_its_end
from bench.lab import LAB_DIR, virsh_output
from bench.process import BenchError
from bench.service import ENDED

from . import network
from .fleet import AHEAD, AHEAD_S, CALLED, DIALS, HOSTS, LOOK_S, Fleet

# Guests of the lab, which do not differ by host: each is dumped by one host at a time.
SMALL, LARGE = GUESTS = ("web-01", "db-01")
# A dump of these guests goes on for some seconds at that pace, so that it can be cut off.
SLOW = {"LIVE_BANDWIDTH_MIBPS": "32", "PAUSE_BUDGET_MS": "10000"}
# Until a host that was cut off is known to be away: what was on its way to it is given up.
AWAY_S = 20
# From when a host can be reached again to the right picture.
BACK_S = 2.5
ENDS_S = 60
# By how much an hour may be wrong, the time until it is measured included.
CLOCK_S = 5
IMAGE = ".elf.zst"


def log(line):
    print(line, file=sys.stderr, flush=True)


class Violated(Exception):
    """What must hold does not."""


def must(holds, what):
    if not holds:
        raise Violated(what)


class Faults:
    def __init__(self, fleet):
        self.fleet, self.figures = fleet, {}
        # The ids of all dumps that were asked for, by their hosts.
        self._asked = {name: [] for name in HOSTS}

    # What is asked

    def trigger(self, name, guest, key=None, **options):
        """The id of a dump that the dashboard was asked for."""
        headers = {} if key is None else {"idempotency-key": key}
        status, told = self.fleet.dashboard.call(
            "POST", "/api/memory-dumps/trigger", {"vms": [f"{name}/{guest}"], **options}, **headers
        )
        must(status == 200, f"a dump of {guest} on {name} is refused: {status} {told}")
        dump_id = told["dumps"][0]["dump_id"]
        if dump_id not in self._asked[name]:
            self._asked[name].append(dump_id)
        return dump_id

    def dump(self, dump_id):
        """What the dashboard knows of a dump, by its id."""
        _status, told = self.fleet.dashboard.call("GET", "/api/memory-dumps/status")
        return next((dump for dump in told["active_dumps"].values() if dump["dump_id"] == dump_id), None)

    def until(self, is_so, what, limit_s=ENDS_S):
        began = time.monotonic()
        while not (found := is_so()):
            must(time.monotonic() - began < limit_s, f"{what}: not after {limit_s} s")
            time.sleep(LOOK_S)
        return found

    def has_completed(self, dump_id):
        dump = self.dump(dump_id)
        if dump is None or dump["job_state"] not in ENDED:
            return False
        must(dump["job_state"] == "completed", f"the dump {dump_id} has ended so: {json.dumps(dump)}")
        return True

    def until_recorded(self, dump_id):
        self.until(lambda: self.has_completed(dump_id), f"the dump {dump_id} ends")
        return self.until(lambda: self.records().get(dump_id), f"the dashboard has the record of {dump_id}")[0]

    def records(self):
        """The records of the dashboard by dump id, in the order of its table, each as often as it is there."""
        _status, told = self.fleet.dashboard.call("GET", "/api/memory-dumps/records?limit=500")
        found = {}
        for record in told["records"]:
            found.setdefault(record["dump_id"], []).append(record)
        return found

    def sealed(self, name):
        """Names of the images of a host, by their ids: what is looked at on its disk needs no network."""
        dumps = self.fleet.agents[name].home / "dumps"
        return {path.name.removesuffix(IMAGE).rsplit("_", 1)[-1]: path for path in dumps.iterdir() if path.name.endswith(IMAGE)}

    def until_dumping(self, name, guest, **options):
        dump_id = self.trigger(name, guest, mode="live", **options)
        self.until(lambda: (dump := self.dump(dump_id)) and dump["progress"] > 2, f"the dump of {guest} is under way")
        return dump_id

    def cut(self, *names):
        for name in names:
            network.cut(name)
        took = [self.fleet.until(name, "unreachable", AWAY_S) for name in names]
        return max(took)

    def heal(self, name):
        """Seconds until the dashboard sees the host again."""
        network.heal(name)
        took = self.fleet.until(name, "up", AWAY_S)
        must(took <= BACK_S, f"{name} is seen again after {took:.2f} s")
        return took

    # Faults

    def cut_off_while_dumping(self):
        """The agent goes on; the others do, too; the dump is found again by its id, and its record comes once."""
        key = "soak-hosts-1"
        dump_id = self.until_dumping(CALLED, SMALL, key=key)
        self.figures["called: away after s"] = self.cut(CALLED)
        status, told = self.fleet.dashboard.call("POST", "/api/memory-dumps/trigger", {"vms": [f"{CALLED}/{SMALL}"]})
        must(status == 503, f"a dump on a host that is away is answered with {status} {told}")
        for name in (AHEAD, DIALS):
            must(self.fleet.host(name)["condition"] == "up", f"{name} goes on")
        self.until_recorded(self.trigger(DIALS, LARGE, mode="frozen"))
        self.until(lambda: dump_id in self.sealed(CALLED), "the agent ends its dump by itself")
        must(dump_id not in self.records(), "what is away tells no records")
        self.figures["called: back after s"] = self.heal(CALLED)
        self.until_recorded(dump_id)
        # Whoever did not hear the answer and asks again gets the same dump.
        must(self.trigger(CALLED, SMALL, key=key, mode="live") == dump_id, "a trigger that is repeated dumps nothing")

    def clock_ahead(self):
        """The difference is told, times are those of the host, and the records of each host are in their order."""
        host = self.fleet.host(AHEAD)
        ahead_s = host["clock_ahead_ms"] / 1000
        must(abs(ahead_s - AHEAD_S) < CLOCK_S, f"the clock of {AHEAD} is told to be {ahead_s} s ahead")
        must("ahead" in (host["warning"] or ""), f"nothing is said of the clock of {AHEAD}: {json.dumps(host)}")
        for name in (CALLED, DIALS):
            must(abs(self.fleet.host(name)["clock_ahead_ms"]) < CLOCK_S * 1000, f"the clock of {name} is right")
        for name, guest in ((AHEAD, SMALL), (CALLED, LARGE), (AHEAD, SMALL)):
            record = self.until_recorded(self.trigger(name, guest, mode="frozen"))
            now = time.time() + (AHEAD_S if name == AHEAD else 0)
            must(abs(epoch(record["timestamp"]) - now) < ENDS_S, f"{name} recorded {record['timestamp']}")
        self.check_order()

    def cut_off_while_dialed_in(self):
        """It dials again when it can, and its dump is found by its id."""
        dump_id = self.until_dumping(DIALS, LARGE)
        self.figures["dials: away after s"] = self.cut(DIALS)
        error = self.fleet.host(DIALS)["error"]
        must("has not dialed in since" in error, f"it is said of {DIALS}: {error}")
        self.until(lambda: dump_id in self.sealed(DIALS), "the agent ends its dump by itself")
        self.figures["dials: back after s"] = self.heal(DIALS)
        self.until_recorded(dump_id)

    # What must hold

    def check_order(self):
        """The table is ordered by the times that the hosts have recorded, which is the order of each host's dumps."""
        records = [same[0] for same in self.records().values()]
        times = [record["timestamp"] for record in records]
        must(times == sorted(times, reverse=True), f"the newest record is not the first one: {times}")
        for name, asked in self._asked.items():
            listed = [record["dump_id"] for record in reversed(records) if record["dump_id"] in asked]
            must(listed == asked, f"records of {name} are listed as {listed} and were taken as {asked}")

    def check(self, deep):
        """Every dump that was asked for is one record and one image; the newest of each host can be read through the dashboard and has
        the right hash, and with `deep` all of them where they are; no file is partial, and no guest stands still."""
        records = self.records()
        asked = {dump_id for dumps in self._asked.values() for dump_id in dumps}
        must(set(records) == asked, f"the dashboard has the records {sorted(records)}, and {sorted(asked)} were asked for")
        for dump_id, same in records.items():
            must(len(same) == 1, f"{len(same)} records of {dump_id}")
        for name, agent in self.fleet.agents.items():
            must(set(self.sealed(name)) == set(self._asked[name]), f"{name} has the images {sorted(self.sealed(name))}")
            partial = [path.name for path in (agent.home / "dumps").iterdir() if ".partial" in path.name]
            must(not partial, f"{name} has partial files: {partial}")
            report = json.loads(agent.run("doctor", "--json", *(["--deep"] if deep else [])).stdout)
            must(not report["violations"], f"the doctor of {name} says: {json.dumps(report['violations'])}")
        report = json.loads(self.fleet.dashboard.run("doctor", "--json").stdout)
        must(not report["violations"], f"the doctor of the dashboard says: {json.dumps(report['violations'])}")
        for guest in GUESTS:
            state = virsh_output("domstate", guest)
            must(state == "running", f"{guest} is {state}")
        for dumps in self._asked.values():
            for dump_id in dumps[-1:]:
                self._check_download(records[dump_id][0])

    def _check_download(self, record):
        """The image as the dashboard hands it out."""
        dashboard, hashed = self.fleet.dashboard, hashlib.sha256()
        with contextlib.closing(http.client.HTTPConnection(dashboard.address, timeout=ENDS_S)) as connection:
            path = f"/api/memory-dumps/{record['dump_id']}/image?format=elf"
            connection.request("GET", path, headers={"authorization": f"Bearer {dashboard.token}"})
            answer = connection.getresponse()
            must(answer.status == 200, f"the image of {record['dump_id']} is answered with {answer.status}")
            while part := answer.read(1 << 20):
                hashed.update(part)
        must(hashed.hexdigest() == record["sha256"], f"the image of {record['dump_id']} has another hash than its record")


def epoch(timestamp):
    """Seconds since 1970 of an instant in UTC."""
    return calendar.timegm(time.strptime(timestamp[:19], "%Y-%m-%dT%H:%M:%S"))


FAULTS = (Faults.cut_off_while_dumping, Faults.clock_ahead, Faults.cut_off_while_dialed_in)


def name_of(fault):
    return fault.__name__.replace("_", " ")


def inject(program):
    """How each fault ended: what was violated, or None."""
    LAB_DIR.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        for guest in GUESTS:
            if virsh_output("domstate", guest) != "running":
                raise BenchError(f"the guest {guest} does not run: run 'scripts/lab up'")
        network.ip("link", "set", "dev", "lo", "up")
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hosts-", dir=LAB_DIR)))
        fleet = stack.enter_context(Fleet(program, work, {CALLED: SLOW, DIALS: SLOW}))
        # What cleans up is not interrupted.
        stack.push(ignore_signals)
        fleet.until_all_are_up()
        faults, found = Faults(fleet), {}
        for fault in FAULTS:
            began, name = time.monotonic(), name_of(fault)
            try:
                fault(faults)
                faults.check(deep=fault is FAULTS[-1])
                found[name] = None
                print(f"pass  {name} ({time.monotonic() - began:.1f} s)", flush=True)
            except (Violated, BenchError) as violation:
                found[name] = str(violation)
                print(f"FAIL  {name}: {violation}", flush=True)
                for service in (fleet.dashboard, *fleet.agents.values()):
                    log("".join(f"  {line}" for line in service.lines[-20:]))
                # What comes next would begin with what this one has left.
                break
        for figure, value in faults.figures.items():
            print(f"{figure}: {value:.2f}")
        return found


def main(argv):
    parser = argparse.ArgumentParser(prog="soak hosts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memdeck", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    program = parser.parse_args(argv).memdeck
    found = to_its_end("soak hosts", log, lambda: inject(program))
    if found is None:
        return 2
    violated = sum(violation is not None for violation in found.values())
    print(f"{len(found) - violated} passed, {violated + len(FAULTS) - len(found)} failed")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
