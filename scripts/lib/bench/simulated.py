"""Services whose guests are of libvirt's own test driver, which dumps nobody, and what is asked of them."""

import http.client
import json

from .process import BenchError
from .served import Server

GUESTS = 20
PATIENCE_S = 120


class Agent(Server):
    """`memdeck agent` on a home; ends with the `with` block."""

    role = "agent"


def test_hypervisor(home, prefix, count):
    """URI of libvirt's test driver with so many running guests."""
    guests = "".join(
        "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><test:runstate>1</test:runstate>"
        f"<name>{prefix}-{number:02}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
        for number in range(1, count + 1)
    )
    file = home / "node.xml"
    file.write_text(f"<node>{guests}</node>", encoding="ascii")
    return f"test://{file}"


def new_home(work, name):
    home = work / name
    (home / "state").mkdir(parents=True, mode=0o700)
    return home


def get(address, path):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise BenchError(f"GET {path} answered {answer.status}: {body[:200]!r}")
    return json.loads(body)
