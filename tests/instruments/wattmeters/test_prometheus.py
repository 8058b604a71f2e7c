"""A real Prometheus server that scrapes an exporter with a known power curve."""

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
scrape_configs:
  - job_name: meter
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
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
    """Two sockets, and the counter of both; the second has a constant 10 W."""
    now = time.time()
    lines = [
        f'socket_power_milliwatts{{socket="a"}} {1e3 * watts(now):.3f}',
        f'socket_power_milliwatts{{socket="b"}} {1e4:.3f}',
        f"machine_energy_joules_total {joules(now):.4f}",
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
        deadline = time.time() + 30
        while not self._has_samples_since(started):
            assert time.time() < deadline, "Prometheus did not start"
            time.sleep(0.05)

    def stop(self):
        self._process.terminate()
        self._process.wait(timeout=20)

    def _has_samples_since(self, started):
        query = {"query": "machine_energy_joules_total[2s]"}
        try:
            answer = requests.get(f"{self.url}/api/v1/query", params=query, timeout=1).json()
        except (requests.RequestException, ValueError):
            return False
        found = answer["data"]["result"]
        return bool(found) and found[0]["values"][-1][0] > started


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    with serving(expose) as port:
        server = Server(tmp_path_factory.mktemp("prometheus"), port)
        server.start()
        yield server
        server.stop()


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
def test_power_of_all_sockets_is_integrated(prometheus, tmp_path):
    meter = Meter(prometheus.url, "socket_power_milliwatts", unit="mW", interval=0.5)
    with polling.logging(meter, tmp_path / "wattmeter.csv") as log:
        with working() as window:
            work(3.3)
        reading = log.reading(*window)
    start, stop = window
    expected = joules(stop) - joules(start) + 10 * (stop - start)
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(expected, rel=0.01)
    assert reading.details["coverage"] == pytest.approx(1, abs=0.01)
    assert reading.details["samples_per_second"] > 5
    noted = (tmp_path / "wattmeter.csv").read_text()
    assert "127.0.0.1" not in noted
    assert len(noted.splitlines()) > reading.samples


@needs.prometheus
def test_a_gap_in_asking_is_none_in_the_samples(prometheus, monkeypatch):
    """The server went on scraping while it could not be asked."""
    meter = Meter(prometheus.url, 'socket_power_milliwatts{socket="a"}', unit="mW", interval=0.2)
    read, deaf = meter.read, False

    def fail(since):
        if deaf:
            raise requests.ConnectionError("127.0.0.1 refused")
        return read(since)

    monkeypatch.setattr(meter, "read", fail)
    with polling.logging(meter) as log:
        with working() as window:
            time.sleep(0.5)
            deaf = True
            time.sleep(1.5)
            deaf = False
            time.sleep(0.5)
        reading = log.reading(*window)
    expected = joules(window[1]) - joules(window[0])
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(expected, rel=0.01)
    assert reading.details["longest_gap"] < 1
    assert "127.0.0.1" not in " ".join(reading.doubts)


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


@needs.prometheus
def test_a_training_is_measured_while_the_server_is_stopped_for_a_while(prometheus, tmp_path):
    """A counter loses nothing; of power there is nothing to be had."""
    from lib.experiment import Run

    counter = Meter(prometheus.url, "machine_energy_joules_total", unit="J", interval=0.5)
    power = Meter(prometheus.url, 'socket_power_milliwatts{socket="a"}', unit="mW", interval=0.5)
    description = tmp_path / "meter.yaml"
    description.write_text(
        f"meter: prometheus\nurl: {prometheus.url}\nquery: machine_energy_joules_total\nunit: J\n"
    )
    config = RunConfig(meter=str(description), output_dir=str(tmp_path), epochs=3)
    away = []

    class Watcher:
        def progress(self, progress):
            """Nobody watches."""

        def epoch(self, history):
            if len(history) == 1:
                prometheus.stop()
                time.sleep(1)
                away.append("stopped")
                prometheus.start()  # after which it waits for 5 s
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
