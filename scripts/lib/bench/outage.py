"""InfluxDB goes away under load and comes back: what reached it then, against what memdeck says it has sent and dropped."""

import collections
import time

from .collectors import get, post, until
from .influx import DATABASE, InfluxDb
from .process import BenchError
from .service import Service

DUMP_EVERY_S = 10
DUMPS_AROUND = 3
# A guest that is dumped has fewer points. So there are dumps only in the last of the outage: these points are not dropped,
# and those that are can be counted by the points that are missing.
DUMPS_LAST_S = 300
SETTLE_S = 6
BACK_S = 300
DUMP_S = 120
# Two looks of the import, by which a second copy of a record would come.
TWO_LOOKS_S = 12


def measure(memdeck, guests, work, minutes, log):
    """Dumps of all guests in turn and their telemetry, every second, before, while and after InfluxDB is away."""
    with InfluxDb(work / "influxdb") as database:
        variables = {**memdeck.variables, "INFLUX_URL": database.url, "INFLUX_DB": DATABASE}
        with Service(memdeck.program, memdeck.work, **variables) as service:
            return _Outage(memdeck, service, database, guests, log).measure(minutes)


class _Outage:
    def __init__(self, memdeck, service, database, guests, log):
        self._memdeck, self._service, self._database = memdeck, service, database
        self._guests, self._log, self._dumps = guests, log, []
        self._listed_before = self._listed()

    def _listed(self):
        return get(self._service, "/api/memory-dumps/stats")["total_dumps"]

    def _status(self):
        return get(self._service, "/api/telemetry/status")

    def _dump(self):
        guest = self._guests[len(self._dumps) % len(self._guests)]
        ended = self._service.end_of(self._service.ask(guest, mode="frozen"), guest, DUMP_S)
        if ended["job_state"] != "completed":
            raise BenchError(f"a dump failed while InfluxDB was away or back: {ended['message']}")
        self._dumps.append(ended["record"]["dump_path"])
        self._memdeck.remove(ended["record"]["dump_path"])

    def measure(self, minutes):
        # Where the service ran before, it may have been told to stop.
        post(self._service, "/api/telemetry/start")
        until(lambda: self._status()["total_metrics_written"] > 0, "the first points", BACK_S)
        for _ in range(DUMPS_AROUND):
            self._dump()
        time.sleep(SETTLE_S)
        away_ns = time.time_ns()
        self._be_away(minutes)
        back_ns, began = time.time_ns(), time.monotonic()
        for _ in range(DUMPS_AROUND):
            self._dump()
        # From here on nothing new comes, so that both sides can be counted.
        post(self._service, "/api/telemetry/stop")
        until(lambda: self._status()["influx_queue_size"] == 0, "the queue to be empty", BACK_S)
        until(lambda: len(self._stored()) >= len(self._dumps), "the records of all dumps", BACK_S)
        drained_s = time.monotonic() - began
        time.sleep(TWO_LOOKS_S)
        status, points = self._status(), self._database.times("vm_totals", "vm_devices")
        dropped = missing_points(
            points,
            status["total_collections"],
            max(points.values()),
            (away_ns - SETTLE_S // 2 * 10**9, back_ns - (DUMPS_LAST_S + SETTLE_S) * 10**9),
        )
        return {
            **counted(self._dumps, self._stored(), self._listed() - self._listed_before),
            "minutes": minutes,
            "collections": status["total_collections"],
            "points_written": status["total_metrics_written"],
            "points_stored": sum(points.values()),
            "points_dropped": status["influx_queue_dropped"],
            "points_missing": dropped,
            "drained_s": drained_s,
        }

    def _be_away(self, minutes):
        self._database.stop()
        self._log(f"  InfluxDB is away for {minutes:g} min")
        until_s = time.monotonic() + minutes * 60
        time.sleep(max(0.0, minutes * 60 - DUMPS_LAST_S))
        while (begun := time.monotonic()) < until_s:
            self._dump()
            time.sleep(max(0.0, min(begun + DUMP_EVERY_S, until_s) - time.monotonic()))
        before = self._status()
        self._database.start()
        self._log(f"  it is back; {before['influx_queue_size']} points wait, {before['influx_queue_dropped']} were dropped")

    def _stored(self):
        return [row.get("dump_path") for row in self._database.query("SELECT * FROM mem_dumps")]


def missing_points(points, collections_made, of_one, within_ns):
    """How many points never arrived, by the points that did: whole collections, and of those that are there in part, what is
    missing `within_ns`, where each collection had all its points."""
    begin, end = within_ns
    in_part = sum(of_one - count for at, count in points.items() if begin <= at < end)
    return (collections_made - len(points)) * of_one + in_part


def counted(paths, stored, listed):
    """Dump records that are missing in InfluxDB, or there too often, or in the table too often."""
    times = collections.Counter(stored)
    return {
        "dumps": len(paths),
        "lost": sum(path not in times for path in paths),
        "doubled": len(stored) - len(times) + sum(path not in paths for path in times) + max(0, listed - len(paths)),
    }
