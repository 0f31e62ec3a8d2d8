"""The ways to an image that are compared. Each takes one guest once and says what that cost."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import subprocess
import threading

from .lab import URI, qemu_cpu_seconds, virsh, virsh_output
from .machine import busy_seconds
from .process import BenchError, measured, turn
from .service import Service

MEMORY_ONLY = "memory-only"
PIPE_BYTES = 1 << 20


class Bench:
    """One guest, watched, with a directory for images on the volume where memdeck stores its own."""

    def __init__(self, guest, mib, watch, work, memdeck):
        self.guest, self.mib, self.watch, self.work, self.memdeck = guest, mib, watch, work, memdeck
        self.image = work / "virsh.elf"

    def _row(self, way, cost, **fields):
        return {
            "way": way,
            "guest_mib": self.mib,
            "wall_s": cost.wall_s,
            "pause_ms": None,
            "stored_bytes": None,
            "cpu_s": cost.cpu_s,
            "peak_rss_bytes": cost.peak_rss_bytes,
            "mode_used": None,
            **fields,
        }

    def _settle(self):
        """What earlier runs left to be written must not slow this one down."""
        subprocess.run(["sync", "-f", self.work], check=True)

    def _virsh_dump(self, path):
        """Cost and pause of libvirt's memory-only dump to a path."""
        self.watch.begin()
        ended = measured(virsh("dump", "--memory-only", self.guest, str(path))).or_fail("virsh dump")
        return ended.cost, self.watch.pause_ms()

    def present(self):
        """virsh dump, then SHA-256, then gzip -6: three passes, one after the other.

        The second is openssl's: that is what Python's hashlib uses, and coreutils' sha256sum, which knows no SHA
        instructions in Debian 12, would make the present way slower than it is.
        """
        dumped, zipped = self.work / "present.elf", self.work / "present.elf.gz"
        with turn():
            self._settle()
            cost, pause = self._virsh_dump(dumped)
        hashed = measured(["openssl", "dgst", "-sha256", dumped]).or_fail("openssl")
        with open(zipped, "wb") as output:
            packed = measured(["gzip", "-6", "-c", dumped], stdout=output).or_fail("gzip")
        steps = {"dump": cost.wall_s, "sha256": hashed.cost.wall_s, "gzip": packed.cost.wall_s}
        cost = cost.then(hashed.cost).then(packed.cost)
        row = self._row("present", cost, pause_ms=pause, stored_bytes=zipped.stat().st_size, mode_used=MEMORY_ONLY)
        dumped.unlink()
        zipped.unlink()
        return {**row, "steps_s": steps}

    def into_nothing(self):
        """The shortest time in which libvirt can walk through a stopped guest: nothing is even copied. No row of its own."""
        with turn():
            self._settle()
            cost, pause = self._virsh_dump("/dev/null")
        return {"guest_mib": self.mib, "wall_s": cost.wall_s, "pause_ms": pause}

    def into_a_pipe(self):
        """The shortest time in which libvirt can hand over a stopped guest: a pipe that is read and forgotten. No row either."""
        with turn(), forgotten_pipe(self.work / "forgotten") as path:
            self._settle()
            cost, pause = self._virsh_dump(path)
        return {"guest_mib": self.mib, "wall_s": cost.wall_s, "pause_ms": pause}

    def virsh(self):
        """virsh dump alone, neither hashed nor compressed. Leaves its image for `sha256`."""
        self.image.unlink(missing_ok=True)
        with turn():
            self._settle()
            cost, pause = self._virsh_dump(self.image)
        size = self.image.stat().st_size
        return self._row("virsh", cost, pause_ms=pause, stored_bytes=size, mode_used=MEMORY_ONLY)

    def sha256(self):
        """SHA-256 alone of the image that `virsh` left, from the page cache, by the fastest program at hand."""
        size = self.image.stat().st_size
        with turn():
            self._settle()
            ended = measured(["openssl", "dgst", "-sha256", self.image]).or_fail("openssl")
        self.image.unlink()
        return {**self._row("sha256", ended.cost), "image_bytes": size}

    def memdeck_dump(self, mode, profile=False):
        """memdeck's own dump by its service: from the call to the event that tells that the image is sealed and recorded.

        The pause is what memdeck recorded; `pause_seen_ms` is what QEMU's clock says. `busy_s` is the processor time of the whole machine
        meanwhile. With `profile` the threads are told too, which costs a little time.
        """
        limit = virsh_output("migrate-getmaxdowntime", self.guest)
        qemu_before = qemu_cpu_seconds(self.guest)
        with turn():
            self._settle()
            self.watch.begin()
            busy_before = busy_seconds()
            ended, dump = self.memdeck.dump(self.guest, mode, profile)
            busy_s = busy_seconds() - busy_before
            pause_seen_ms, copy_s = self.watch.pause_ms(), self.watch.copy_s()
        qemu_cpu_s = qemu_cpu_seconds(self.guest) - qemu_before
        limit_after = virsh_output("migrate-getmaxdowntime", self.guest)
        if limit_after != limit:
            virsh_output("migrate-setmaxdowntime", self.guest, limit)
        record = dump["record"]
        row = self._row(
            mode,
            ended.cost,
            pause_ms=record["pause_ms"],
            stored_bytes=self.memdeck.stored_bytes(dump["dump_id"]),
            mode_used=record["mode"],
        )
        return {
            **row,
            "fallback": record.get("fallback"),
            "image_bytes": record["raw_size_bytes"],
            "recorded_s": record["duration_sec"],
            "pause_seen_ms": pause_seen_ms,
            "copy_s": copy_s,
            "iterations": record.get("iterations"),
            "dirty_bytes_per_s": record.get("dirty_bytes_per_s"),
            "qemu_cpu_s": qemu_cpu_s,
            "busy_s": busy_s,
            "downtime_limit_restored": limit_after == limit,
            "path": record["dump_path"],
            "threads": ended.threads,
        }


class Memdeck:
    """The program under test, with a state and a dump directory of its own and nobody's configuration."""

    def __init__(self, program, work, settings=()):
        self.program = str(program)
        self.dumps, self.state = work / "dumps", work / "state"
        for directory in (self.dumps, self.state):
            directory.mkdir(mode=0o700)
        self.work, self._service = work, None
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(work),
            "LIBVIRT_URI": URI,
            "DUMP_DIR": str(self.dumps),
            "STATE_DIR": str(self.state),
            **dict(setting.split("=", 1) for setting in settings),
        }

    def run(self, *arguments, **options):
        return measured([self.program, *map(str, arguments)], env=self.variables, cwd=self.work, **options)

    @contextlib.contextmanager
    def service(self):
        """Keeps the service running, by which `dump` has its dumps taken."""
        with Service(self.program, self.work, **self.variables) as self._service:
            yield self._service
        self._service = None

    def modes(self):
        """The modes that the program offers, as its help names them."""
        said = self.run("dump", "--help").or_fail("memdeck dump --help").stdout
        return [mode for mode in ("frozen", "live", "turbo") if re.search(rf"\b{mode}\b", said)]

    def version(self):
        return self.run("--version").or_fail("memdeck --version").stdout.strip()

    def dump(self, guest, mode, profile=False):
        """A dump in that mode by the service; if that mode is not possible, in the one that memdeck falls back to."""
        ended, dump = self._service.dump(guest, mode, profile)
        if _is_not_to_be_had(dump):
            ended, dump = self._service.dump(guest, "auto", profile)
        return ended, _completed(guest, mode, dump)

    def dump_in(self, guest, mode, pause_budget_ms):
        """A dump in that mode and no other, without a service; if that is not possible now, one that has failed."""
        ended = self.run("dump", guest, "--mode", mode, "--json", "--pause-budget", pause_budget_ms)
        try:
            dump = json.loads(ended.stdout)["dumps"][0]
        except (ValueError, LookupError):
            ended.or_fail(f"memdeck dump --mode {mode} of {guest}")
            raise BenchError(f"memdeck dump --json printed no dump: {ended.stdout[:500]}") from None
        return dump if _is_not_to_be_had(dump) else _completed(guest, mode, dump)

    def _files(self, dump_id):
        return [path for path in self.dumps.iterdir() if dump_id in path.name]

    def stored_bytes(self, dump_id):
        """Everything a dump left: image, manifest, checksum and whatever else carries its id."""
        return sum(path.stat().st_size for path in self._files(dump_id))

    def remove(self, image):
        """Removes the files of an image: the next dump is to find the same room."""
        dump_id = pathlib.Path(image).name.partition(".")[0].rpartition("_")[2]
        for path in self._files(dump_id):
            path.unlink()

    def verify(self, row):
        """Image bytes per second of `memdeck verify`."""
        with turn():
            ended = self.run("verify", row["path"], "--json").or_fail("memdeck verify")
        return row["image_bytes"] / ended.cost.wall_s

    def export(self, row):
        """Image bytes per second of `memdeck export` into a pipe that is read and forgotten."""
        script = 'set -o pipefail; "$1" export "$2" -o - | cat >/dev/null'
        command = ["bash", "-c", script, "export", self.program, row["path"]]
        with turn():
            cost = measured(command, env=self.variables, cwd=self.work).or_fail("memdeck export").cost
        return row["image_bytes"] / cost.wall_s

    def check(self, image, check_image):
        """Whether an image shows one instant of its guest, and what was found."""
        script = 'set -o pipefail; "$1" export "$2" -o - | "$3" -'
        command = ["bash", "-c", script, "check", self.program, image, str(check_image)]
        ended = measured(command, env=self.variables, cwd=self.work)
        if ended.exit_code not in (0, 1) or not ended.stdout.startswith(("consistent", "torn")):
            ended.or_fail("memdeck export, or scripts/check-image,")
        return ended.exit_code == 0, ended.stdout.strip()


@contextlib.contextmanager
def forgotten_pipe(path):
    """A named pipe, as large as memdeck's, of which everything is read and nothing kept. libvirt must find it open."""
    os.mkfifo(path, 0o600)
    # Not to wait for a writer here, and so that the pipe has one until the end.
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    keeper = os.open(path, os.O_WRONLY)
    os.set_blocking(reader, True)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    forgetting = threading.Thread(target=_forget, args=(reader,))
    forgetting.start()
    try:
        yield path
    finally:
        os.close(keeper)
        forgetting.join()
        os.close(reader)
        path.unlink()


def _forget(reader):
    buffer = bytearray(PIPE_BYTES)
    while os.readv(reader, [buffer]):
        pass


def _is_not_to_be_had(dump):
    # By its reason: the sentence is for people, and may change.
    return dump["state"] != "completed" and (dump.get("end_reason") or {}).get("kind") == "not_live"


def _completed(guest, mode, dump):
    if dump["state"] != "completed":
        raise BenchError(f"memdeck dump --mode {mode} of {guest} failed: {dump['message']}")
    return dump
