"""Network namespaces, one for each host, on a bridge; and what cuts a host off, as a cable does that is pulled.

The namespaces have no names: each lives as long as a process in it, and its cable goes with it. So nothing but the bridge is left
of whoever was killed. Needs the right to administer the network that this process is in (CAP_NET_ADMIN), and to make namespaces
(CAP_SYS_ADMIN).
"""

import subprocess

from bench.process import BenchError, stop

BRIDGE = "memdeck-lab"
# An address of its own: a bridge takes the lowest one of its cables otherwise, and another one with each cable.
BRIDGE_MAC = "02:6d:64:6c:61:62"
CABLE = "memdeck-"
# Of a range that no network uses: it is for benchmarks (RFC 2544).
NET = "198.18.77"
HERE = f"{NET}.1"
FIRST_HOST = 11
# The kernel's longest name of an interface.
MAX_NAME_CHARS = 15
# Ends with the process that started it.
BOUND = ("setpriv", "--pdeathsig")


def ip(*arguments, inside=()):
    """Runs `ip`, within a namespace if `inside` leads there."""
    called = subprocess.run([*inside, "ip", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if called.returncode != 0:
        raise BenchError(f"ip {' '.join(arguments)}: {called.stderr.strip()}")
    return called.stdout


def exists(interface):
    return subprocess.run(["ip", "link", "show", interface], capture_output=True, check=False).returncode == 0


def cable_of(name):
    cable = CABLE + name
    if len(cable) > MAX_NAME_CHARS:
        raise BenchError(f"{name} is too long a name for a host of the lab")
    return cable


def cut(name):
    """From now on nothing passes between the host and this namespace, and neither of them is told so."""
    ip("link", "set", "dev", cable_of(name), "down")


def heal(name):
    ip("link", "set", "dev", cable_of(name), "up")


class Namespace:
    """The network of one host, with an address on the bridge."""

    def __init__(self, name, address):
        self.name, self.address = name, address
        holding = ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"]
        self._holder = subprocess.Popen([*BOUND, "KILL", *holding], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            if not self._holder.stdout.readline():
                raise BenchError(f"no network namespace can be made for {name}: this needs root and CAP_SYS_ADMIN")
            self._connect()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self):
        """A process in it."""
        return self._holder.pid

    @property
    def inside(self):
        """What begins a command that is to run in it."""
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net")

    def _connect(self):
        cable = cable_of(self.name)
        ip("link", "add", "name", cable, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        ip("link", "set", "dev", cable, "master", BRIDGE, "up")
        ip("address", "add", f"{self.address}/24", "dev", "eth0", inside=self.inside)
        for interface in ("lo", "eth0"):
            ip("link", "set", "dev", interface, "up", inside=self.inside)

    def close(self):
        if exists(cable := cable_of(self.name)):
            # At once: with the namespace it would go a little later.
            ip("link", "delete", "dev", cable)
        stop(self._holder)
        self._holder.stdout.close()


class Network:
    """The bridge, and a namespace for each of these hosts, as long as the `with` block runs."""

    def __init__(self, names):
        self.namespaces, self._names = {}, names

    def __enter__(self):
        if exists(BRIDGE):
            raise BenchError(f"there is a network {BRIDGE} already: 'scripts/lab hosts down' removes it")
        if NET in ip("-4", "route", "show", "table", "all"):
            raise BenchError(f"this machine uses addresses of {NET}.0/24, which the hosts of the lab would have")
        try:
            ip("link", "add", "name", BRIDGE, "address", BRIDGE_MAC, "type", "bridge")
            ip("address", "add", f"{HERE}/24", "dev", BRIDGE)
            ip("link", "set", "dev", BRIDGE, "up")
            for number, name in enumerate(self._names, FIRST_HOST):
                self.namespaces[name] = Namespace(name, f"{NET}.{number}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception):
        for namespace in self.namespaces.values():
            namespace.close()
        remove_bridge()


def remove_bridge():
    if exists(BRIDGE):
        ip("link", "delete", "dev", BRIDGE)
