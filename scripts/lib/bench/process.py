"""Runs a program and tells what it cost: wall time, processor time, peak memory."""

import contextlib
import dataclasses
import fcntl
import os
import select
import subprocess
import tempfile
import time

SAMPLE_MS = 10
# What takes longer has come to a stand.
LIMIT_S = 3600
STOP_PATIENCE_S = 30
# Of the kernel's numbers for clocks of processes (`clock_getcpuclockid(3)`): time that was run, user and system.
CPUCLOCK_SCHED = 2


class BenchError(Exception):
    """The benchmark cannot go on; the message says what failed and what to do."""


@dataclasses.dataclass
class Cost:
    """What one or several programs, one after the other, have cost."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0

    def then(self, other):
        return Cost(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            max(self.peak_rss_bytes, other.peak_rss_bytes),
        )


@dataclasses.dataclass
class Ended:
    cost: Cost
    exit_code: int
    stdout: str
    stderr: str
    threads: dict | None = None

    def or_fail(self, what):
        if self.exit_code != 0:
            said = (self.stderr.strip() or self.stdout.strip() or "it said nothing")[-2000:]
            raise BenchError(f"{what} failed with exit code {self.exit_code}: {said}")
        return self


@contextlib.contextmanager
def turn():
    """Where MEMDECK_BENCH_LOCK names a file, it is locked meanwhile, so that other users of guests take turns."""
    path = os.environ.get("MEMDECK_BENCH_LOCK")
    if not path:
        yield
        return
    with open(path, "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def stop(process):
    """Ends a program of ours; memdeck cancels its dump and resumes the guest when it is told so."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def measured(command, *, stdout=None, env=None, cwd=None):
    """Runs a program to its end. Its standard output is returned, or goes to `stdout`, a file."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout or out, stderr=err, env=env, cwd=cwd
        )
        try:
            peak = _watch_to_the_end(process.pid, began + LIMIT_S)
            wall = time.monotonic() - began
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            stop(process)
        cost = Cost(wall, usage.ru_utime + usage.ru_stime, peak)
        return Ended(cost, process.returncode, _text(out), _text(err))


def _text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def _watch_to_the_end(pid, deadline):
    """Waits for the end of a process, and returns the most memory that it and its children held, in bytes.

    `ru_maxrss` would do, but it begins with the memory of this process, from which the program was started.
    """
    peaks = {}
    ended = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        while not poll.poll(SAMPLE_MS):
            if time.monotonic() > deadline:
                raise BenchError(f"process {pid} did not end within {LIMIT_S} s: look at what it waits for")
            for member in (pid, *children(pid)):
                peaks[member] = max(peaks.get(member, 0), high_water(member))
    finally:
        os.close(ended)
    return sum(peaks.values())


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def high_water(pid):
    return _kib_in(f"/proc/{pid}/status", "VmHWM")


def share_of_memory(pid):
    """What a process holds now, in bytes; of what several hold, its program for instance, its part."""
    return _kib_in(f"/proc/{pid}/smaps_rollup", "Pss")


def _kib_in(path, field):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(f"{field}:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def threads_of(pid):
    """Processor time so far of each thread, in seconds, by its id and name."""
    found = {}
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as comm, open(
                f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii"
            ) as schedstat:
                found[thread, comm.read().strip()] = int(schedstat.read().split()[0]) / 1e9
    return found


def by_name(threads):
    total = {}
    for (_thread, name), seconds in threads.items():
        total[name] = round(total.get(name, 0.0) + seconds, 3)
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def cpu_seconds(pid):
    """Processor time of a running process so far; 0.0 where it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_clock(pid):
    """The same to the nanosecond, by the clock that the kernel keeps for each process; 0.0 where it has gone."""
    try:
        return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)
    except OSError:
        return 0.0
