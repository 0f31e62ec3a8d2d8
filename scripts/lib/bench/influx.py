"""A private InfluxDB 1 on loopback, which can go away and come back with the data it had."""

import collections
import contextlib
import http.client
import json
import subprocess
import urllib.parse

from .collectors import free_port, until
from .process import BenchError, stop

DATABASE = "vmstats"
PATIENCE_S = 120
CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = "{work}/meta"
[data]
  dir = "{work}/data"
  wal-dir = "{work}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
"""


class InfluxDb:
    """Runs from `start` to `stop`, any number of times; stopped at the end of the `with` block."""

    def __init__(self, work):
        self._work, self.port, self._process = work, free_port(), None
        work.mkdir(mode=0o700)
        self._configuration = work / "influxdb.conf"
        self._configuration.write_text(CONFIGURATION.format(work=work, port=self.port), encoding="ascii")
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.start()
        self.query(f"CREATE DATABASE {DATABASE}")
        return self

    def __exit__(self, *_exception):
        self.stop()

    def start(self):
        with open(self._work / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["influxd", "-config", self._configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._answers, "InfluxDB", PATIENCE_S)

    def stop(self):
        if self._process is not None:
            stop(self._process)

    def _answers(self):
        if self._process.poll() is not None:
            raise BenchError(f"influxd ended: {self._work / 'log'} says why")
        try:
            return self._call("GET", "/ping", None)[0] == 204
        except OSError:
            return False

    def _call(self, method, path, body):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def write(self, lines):
        status, body = self._call("POST", f"/write?db={DATABASE}&precision=ns", "\n".join(lines).encode())
        if status != 204:
            raise BenchError(f"InfluxDB refused lines with {status}: {body[:300]!r}")

    def query(self, statement):
        """The rows of the first result, each by column."""
        parameters = urllib.parse.urlencode({"db": DATABASE, "epoch": "ns", "q": statement})
        status, body = self._call("POST", f"/query?{parameters}", None)
        results = json.loads(body).get("results", [{}]) if status == 200 else [{"error": body[:300]}]
        if "error" in results[0]:
            raise BenchError(f"InfluxDB does not answer '{statement}': {results[0]['error']}")
        return [dict(zip(one["columns"], row)) for one in results[0].get("series", []) for row in one["values"]]

    def times(self, *measurements):
        """How many points there are at each nanosecond; each point is a row, whatever fields it has."""
        return collections.Counter(row["time"] for name in measurements for row in self.query(f'SELECT * FROM "{name}"'))
