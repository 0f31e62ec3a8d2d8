"""Many hosts on one dashboard: what they cost at rest, and how soon one that returns is seen to be back."""

import contextlib
import statistics
import time

from .process import BenchError, cpu_seconds
from .served import Server
from .simulated import GUESTS, PATIENCE_S, Agent, get, new_home, test_hypervisor
from .three_calls import ThreeCalls

# A service that has only the three calls is asked so often.
POLLED_EVERY_S = 5


def measured(program, work, chosen):
    """With `chosen.agents` agents, `chosen.window` seconds of rest, and `chosen.returns` of a polled service."""
    with contextlib.ExitStack() as stack:
        agents = []
        for number in range(1, chosen.agents + 1):
            home = new_home(work, f"agent-{number:02}")
            uri = test_hypervisor(home, f"vm-{number:02}", GUESTS)
            agents.append(stack.enter_context(Agent(program, home, LIBVIRT_URI=uri, TELEMETRY="off")))
        home = new_home(work, "fleet")
        hosts = "".join(
            f'[[hosts]]\nname = "kvm-{number:02}"\nurl = "http://{agent.address}"\n' for number, agent in enumerate(agents, 1)
        )
        configuration = home / "memdeck.toml"
        configuration.write_text(hosts, encoding="ascii")
        configuration.chmod(0o600)
        server = stack.enter_context(
            Server(program, home, MEMDECK_CONFIG=str(configuration), TELEMETRY="off")
        )
        until_up_s = until(server, lambda found: sum(host["condition"] == "up" for host in found) == len(agents))
        time.sleep(5)
        pid, before = server.process.pid, cpu_seconds(server.process.pid)
        time.sleep(chosen.window)
        idle = (cpu_seconds(pid) - before) / chosen.window
        lists = []
        for _ in range(20):
            began = time.perf_counter()
            guests = get(server.address, "/api/telemetry/live-vms")["vms"]
            lists.append((time.perf_counter() - began) * 1000)
        if len(guests) != len(agents) * GUESTS:
            raise BenchError(f"{len(guests)} guests are shown of {len(agents) * GUESTS}")
        back_s = back(server, agents[0], stack)
    return {
        "agents": len(agents), "until_up_s": until_up_s, "idle_share": idle, "guests_ms": statistics.median(lists),
        "back_s": back_s, "polled_back_s": polled_back(program, work, chosen.returns),
    }


def back(server, agent, stack):
    """Seconds from when an agent that was killed answers again to when the dashboard shows it."""
    agent.process.kill()
    agent.process.wait()
    until(server, lambda found: found[0]["condition"] != "up")
    again = Agent(agent.program, agent.home, **{**agent.variables, "MEMDECK_BIND": agent.address})
    stack.enter_context(again)
    return until(server, lambda found: found[0]["condition"] == "up")


def polled_back(program, work, returns):
    """The same of a service that has only the three calls, the longest of several returns: it is asked every five seconds,
    and returns here at another moment between two questions each time."""
    times = []
    with contextlib.ExitStack() as stack:
        service = ThreeCalls()
        stack.callback(service.stop)
        url = f"http://{service.address}"
        server = stack.enter_context(Server(program, new_home(work, "polling"), MEMDUMP_SERVICE_URL=url, TELEMETRY="off"))
        for number in range(returns):
            until(server, lambda found: found[0]["condition"] == "up")
            service.stop()
            until(server, lambda found: found[0]["condition"] != "up")
            time.sleep(POLLED_EVERY_S * number / returns)
            service.start()
            times.append(until(server, lambda found: found[0]["condition"] == "up"))
    return max(times)


def until(server, is_so):
    began = time.monotonic()
    while not is_so(get(server.address, "/api/hosts")["hosts"]):
        if time.monotonic() - began > PATIENCE_S:
            raise BenchError("the hosts do not come to that")
        time.sleep(0.05)
    return time.monotonic() - began
