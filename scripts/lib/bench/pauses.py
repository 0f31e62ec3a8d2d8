"""Tells from libvirt's lifecycle events how long a guest was stopped, whoever stopped it."""

import contextlib
import datetime
import re
import subprocess
import threading

from .process import BenchError, stop

EVENT = re.compile(r"^(\S+ \S+): event 'lifecycle' for domain '.*': (Suspended|Resumed|Stopped) ")
PATIENCE_S = 10


def parse_event(line):
    """(kind, Unix seconds) of a line that `virsh event --timestamp` prints; None for any other line."""
    match = EVENT.match(line)
    if match is None:
        return None
    when = datetime.datetime.strptime(match.group(1), "%Y-%m-%d %H:%M:%S.%f%z")
    return match.group(2), when.timestamp()


def stopped_ms(events):
    """Milliseconds between Suspended and the Resumed after it, summed; None while a guest is stopped or never was."""
    total, since = None, None
    for kind, when in events:
        if kind == "Suspended" and since is None:
            since = when
        elif kind == "Resumed" and since is not None:
            total = (total or 0.0) + (when - since) * 1000
            since = None
    return total if since is None else None


class PauseWatch:
    """Watches one guest from its construction to `close`."""

    def __init__(self, uri, guest):
        self.guest = guest
        self._events = []
        self._changed = threading.Condition()
        self._virsh = subprocess.Popen(
            ["virsh", "-q", "-c", uri, "event", "--domain", guest, "--event", "lifecycle", "--loop", "--timestamp"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
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
            if self._wait(0, 0.5) is not None:
                return
        self.close()
        raise BenchError(f"no lifecycle events of guest {self.guest} arrive: try 'virsh event {self.guest} --all'")

    def _wait(self, begin, seconds):
        with self._changed:
            self._changed.wait_for(lambda: stopped_ms(self._events[begin:]) is not None, seconds)
            return stopped_ms(self._events[begin:])

    @contextlib.contextmanager
    def measure(self):
        """Gives a function that waits for the end of the pause in the block and returns it, in milliseconds."""
        # Events of what was before have arrived: each block waits for its own.
        begin = len(self._events)
        yield lambda: self._wait(begin, PATIENCE_S)

    def close(self):
        stop(self._virsh)
