"""lab hosts: three agents in network namespaces of their own, for a look by hand, and a dashboard that names them.

One is called by the dashboard, one has a clock that is an hour ahead, one dials the dashboard. All have the guests of this
machine. Without a command they run until Ctrl-C; the commands are for another terminal.
"""

import argparse
import contextlib
import os
import pathlib
import select
import shutil
import signal
import sys
import tempfile

from bench.alone import ignore_signals, to_its_end
from bench.lab import LAB_DIR, ROOT, Lab
from bench.process import BenchError

from . import network
from .fleet import HOSTS, WHAT, Fleet

# Whoever runs the hosts: the process id, and when it was started, since ids come again.
RUNNING = LAB_DIR / "hosts.pid"
DOWN_S = 60
SITE = ROOT / "target" / "site"


def say(line):
    print(line, flush=True)


def started_at(pid):
    """When a process was started, in ticks since the machine was; None where there is none of that id."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    except OSError:
        return None


@contextlib.contextmanager
def noted():
    """That this process runs the hosts."""
    LAB_DIR.mkdir(parents=True, exist_ok=True)
    RUNNING.write_text(f"{os.getpid()} {started_at(os.getpid())}", encoding="ascii")
    try:
        yield
    finally:
        RUNNING.unlink(missing_ok=True)


@contextlib.contextmanager
def directory():
    """Where the hosts keep their dumps: beside the guests, since it may be much."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="hosts-", dir=LAB_DIR))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def runner():
    """The process that runs the hosts; None where nobody does."""
    try:
        pid, started = RUNNING.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(pid) if started_at(pid) == started else None


def run(program):
    if runner() is not None:
        raise BenchError("the hosts run already: 'scripts/lab hosts down' ends them")
    if not program.exists():
        raise BenchError(f"there is no {program}: run scripts/build, or name another program with MEMDECK")
    if not (SITE / "index.html").exists():
        raise BenchError(f"there is no page in {SITE}: run scripts/build")
    with contextlib.ExitStack() as stack:
        stack.enter_context(noted())
        lab = Lab(say)
        stack.callback(lab.close)
        lab.start_usual()
        work = stack.enter_context(directory())
        fleet = stack.enter_context(Fleet(program, work, SITE_DIR=str(SITE)))
        # What cleans up is not interrupted.
        stack.push(ignore_signals)
        fleet.until_all_are_up()
        for line in about(fleet):
            say(line)
        signal.pause()
    return 0


def about(fleet):
    yield ""
    yield f"dashboard  http://{fleet.dashboard.address}  with the token {fleet.dashboard.token}"
    for name, agent in fleet.agents.items():
        yield f"{name}     http://{agent.address}  {WHAT[name]}"
    link = fleet.dashboard.run("sign-in-link").stdout.strip()
    if link:
        yield f"\nOpen this link to sign in, once and within five minutes:\n\n    {link}\n"
    yield "In another terminal:"
    yield f"    scripts/lab hosts cut {HOSTS[0]}     nothing passes between it and the dashboard any more"
    yield f"    scripts/lab hosts heal {HOSTS[0]}"
    inside = " ".join(fleet.namespaces[HOSTS[-1]].inside)
    yield f"    {inside} sh    a shell in the network of {HOSTS[-1]}"
    yield "Ctrl-C ends everything, and so does 'scripts/lab hosts down'."


def down():
    """Ends the hosts, and removes what is left of some that were killed."""
    pid = runner()
    if pid is not None:
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        if not select.select([ended], [], [], DOWN_S)[0]:
            raise BenchError(f"process {pid}, which runs the hosts, has not ended within {DOWN_S} s")
    for work in LAB_DIR.glob("hosts-*"):
        shutil.rmtree(work, ignore_errors=True)
    network.remove_bridge()
    RUNNING.unlink(missing_ok=True)
    say("the hosts are down" if pid is not None else "no hosts ran")
    return 0


def change(action, name):
    if runner() is None:
        raise BenchError("no hosts run: 'scripts/lab hosts' starts them")
    action(name)
    return 0


def main(argv):
    parser = argparse.ArgumentParser(prog="lab hosts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memdeck", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, what in (("cut", "cut a host off from the dashboard"), ("heal", "let it be reached again")):
        commands.add_parser(name, help=what).add_argument("host", choices=HOSTS, metavar="NAME", help=", ".join(HOSTS))
    commands.add_parser("down", help="end them, and remove what is left of some that were killed")
    chosen = parser.parse_args(argv)
    commands = {
        None: lambda: run(chosen.memdeck),
        "cut": lambda: change(network.cut, chosen.host),
        "heal": lambda: change(network.heal, chosen.host),
        "down": down,
    }
    code = to_its_end("lab hosts", lambda line: print(line, file=sys.stderr), commands[chosen.command])
    return 1 if code is None else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
