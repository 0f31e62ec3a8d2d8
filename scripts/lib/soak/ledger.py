"""What must hold after a fault, and what is known of earlier dumps to hold it against."""

import time

# After a dump has ended, its files go within moments; so do connections.
CALM_S = 15
LOOK_S = 0.3
# Beyond what it has at rest.
MORE_FILES = 40
MORE_THREADS = 40
IMAGES_KEPT = 8
POINT_S = 60


class Ledger:
    """Every record that was ever seen."""

    def __init__(self, world):
        self._world, self._hashes, self._deleted = world, {}, set()
        # What no point is asked for any more: a catalog that was destroyed takes its outbox with it.
        self._excused = set()
        self._pid, self._files, self._threads = None, None, None

    def __len__(self):
        return len(self._hashes)

    def check(self):
        """Violations, in words."""
        found = [*self._partial_files(), *self._records(), *self._leaks()]
        self._make_room()
        return found

    def check_all(self):
        """As well as what takes longer: every image is read, and InfluxDB is asked."""
        return [*self.check(), *self._world.doctor(deep=True), *self._points()]

    def excuse_points(self):
        self._excused |= set(self._hashes)

    def _partial_files(self):
        deadline = time.monotonic() + CALM_S
        while left := self._world.partial_files():
            if time.monotonic() > deadline:
                return [f"files of unfinished dumps are left: {', '.join(left)}"]
            time.sleep(LOOK_S)
        return []

    def _records(self):
        # Images first: one that is sealed meanwhile has a record a moment later.
        sealed = self._world.sealed()
        records = self._world.records()
        found = [f"{len(same)} records of the dump {dump_id}" for dump_id, same in records.items() if len(same) > 1]
        for dump_id, (record, *_more) in records.items():
            known = self._hashes.setdefault(dump_id, record["sha256"])
            if record["sha256"] != known:
                found.append(f"the hash of the dump {dump_id} was {known} and is {record['sha256']}")
            if record.get("deleted_at"):
                self._deleted.add(dump_id)
            elif dump_id not in sealed and dump_id not in self._world.sealed():
                found.append(f"the record of {dump_id} has no image")
        found += [f"the image of {dump_id} has no record" for dump_id in sealed - set(records)]
        # Without image and catalog nothing is left that could tell of a dump.
        lost = set(self._hashes) - set(records)
        found += [f"the record of {dump_id} is lost" for dump_id in lost - self._deleted]
        return found

    def _leaks(self):
        world = self._world
        if world.service.process.pid != self._pid:
            self._pid, self._files, self._threads = world.service.process.pid, world.open_files(), world.threads()
            return []
        deadline = time.monotonic() + CALM_S
        while True:
            files, threads = world.open_files() - self._files, world.threads() - self._threads
            if files <= MORE_FILES and threads <= MORE_THREADS:
                return []
            if time.monotonic() > deadline:
                return [f"memdeck at rest has {files} files and {threads} threads more than when it started"]
            time.sleep(LOOK_S)

    def _make_room(self):
        records = (same[0] for same in self._world.records().values())
        kept = sorted((one for one in records if not one.get("deleted_at")), key=lambda one: one["timestamp"])
        for record in kept[: max(0, len(kept) - IMAGES_KEPT)]:
            self._world.delete(record)

    def _points(self):
        wanted = set(self._hashes) - self._excused
        deadline = time.monotonic() + POINT_S
        while True:
            points = self._world.points()
            missing = sorted(wanted - set(points))
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(LOOK_S)
        found = [f"InfluxDB has no point of the dump {dump_id}" for dump_id in missing]
        return found + [f"InfluxDB has {n} points of the dump {dump_id}" for dump_id, n in points.items() if n > 1]
