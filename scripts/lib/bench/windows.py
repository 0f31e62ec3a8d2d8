"""Processor time of what collects statistics of real guests, way after way, again and again, on the same guests."""

import time

from . import collectors
from .lab import daemon_pids, pid_in, virsh_output
from .machine import busy_seconds
from .process import BenchError, cpu_clock

# A way that has just begun connects and reads lists; it is measured when it does the same every second.
SETTLE_S = 3


class Windows:
    """Measures ways on all guests that run, ours and any other: `measure(way)` opens a window of `seconds`."""

    def __init__(self, seconds, log):
        self.seconds, self._log = seconds, log
        self.guests = virsh_output("list", "--name").split()
        self._qemus = [pid_in(f"/run/libvirt/qemu/{guest}.pid") for guest in self.guests]
        if None in self._qemus:
            raise BenchError("a guest has no process: look at scripts/lab status")
        self.seen = []

    def ways(self, service, program, work):
        """Every way by its name."""
        count = len(self.guests)
        return {
            "nothing": collectors.nothing,
            "memdeck": lambda: collectors.memdeck(service, count),
            "together": lambda: collectors.asked(program, "together", count),
            "each": lambda: collectors.asked(program, "each", count),
            "collectd": lambda: collectors.collectd(work, count),
            "exporter": lambda: collectors.exporter(count),
        }

    def measure(self, way, running):
        with running() as (pids, samples):
            time.sleep(SETTLE_S)
            sampled, began, before, busy = samples(), time.monotonic(), self._used(pids), busy_seconds()
            time.sleep(self.seconds)
            seconds, after = time.monotonic() - began, self._used(pids)
            sampled, busy = samples() - sampled, busy_seconds() - busy
        if sampled <= 0:
            raise BenchError(f"{way} took no sample in {seconds:.0f} s")
        window = {"way": way, "guests": len(self.guests), "seconds": seconds, "samples": sampled}
        window |= {part: after[part] - before[part] for part in after}
        # How much else went on meanwhile, in cores: what shares caches and cores makes everything dearer.
        window["others_cores"] = max(0.0, (busy - sum(window[part] for part in after)) / seconds)
        self.seen.append(window)
        ms = (window["program_s"] + window["daemon_s"]) / sampled / len(self.guests) * 1000
        self._log(
            f"  {way}: {ms:.3f} ms of processor time per guest and sample, {sampled / seconds:.2f} samples a second,"
            f" {window['others_cores']:.2f} cores of others"
        )

    def _used(self, pids):
        return {
            "program_s": sum(map(cpu_clock, pids)),
            "daemon_s": sum(map(cpu_clock, daemon_pids())),
            "qemu_s": sum(map(cpu_clock, self._qemus)),
        }
