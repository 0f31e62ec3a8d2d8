"""Tells how long a guest was stopped, whoever stopped it, and how long a live dump copied it.

QEMU puts its own clock on the events it sends; libvirt's lifecycle events have none, and on a busy machine both ends of
a pause may arrive at once.
"""

import re
import subprocess
import threading

from .process import BenchError, stop

EVENT = re.compile(r"^event (STOP|RESUME|MIGRATION) at (\d+\.\d+) for domain '.*': (.*)$")
PATIENCE_S = 10


def parse_event(line):
    """(name, seconds) of a line that `virsh qemu-monitor-event` prints; None for any other line.

    The name is stop or resume, or a state of a migration, such as active and completed.
    """
    match = EVENT.match(line)
    if match is None:
        return None
    name, when, detail = match.groups()
    if name == "MIGRATION":
        status = re.search(r'"status":"([a-z-]+)"', detail)
        name = status.group(1) if status else "unknown"
    return name.lower(), float(when)


def ms_between(events, first, last):
    """Milliseconds from each event `first` to the `last` after it, summed; None if there is no pair, or an open one."""
    total, since = None, None
    for name, when in events:
        if name == first and since is None:
            since = when
        elif name == last and since is not None:
            total = (total or 0.0) + (when - since) * 1000
            since = None
    return total if since is None else None


def longest_ms(events, until):
    """Milliseconds of the longest stop; one that has not ended counts as far as `until`. None of no stop."""
    longest, since = None, None
    for name, when in [*events, ("resume", until)]:
        if name == "stop" and since is None:
            since = when
        elif name == "resume" and since is not None:
            longest = max(longest or 0.0, (when - since) * 1000)
            since = None
    return longest


def ms_from(events, began):
    """Milliseconds from a moment to the last time the guest began to run; None where it stands still."""
    last = [(name, when) for name, when in events if name in ("stop", "resume")][-1:]
    return (last[0][1] - began) * 1000 if last and last[0][0] == "resume" else None


class PauseWatch:
    """Watches one guest from its construction to `close`."""

    def __init__(self, uri, guest):
        self.guest = guest
        self._events = []
        self._begin = 0
        self._changed = threading.Condition()
        command = ["virsh", "-q", "-c", uri, "qemu-monitor-event", "--domain", guest, "--loop"]
        self._virsh = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self._prove_that_events_arrive(uri)

    def _read(self):
        for line in self._virsh.stdout:
            event = parse_event(line)
            if event is not None:
                with self._changed:
                    self._events.append(event)
                    self._changed.notify_all()

    def _prove_that_events_arrive(self, uri):
        """virsh does not say when it has begun to listen: the guest is stopped and resumed until it is heard."""
        for _attempt in range(20):
            for command in ("suspend", "resume"):
                subprocess.run(["virsh", "-q", "-c", uri, command, self.guest], check=True, stdout=subprocess.DEVNULL)
            if self.pause_ms(0.5) is not None:
                return
        self.close()
        raise BenchError(
            f"no events of guest {self.guest} arrive: try 'virsh qemu-monitor-event {self.guest} --loop' beside"
            f" 'virsh suspend {self.guest}' and 'virsh resume {self.guest}'"
        )

    def begin(self):
        """What happens from now on counts."""
        with self._changed:
            self._begin = len(self._events)

    def pause_ms(self, patience_s=PATIENCE_S):
        """How long the guest was stopped since `begin`; waits for its end, and None where that is not seen."""

        def stopped():
            return ms_between(self._events[self._begin :], "stop", "resume")

        with self._changed:
            self._changed.wait_for(lambda: stopped() is not None, patience_s)
            return stopped()

    def _is_stopped(self):
        last = [name for name, _when in self._events[self._begin :] if name in ("stop", "resume")][-1:]
        return last == ["stop"]

    def is_stopped(self):
        """Whether the guest stands still since `begin`."""
        with self._changed:
            return self._is_stopped()

    def wait_for_stop(self, patience_s):
        """Waits until the guest stands still, if only for a moment."""
        with self._changed:
            if not self._changed.wait_for(lambda: any(name == "stop" for name, _ in self._events[self._begin :]), patience_s):
                raise BenchError(f"guest {self.guest} is not stopped for its dump")

    def longest_ms(self, now):
        """The longest pause since `begin`; one that goes on counts as far as `now`."""
        with self._changed:
            return longest_ms(self._events[self._begin :], now)

    def ms_from(self, began, patience_s=PATIENCE_S):
        """How long after a moment the guest runs; waits for that a little, and None where it stands still."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_stopped(), patience_s)
            return ms_from(self._events[self._begin :], began)

    def copy_s(self):
        """How long QEMU copied memory for a live dump since `begin`; None for a dump of another kind."""
        with self._changed:
            copied = ms_between(self._events[self._begin :], "active", "completed")
        return None if copied is None else copied / 1000

    def close(self):
        stop(self._virsh)
