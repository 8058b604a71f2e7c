"""A loopback server that speaks the API of a Shelly plug as its documentation describes it.

https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch and, for protected devices,
https://shelly-api-docs.shelly.cloud/gen2/General/Authentication
"""

import hashlib
import json
import re
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from lib.instruments.wattmeters import meters, polling
from lib.instruments.wattmeters.shelly import Meter
from lib.units import JOULES_PER_KWH
from tests.instruments.loopback import reply, serving

WATTS = 180.0


class Plug:
    """A plug with a constant load; what `faults` says happens to the next answers."""

    def __init__(self, password=None):
        self.faults = []
        self.counted_since = time.time() - 3600
        self.asked = 0
        self.password = password
        self.power_known = True

    def restart(self):
        self.counted_since = time.time()

    def answer(self, handler):
        self.asked += 1
        if self.password and not self._authorised(handler):
            return
        url = urlsplit(handler.path)
        fault = self.faults.pop(0) if self.faults else None
        if callable(fault):
            fault(handler)
        elif url.path != "/rpc/Switch.GetStatus":
            reply(handler, 404, json.dumps({"code": 404, "message": f"No handler for {url.path}"}))
        elif parse_qs(url.query).get("id") != ["0"]:
            message = "Argument 'id', value 7 not found!"
            reply(handler, 500, json.dumps({"code": -105, "message": message}))
        else:
            reply(handler, 200, json.dumps(self.status()))

    def status(self):
        now = time.time()
        watt_hours = WATTS * (now - self.counted_since) / 3600
        status = {
            "id": 0,
            "source": "init",
            "output": True,
            "apower": WATTS,
            "voltage": 230.1,
            "freq": 50.0,
            "current": 0.79,
            "aenergy": {
                "total": round(watt_hours, 3),
                "by_minute": [3000.0, 3000.0, 3000.0],
                "minute_ts": int(now // 60 * 60),
            },
            "temperature": {"tC": 41.2, "tF": 106.2},
        }
        return status if self.power_known else {"id": 0, "source": "init", "output": True}

    def _authorised(self, handler):
        """Digest with SHA-256, RFC 7616, as the device asks for it."""
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', handler.headers.get("Authorization", "")))

        def digest(*parts):
            return hashlib.sha256(":".join(parts).encode()).hexdigest()

        if given:
            first = digest("admin", "shellyplug-1", self.password)
            second = digest("GET", handler.path)
            expected = digest(
                first, given["nonce"], given["nc"], given["cnonce"], given["qop"], second
            )
            if given["response"] == expected:
                return True
        handler.send_response(401)
        challenge = 'Digest qop="auth", realm="shellyplug-1", nonce="60dc2c2a", algorithm=SHA-256'
        handler.send_header("WWW-Authenticate", challenge)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return False


@pytest.fixture
def plug():
    plug = Plug()
    with serving(plug.answer) as port:
        plug.url = f"http://127.0.0.1:{port}"
        yield plug


@contextmanager
def measured(meter, path=None):
    """Measure what happens inside; the list then has the reading and the joules expected."""
    found = []
    with polling.logging(meter, path) as log:
        start = time.time()
        yield found
        stop = time.time()
        found += [log.reading(start, stop), WATTS * (stop - start)]


def joules(reading):
    return reading.energy_consumed * JOULES_PER_KWH


@pytest.fixture(scope="module")
def plugs(tmp_path_factory):
    """What four plugs with one load tell of the same seconds: readings, joules expected, the file.

    One is sound, one answers badly, one's counter restarts while it is away, one's between two
    answers.
    """
    folder = tmp_path_factory.mktemp("plugs")
    with ExitStack() as servers:
        plugs = {name: Plug() for name in ("sound", "bad", "away", "restarted")}
        with ExitStack() as logs:
            found = {}
            for name, plug in plugs.items():
                url = f"http://127.0.0.1:{servers.enter_context(serving(plug.answer))}"
                meter = Meter(url, interval=0.1, **({"timeout": 0.3} if name == "bad" else {}))
                found[name] = logs.enter_context(measured(meter, folder / f"{name}.csv"))
            time.sleep(0.5)
            plugs["away"].faults = [lambda handler: reply(handler, 503, "")] * 8
            plugs["restarted"].restart()
            time.sleep(0.3)
            plugs["bad"].faults = [
                lambda handler: reply(handler, 503, ""),
                lambda handler: reply(handler, 200, "<html>no JSON</html>"),
                lambda handler: time.sleep(0.6),
                lambda handler: reply(handler, 200, "[1, 2]"),
                lambda handler: handler.wfile.close(),
            ]
            time.sleep(0.2)
            plugs["away"].restart()
            time.sleep(1.5)
    return {name: (*told, folder / f"{name}.csv") for name, told in found.items()}


def test_energy_is_what_the_load_used(plugs):
    reading, expected, noted = plugs["sound"]
    assert joules(reading) == pytest.approx(expected, rel=0.001)
    assert reading.components["machine"].method == "measured power (wattmeter)"
    assert reading.details["coverage"] == pytest.approx(1)
    assert reading.samples == pytest.approx(reading.duration / 0.1, abs=3)
    header, first, *_ = noted.read_text().splitlines()
    assert header == "timestamp,channel,power_W,counter_J"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}\.\d{3}\+00:00,0,180\.0,\d+\.\d+", first)


def test_errors_and_slow_answers_leave_a_gap_that_the_counter_fills(plugs):
    reading, expected, _ = plugs["bad"]
    assert joules(reading) == pytest.approx(expected, rel=0.01)
    assert reading.details["longest_gap"] > 0.4
    doubts = "; ".join(reading.doubts)
    for said in ("HTTP status 503", "is no JSON", "too late", "AttributeError", "counter tells"):
        assert said in doubts
    assert "127.0.0.1" not in str(reading)


def test_a_counter_that_restarts_while_the_plug_is_away_fills_nothing(plugs):
    reading, _, _ = plugs["away"]
    assert reading.energy_consumed is None
    assert "less than 95 %" in reading.components["machine"].reason


def test_a_counter_that_restarts_between_two_answers_changes_nothing(plugs):
    reading, expected, _ = plugs["restarted"]
    assert joules(reading) == pytest.approx(expected, rel=0.001)


def test_a_protected_plug_gets_its_password():
    plug = Plug(password="secret")
    with serving(plug.answer) as port:
        url = f"http://127.0.0.1:{port}"
        right, wrong = (Meter(url, password=said, interval=0.1) for said in ("secret", "wrong"))
        with measured(right) as found, measured(wrong) as refused:
            time.sleep(0.3)
    assert joules(found[0]) == pytest.approx(found[1], rel=0.001)
    assert refused[0].energy_consumed is None
    assert "HTTP status 401 (password?)" in str(refused[0].doubts)


def test_what_is_not_there_is_said(plug):
    with pytest.raises(Exception, match="500") as raised:
        Meter(plug.url, switch=7).read(0)
    assert polling.in_words(raised.value) == "it answered with HTTP status 500"
    plug.power_known = False
    with pytest.raises(polling.MeterError, match="switch 0 measures no power"):
        Meter(plug.url).read(0)


def test_a_dead_plug_holds_nothing_up():
    started = time.time()
    with measured(Meter("http://127.0.0.1:9", interval=0.1)) as found:
        time.sleep(0.2)
    assert time.time() - started < 2
    assert found[0].components["machine"].reason == "the wattmeter has no samples"


def test_a_file_describes_a_meter(plug, tmp_path):
    path = tmp_path / "meter.yaml"
    path.write_text(f"meter: shelly\nurl: {plug.url}\ninterval: 0.1\n")
    with meters.logging(str(path), tmp_path / "run") as log:
        assert isinstance(log.meter, Meter)
        time.sleep(0.3)
    assert (tmp_path / "run" / "wattmeter.csv").is_file()
    with meters.logging(None, tmp_path) as log:
        assert log is None
