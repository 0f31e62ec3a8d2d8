"""memdeck as it runs on a host: a service that is asked for a dump with one call and tells its end."""

import contextlib
import http.client
import json
import pathlib
import threading
import time

from .process import LIMIT_S, BenchError, Cost, Ended, by_name, children, cpu_seconds, high_water, threads_of
from .served import Server

SAMPLE_S = 0.01
ASK_AGAIN_S = 0.2
ENDED = ("completed", "failed", "cancelled")


class Service(Server):
    """`memdeck serve` that takes real dumps; ends with the `with` block."""

    def _connect(self):
        return http.client.HTTPConnection(self.address, timeout=LIMIT_S)

    def _get(self, path):
        connection = self._connect()
        connection.request("GET", path)
        return connection.getresponse()

    def dump(self, guest, mode, profile=False):
        """One call, and its end as the service tells it: from the call's first byte to the event that says so."""
        known = self._get(f"/api/memory-dumps/status/{guest}")
        before = json.load(known)["dump_id"] if known.status == 200 else None
        with contextlib.closing(self._connect()) as listening, contextlib.closing(self._connect()) as asking:
            listening.request("GET", "/api/events")
            events = listening.getresponse()
            asking.connect()
            used = _Used(self.process.pid, profile)
            began = time.monotonic()
            with used:
                body = json.dumps({"vms": [guest], "mode": mode})
                asking.request("POST", "/api/memory-dumps/trigger", body, {"content-type": "application/json"})
                asked = asking.getresponse()
                if asked.status != 200:
                    raise BenchError(f"memdeck refuses a dump of {guest}: {asked.read().decode(errors='replace')[:500]}")
                dump = self._end_of(guest, before, events)
                wall = time.monotonic() - began
        cost = Cost(wall, used.cpu_s, used.peak_rss_bytes)
        return Ended(cost, 0, "", "", used.threads), dump

    def ask(self, guest, **options):
        """Asks for a dump and does not wait for it; its id."""
        with contextlib.closing(self._connect()) as asking:
            body = json.dumps({"vms": [guest], **options})
            asking.request("POST", "/api/memory-dumps/trigger", body, {"content-type": "application/json"})
            answer = asking.getresponse()
            told = json.load(answer)
        try:
            return told["dumps"][0]["dump_id"]
        except (LookupError, TypeError):
            raise BenchError(f"memdeck refuses a dump of {guest}: {json.dumps(told)[:500]}") from None

    def end_of(self, dump_id, guest, patience_s):
        """How a dump has ended, by asking again and again."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            told = json.load(self._get(f"/api/memory-dumps/status/{guest}"))
            if told["dump_id"] == dump_id and told["job_state"] in ENDED:
                return told
            time.sleep(ASK_AGAIN_S)
        raise BenchError(f"the dump {dump_id} of {guest} has not ended after {patience_s} s")

    def _end_of(self, guest, before, events):
        """The state in which the next dump of the guest ends. Lines begin with the name of a field."""
        for line in events:
            if not line.startswith(b"data:"):
                continue
            told = json.loads(line[len(b"data:"):])
            if isinstance(told, dict) and told.get("guest") == guest and told.get("dump_id") != before:
                if told.get("job_state") in ENDED:
                    return told
        raise BenchError("memdeck serve stopped telling events:\n" + "".join(self.lines[-20:]))


class _Used:
    """Processor time and peak memory of a process and its children while the block runs; with `profile`, of its threads."""

    def __init__(self, pid, profile):
        self._members = [pid, *children(pid)]
        self._pid, self._profile = pid, profile
        self.cpu_s, self.peak_rss_bytes, self.threads = 0.0, 0, None

    def __enter__(self):
        for member in self._members:
            # "5" begins the peak of a process anew.
            pathlib.Path(f"/proc/{member}/clear_refs").write_text("5", encoding="ascii")
        self._cpu_before = sum(map(cpu_seconds, self._members))
        if self._profile:
            self._threads_before, self._seen = threads_of(self._pid), {}
            self._ended = threading.Event()
            self._sampler = threading.Thread(target=self._sample)
            self._sampler.start()
        return self

    def _sample(self):
        while not self._ended.wait(SAMPLE_S):
            self._seen.update(threads_of(self._pid))

    def __exit__(self, *_exception):
        self.cpu_s = sum(map(cpu_seconds, self._members)) - self._cpu_before
        self.peak_rss_bytes = sum(map(high_water, self._members))
        if self._profile:
            self._ended.set()
            self._sampler.join()
            before = self._threads_before
            used = {thread: seconds - before.get(thread, 0.0) for thread, seconds in self._seen.items()}
            self.threads = by_name({thread: seconds for thread, seconds in used.items() if seconds > 0})
