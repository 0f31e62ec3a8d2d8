"""A benchmark has the machine for itself, and leaves nothing behind, however it ends."""

import contextlib
import fcntl
import shutil
import signal
import subprocess

from . import machine
from .lab import LAB_DIR, Lab
from .process import BenchError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def alone(log, largest_mib):
    """A lab, and a directory of its own on the volume where memdeck stores images, with room for a guest of that size."""
    machine.require_room(largest_mib, LAB_DIR if LAB_DIR.exists() else LAB_DIR.parent)
    work = LAB_DIR / "bench"
    # Registered first is done last.
    with contextlib.ExitStack() as stack:
        stack.enter_context(fresh(work))
        lab = Lab(log)
        stack.callback(lab.close)
        # What cleans up is not interrupted.
        stack.push(ignore_signals)
        yield lab, work


@contextlib.contextmanager
def fresh(work):
    """An empty directory that nobody else has meanwhile."""
    LAB_DIR.mkdir(parents=True, exist_ok=True)
    with _locked():
        shutil.rmtree(work, ignore_errors=True)  # of whoever was killed
        work.mkdir(mode=0o700)
        try:
            yield
        finally:
            shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def _locked():
    """Two benchmarks at once would measure each other."""
    with open(LAB_DIR / "bench.lock", "a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another benchmark is running: wait for its end") from None
        yield


def to_its_end(name, log, measure):
    """What `measure` returns; None where it failed, which is said. Whoever ends it by a signal lets it clean up."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        return measure()
    except (BenchError, OSError, subprocess.SubprocessError) as cause:
        log(f"{name}: {cause}")
        return None


def ignore_signals(*_exception):
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number, _frame):
    ignore_signals()
    raise SystemExit(128 + number)
