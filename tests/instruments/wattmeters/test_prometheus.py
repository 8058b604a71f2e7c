"""A real Prometheus server that scrapes an exporter with a known power curve.

It scrapes from 5 s after its start on, but knows the same curve from recording rules at once.
"""

import math
import socket
import subprocess
import time
from contextlib import contextmanager
from datetime import datetime

import pytest
import requests

from lib.instruments.wattmeters import polling
from lib.instruments.wattmeters.prometheus import Meter
from lib.study.config import RunConfig
from lib.units import JOULES_PER_KWH
from tests import needs
from tests.instruments.loopback import reply, serving

BASE, SWING, PERIOD = 120.0, 60.0, 4.0
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: meter
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
RULES = f"""
groups:
  - name: meter
    interval: 200ms
    rules:
      - record: rule:power_watts
        expr: {BASE} + {SWING} * sin(vector(2 * pi() * time() / {PERIOD}))
        labels: {{host: 127.0.0.1}}
      - record: rule:energy_joules_total
        expr: {BASE} * (vector(time()) - 1.6e9)
          + {SWING * PERIOD} / (2 * pi()) * (1 - cos(vector(2 * pi() * time() / {PERIOD})))
        labels: {{host: 127.0.0.1}}
"""


def watts(moment):
    return BASE + SWING * math.sin(2 * math.pi * moment / PERIOD)


def joules(moment):
    """The integral of `watts` from a time not long ago, so that no digits are lost."""
    origin = 1.6e9
    phase = 2 * math.pi / PERIOD
    swing = SWING / phase * (math.cos(phase * origin) - math.cos(phase * moment))
    return BASE * (moment - origin) + swing


def expose(handler):
    """Two sockets; the second has a constant 10 W. A late answer has the time that it is of."""
    now = round(time.time(), 3)
    lines = [
        f'socket_power_milliwatts{{socket="a"}} {1e3 * watts(now):.3f} {1e3 * now:.0f}',
        f'socket_power_milliwatts{{socket="b"}} {1e4:.3f} {1e3 * now:.0f}',
    ]
    reply(handler, 200, "\n".join(lines) + "\n", "text/plain; version=0.0.4")


class Server:
    """A Prometheus process that can be stopped and started again on its data."""

    def __init__(self, folder, exporter_port):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        (folder / "prometheus.yml").write_text(CONFIG.format(port=exporter_port))
        (folder / "rules.yml").write_text(RULES)
        self._command = [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]

    def start(self):
        started = time.time()
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.wait_for("rule:energy_joules_total", started)

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=20)

    def wait_for(self, metric, moment):
        """Wait for a sample that is younger than a moment."""
        deadline = time.time() + 30
        while not self._has_samples(metric, moment):
            assert time.time() < deadline, f"Prometheus has no {metric}"
            time.sleep(0.05)

    def _has_samples(self, metric, moment):
        query = {"query": f"{metric}[2s]"}
        try:
            answer = requests.get(f"{self.url}/api/v1/query", params=query, timeout=1).json()
        except (requests.RequestException, ValueError):
            return False
        found = answer["data"]["result"]
        return bool(found) and found[0]["values"][-1][0] > moment


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """One that goes on, and one that may be stopped meanwhile."""
    with serving(expose) as port:
        servers = [Server(tmp_path_factory.mktemp("prometheus"), port) for _ in range(2)]
        for server in servers:
            server.start()
        yield servers
        for server in servers:
            server.stop()


@pytest.fixture
def prometheus(servers):
    return servers[0]


@contextmanager
def working():
    """Yields the window that what is done in it takes, once it is over."""
    window = [time.time()]
    yield window
    window.append(time.time())


def work(seconds):
    """Keep a core busy, as a training would."""
    end = time.time() + seconds
    while time.time() < end:
        sum(range(10_000))


@needs.prometheus
def test_a_training_is_measured_while_the_server_is_stopped_for_a_while(servers, tmp_path):
    """A counter loses nothing; of power there is nothing to be had."""
    from lib.experiment import Run

    _, prometheus = servers
    query = "rule:energy_joules_total"
    counter = Meter(prometheus.url, query, unit="J", interval=0.5)
    power = Meter(prometheus.url, "rule:power_watts", interval=0.5)
    description = tmp_path / "meter.yaml"
    description.write_text(
        f"meter: prometheus\nurl: {prometheus.url}\nquery: {query}\nunit: J\ninterval: 0.5\n"
    )
    config = RunConfig(meter=str(description), output_dir=str(tmp_path), epochs=3)
    away = []

    class Watcher:
        def progress(self, progress):
            """Nobody watches."""

        def epoch(self, history):
            if len(history) == 1:
                prometheus.stop()
                time.sleep(2)
                away.append("stopped")
                prometheus.start()
                away.append("started")

    run = Run(config)
    with polling.logging(counter) as log, polling.logging(power) as power_log:
        with working() as window, run.measured(watcher=Watcher()):
            for epoch in range(config.epochs):
                time.sleep(0.5)
                run.epoch(accuracy=epoch / 10)
        reading, without_counter = log.reading(*window), power_log.reading(*window)
    record = run.finish(accuracy=0.3)
    assert away == ["stopped", "started"]

    expected = joules(window[1]) - joules(window[0])
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(expected, rel=0.01)
    assert reading.details["longest_gap"] > 1.9
    assert any("can't be reached" in doubt for doubt in reading.doubts)
    assert without_counter.energy_consumed is None
    assert "less than 95 %" in without_counter.components["machine"].reason

    start, stop = (
        datetime.fromisoformat(at).timestamp() for at in (record.started_at, record.ended_at)
    )
    assert stop - start == pytest.approx(record.duration, abs=0.1)
    expected = joules(stop) - joules(start)
    assert record.extra["wattmeter_energy"] * JOULES_PER_KWH == pytest.approx(expected, rel=0.01)
    assert record.extra["live_wattmeter_energy"] == record.extra["wattmeter_energy"]
    assert "127.0.0.1" not in record.model_dump_json()


@needs.prometheus
def test_power_is_integrated_and_a_gap_in_asking_is_none_in_the_samples(
    prometheus, tmp_path, monkeypatch
):
    """Of all sockets; and of one, whose server went on scraping while it could not be asked."""
    meter = Meter(prometheus.url, "socket_power_milliwatts", unit="mW", interval=0.5)
    one = Meter(prometheus.url, 'socket_power_milliwatts{socket="a"}', unit="mW", interval=0.2)
    read, deaf = one.read, False

    def fail(since):
        if deaf:
            raise requests.ConnectionError("127.0.0.1 refused")
        return read(since)

    monkeypatch.setattr(one, "read", fail)
    prometheus.wait_for("socket_power_milliwatts", 0)
    with polling.logging(meter, tmp_path / "wattmeter.csv") as log, polling.logging(one) as of_one:
        with working() as window:
            work(0.5)
            deaf = True
            work(1.5)
            deaf = False
            work(1.3)
        reading, reading_of_one = log.reading(*window), of_one.reading(*window)
    start, stop = window
    expected = joules(stop) - joules(start)
    both = expected + 10 * (stop - start)
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(both, rel=0.01)
    assert reading.details["coverage"] == pytest.approx(1, abs=0.01)
    assert reading.details["samples_per_second"] > 5
    noted = (tmp_path / "wattmeter.csv").read_text()
    assert "127.0.0.1" not in noted
    assert len(noted.splitlines()) > reading.samples

    assert reading_of_one.energy_consumed * JOULES_PER_KWH == pytest.approx(expected, rel=0.01)
    assert reading_of_one.details["longest_gap"] < 1
    (doubt,) = reading_of_one.doubts
    assert "can't be reached" in doubt
    assert "127.0.0.1" not in doubt


@needs.prometheus
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sum(socket_power_milliwatts)", "must be a selector"),
        ("socket_power_milliwatts{", "must be a selector"),
        ("no_such_metric", "finds no samples"),
    ],
)
def test_a_useless_query_is_said_in_the_reading(prometheus, query, said):
    with polling.logging(Meter(prometheus.url, query)) as log:
        reading = log.reading(time.time() - 1, time.time())
    assert reading.energy_consumed is None
    assert any(said in doubt for doubt in reading.doubts)


def test_no_server_stops_nothing():
    with polling.logging(Meter("http://127.0.0.1:9", "power", interval=0.05)) as log:
        time.sleep(0.2)
        reading = log.reading(log._begun, time.time())
    assert reading.energy_consumed is None
    assert reading.components["machine"].reason == "the wattmeter has no samples"
    assert any("it can't be reached" in doubt for doubt in reading.doubts)
    assert "127.0.0.1" not in str(reading)


def test_credentials_are_sent_and_an_unknown_unit_is_refused():
    seen = []

    def answer(handler):
        seen.append(handler.headers["Authorization"])
        reply(handler, 401, "")

    with serving(answer) as port, pytest.raises(requests.HTTPError) as raised:
        Meter(f"http://127.0.0.1:{port}", "p", username="me", password="secret").read(time.time())
    assert seen == ["Basic bWU6c2VjcmV0"]
    assert polling.in_words(raised.value) == "it answered with HTTP status 401 (password?)"
    with pytest.raises(ValueError, match="'MW' is unknown; there are uW, mW, W"):
        Meter("http://127.0.0.1:9", "p", unit="MW")
