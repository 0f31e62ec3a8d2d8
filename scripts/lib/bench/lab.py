"""Guests of the lab for as long as they are measured."""

import json
import os
import pathlib
import re
import subprocess

from .process import BenchError, cpu_seconds

ROOT = pathlib.Path(__file__).resolve().parents[3]
LAB = ROOT / "scripts" / "lab"
LAB_DIR = pathlib.Path(os.environ.get("MEMDECK_LAB_DIR", "/var/lib/memdeck-lab"))
URI = "qemu:///system"
# Guests that boot at the same time.
AT_ONCE = 4


class Lab:
    """Starts guests and stops them again; stops the rest of the lab only if nothing of it ran before."""

    def __init__(self, log):
        self._log = log
        self._started = []
        # Not by asking libvirt: where it does not answer just now, guests may run all the same.
        self._was_up = any(_has_entries(LAB_DIR / part) for part in ("guests", "started"))

    def _call(self, *arguments, quiet=False):
        called = subprocess.run(
            [LAB, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if not quiet:
            for line in called.stdout.splitlines():
                self._log(f"  {line}")
        return called

    def start_usual(self):
        """Starts the guests that the lab has by itself, if they do not run."""
        if self._call("up").returncode != 0:
            raise BenchError("the guests of the lab do not start: the message of scripts/lab is above")

    def start(self, name, mib, dirty_mibps=0, how="fill"):
        """Starts a guest of its own and waits until it is ready. `how` is what scripts/lab takes: `fill`, `idle`, or the
        MiB that the guest writes to."""
        self.start_all([name], mib, dirty_mibps, how)
        return name

    def start_all(self, names, mib, dirty_mibps=0, how="fill"):
        """The same for several, a few at a time: all at once would boot for longer than the lab waits."""
        for few in (names[at : at + AT_ONCE] for at in range(0, len(names), AT_ONCE)):
            # Noted first: a call that fails may have started them all the same.
            self._started += [name for name in few if name not in self._started]
            specs = [f"{name}:{mib}:{dirty_mibps}:{how}" for name in few]
            if self._call("up", "--only", *(part for spec in specs for part in ("--guest", spec))).returncode != 0:
                raise BenchError(f"{', '.join(specs)} does not start: the message of scripts/lab is above")

    def stop(self, name):
        """Stops a guest that `start` was called for; any other is left alone."""
        if name not in self._started:
            return
        called = self._call("down", name, quiet=True)
        self._started.remove(name)
        if called.returncode != 0:
            self._log(f"guest {name} could not be stopped, try 'scripts/lab down {name}': {called.stdout.strip()}")

    def close(self):
        if self._started and self._call("down", *self._started, quiet=True).returncode == 0:
            self._started.clear()
        # Where one of them could not be stopped, the others are.
        for name in list(self._started):
            self.stop(name)
        if not self._was_up:
            self._call("down")

    def reached_mibps(self, name):
        """How much memory the guest says it wrote in its last seconds; None where it says nothing."""
        for line in self._call("status", quiet=True).stdout.splitlines():
            match = re.match(rf"{re.escape(name)} .* reached_mibps=([0-9.]+)", line)
            if match:
                return float(match.group(1))
        return None


def _has_entries(directory):
    return directory.is_dir() and any(directory.iterdir())


def content_facts(guest_mib):
    """What fills a quarter of a guest: its bytes, number of files and gzip -6 ratio."""
    return json.loads((LAB_DIR / "content" / f"{guest_mib // 4}.json").read_text(encoding="ascii"))


def qemu_cpu_seconds(guest):
    """Processor time that the guest's QEMU process has used so far, the guest's own work included."""
    pid = pid_in(f"/run/libvirt/qemu/{guest}.pid")
    return 0.0 if pid is None else cpu_seconds(pid)


def daemon_pids():
    """libvirt's daemons that answer for guests of QEMU: the one of old, or the one of its own."""
    pids = [pid_in(f"/run/{daemon}.pid") for daemon in ("libvirtd", "virtqemud")]
    return [pid for pid in pids if pid is not None and os.path.exists(f"/proc/{pid}")]


def pid_in(path):
    """The process id in a file; None where there is none."""
    try:
        return int(pathlib.Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def virsh(*arguments):
    return ["virsh", "-q", "-c", URI, *arguments]


def virsh_output(*arguments):
    called = subprocess.run(virsh(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if called.returncode != 0:
        raise BenchError(f"virsh {' '.join(arguments)} failed: {called.stderr.strip()}")
    return called.stdout.strip()
