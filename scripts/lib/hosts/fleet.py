"""The services: an agent on each host, and a dashboard whose configuration names them."""

import contextlib
import http.client
import json
import pathlib
import secrets
import subprocess
import time

from bench.lab import URI
from bench.process import BenchError
from bench.served import Server

from .network import BOUND, HERE, Network

# An agent that the dashboard calls, one whose clock is wrong, and one that calls the dashboard.
CALLED, AHEAD, DIALS = HOSTS = ("kvm-01", "kvm-02", "kvm-03")
AHEAD_S = 3600
WHAT = {
    CALLED: "is called by the dashboard",
    AHEAD: "has a clock that is an hour ahead",
    DIALS: "dials the dashboard, which calls it over that connection",
}
AGENT_PORT = 5001
DASHBOARD_PORT = 8000
LIBFAKETIME = "/usr/lib/*-linux-gnu/faketime/libfaketimeMT.so.1"
PATIENCE_S = 60
LOOK_S = 0.05


def faketime():
    """Variables of a process whose clock is ahead. How long something takes, and the times of files, stay the machine's."""
    library = next(pathlib.Path("/").glob(LIBFAKETIME.lstrip("/")), None)
    if library is None:
        raise BenchError("there is no libfaketime: run 'scripts/setup test'")
    return {
        "LD_PRELOAD": str(library), "FAKETIME": f"+{AHEAD_S}", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
    }


class Placed(Server):
    """A service in the network of a host; `inside` leads there. Whoever calls it needs its token."""

    def __init__(self, role, program, home, address, inside, **variables):
        (home / "state").mkdir(parents=True, mode=0o700)
        (home / "dumps").mkdir(mode=0o700)
        self.role, self.token = role, secrets.token_hex(16)
        self.place = (*BOUND, "TERM", *inside)
        # Nobody else listens: what is sent never leaves this machine.
        variables = {"MEMDECK_BIND": address, "MEMDECK_INSECURE_HTTP": "true", "OPEN_ACCESS": "", **variables}
        super().__init__(program, home, MEMDECK_TOKEN=self.token, LIBVIRT_URI=URI, **variables)

    def run(self, *arguments, limit_s=PATIENCE_S):
        """A command of memdeck on this home, in this network; what it prints."""
        return subprocess.run(
            [*self.place, self.program, *arguments], cwd=self.home, env=self.environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=limit_s, check=False,
        )

    def call(self, method, path, body=None, **headers):
        """Status and JSON of an answer, for whoever is in a network that reaches it."""
        told = {"authorization": f"Bearer {self.token}", "content-type": "application/json", **headers}
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), told)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")


class Fleet:
    """Agents and dashboard, in networks of their own, as long as the `with` block runs. Homes are below `work`."""

    def __init__(self, program, work, agents=None, **of_dashboard):
        self._program, self._work, self._of_dashboard = program.resolve(), work, of_dashboard
        # Further variables of agents, by their hosts.
        self._of_agents = agents or {}
        self.agents, self.dashboard = {}, None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            network = stack.enter_context(Network(HOSTS))
            # The dashboard is where this process is, and a browser.
            named = self._work / "memdeck.toml"
            variables = {"MEMDECK_CONFIG": str(named), **self._of_dashboard}
            self.dashboard = Placed("serve", self._program, self._work / "dashboard", f"{HERE}:{DASHBOARD_PORT}", (), **variables)
            for name, namespace in network.namespaces.items():
                # One that dials need not be reachable.
                at = "127.0.0.1" if name == DIALS else namespace.address
                variables = {**self._peculiar(name), **self._of_agents.get(name, {})}
                self.agents[name] = Placed(
                    "agent", self._program, self._work / name, f"{at}:{AGENT_PORT}", namespace.inside, **variables
                )
            named.touch(mode=0o600)
            named.write_text("".join(map(self._host, HOSTS)), encoding="ascii")
            for service in (self.dashboard, *self.agents.values()):
                stack.enter_context(service)
            self.namespaces = network.namespaces
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        return self._stack.__exit__(*exception)

    def _peculiar(self, name):
        if name == AHEAD:
            return faketime()
        if name == DIALS:
            self._dialing_token = secrets.token_hex(16)
            return {"DASHBOARD_URL": f"http://{HERE}:{DASHBOARD_PORT}", "DASHBOARD_TOKEN": self._dialing_token}
        return {}

    def _host(self, name):
        agent = self.agents[name]
        if name == DIALS:
            url, token = "dial", self._dialing_token
        else:
            url, token = f"http://{agent.variables['MEMDECK_BIND']}", agent.token
        return f'[[hosts]]\nname = "{name}"\nurl = "{url}"\ntoken = "{token}"\n'

    def host(self, name):
        """How the dashboard sees a host."""
        _status, told = self.dashboard.call("GET", "/api/hosts")
        return next(host for host in told["hosts"] if host["name"] == name)

    def until(self, name, condition, limit_s=PATIENCE_S):
        """Waits until the dashboard sees a host so; seconds that it took."""
        began = time.monotonic()
        while (host := self.host(name))["condition"] != condition:
            if time.monotonic() - began > limit_s:
                raise BenchError(f"{name} is not {condition} after {limit_s} s: {json.dumps(host)}")
            time.sleep(LOOK_S)
        return time.monotonic() - began

    def until_all_are_up(self):
        for name in HOSTS:
            self.until(name, "up")
