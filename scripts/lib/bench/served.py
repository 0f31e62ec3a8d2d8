"""memdeck as a running service, and a catalog full of made-up records for it. Needs Python's standard library only."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from .process import BenchError, stop

ROOT = pathlib.Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 60
# No line of memdeck's: from here on its log is not read.
UNREAD = "nobody reads this log any more\n"


def build():
    """Gives the program and the generator of records."""
    for target in (["--package", "memdeck"], ["--package", "memdeck-catalog", "--example", "seed"]):
        subprocess.run(["cargo", "build", "--release", "--quiet", *target], cwd=ROOT, check=True, stdout=sys.stderr)
    release = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    return release / "memdeck", release / "examples" / "seed"


@contextlib.contextmanager
def home_with(records, seed):
    """A new directory with a catalog of that many records, for as long as the `with` block runs."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="memdeck-bench-"))
    try:
        (home / "state").mkdir(mode=0o700)
        subprocess.run([seed, home / "state", str(records)], check=True, stdout=sys.stderr)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Server:
    """`memdeck serve` on a home, with further variables; ends with the `with` block."""

    role = "serve"
    address = None
    # What the program is started by: words before its own command.
    place = ()

    def __init__(self, program, home, **variables):
        self.program = program
        self.home = home
        self.variables = variables
        self.lines = []
        self._is_unread, self._go_on = threading.Event(), threading.Event()

    def __enter__(self):
        self.process = subprocess.Popen(
            [*self.place, self.program, self.role], cwd=self.home, env=self.environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        if not ready.wait(START_TIMEOUT_S) or self.address is None:
            self.__exit__()
            raise BenchError(f"memdeck {self.role} did not start:\n" + "".join(self.lines))
        return self

    def environment(self):
        """Nothing of the surrounding configuration; libvirt's own test driver needs no hypervisor."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "STATE_DIR": str(self.home / "state"),
            "DUMP_DIR": str(self.home / "dumps"),
            "MEMDECK_BIND": "127.0.0.1:0",
            "LIBVIRT_URI": "test:///default",
            # What is measured is not how a browser signs in.
            "OPEN_ACCESS": "loopback",
            **self.variables,
        }

    def _read(self, ready):
        for line in self.process.stderr:
            if line == UNREAD:
                self._is_unread.set()
                self._go_on.wait()
                continue
            self.lines.append(line)
            found = re.search(r'\bready\b.*\burl="http://([^"]+)"', line)
            if found:
                self.address = found.group(1)
                ready.set()
        ready.set()

    @contextlib.contextmanager
    def unread(self, say):
        """Nobody reads its log while the block runs. `say` writes a line into the log's pipe."""
        self._is_unread.clear()
        self._go_on.clear()
        say(UNREAD.encode())
        try:
            if not self._is_unread.wait(START_TIMEOUT_S):
                raise BenchError("the log of memdeck serve is not read")
            yield
        finally:
            self._go_on.set()

    def __exit__(self, *_):
        stop(self.process)
