import json
import re
import sys
import time

import pytest

from lib.instruments import wattmeters
from lib.instruments.wattmeters import meters
from lib.units import JOULES_PER_KWH
from tests.instruments.loopback import reply, serving


def describe(folder, text):
    path = folder / "meter.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs a line `meter:` with one of prometheus, shelly"),
        ("meter: polling", "needs a line `meter:` with one of prometheus, shelly"),
        ("meter: [shelly]", "needs a line `meter:` with one of prometheus, shelly"),
        ("meter: {", "is not valid YAML"),
        ("meter: shelly", "missing a required argument: 'url'; shelly takes url, switch"),
        ("meter: shelly\nurl: http://10.0.0.7\nport: 1", "unexpected keyword argument 'port'"),
        ("meter: shelly\nurl: http://10.0.0.7\ninterval: 0", "interval: is to be more than 0 s"),
    ],
)
def test_a_wrong_description_is_refused_in_a_sentence(tmp_path, text, said):
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        meters.open_meter(describe(tmp_path, text))
    assert "10.0.0.7" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_description_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"meter\.yaml: can't be read: No such file"):
        meters.open_meter(tmp_path / "meter.yaml")


FURTHER_METER = '''
"""Plugs with Tasmota: https://tasmota.github.io/docs/Commands/"""

import time

import requests

from lib.instruments.wattmeters.polling import Meter as PolledMeter
from lib.instruments.wattmeters.polling import Sample
from lib.units import JOULES


class Meter(PolledMeter):
    """One plug."""

    name = "tasmota"

    def __init__(self, url: str, interval: float = 1.0):
        self.interval = interval
        self._url = f"{url}/cm"

    def read(self, since: float) -> list[Sample]:
        response = requests.get(self._url, params={"cmnd": "Status 8"}, timeout=2)
        response.raise_for_status()
        energy = response.json()["StatusSNS"]["ENERGY"]
        return [Sample(time.time(), energy["Power"], energy["Total"] * JOULES["kWh"])]
'''


def test_a_further_meter_is_one_small_file(tmp_path, monkeypatch):
    """The one that docs/wattmeter.md shows, put into a folder beside those of the package."""
    (tmp_path / "tasmota.py").write_text(FURTHER_METER)
    monkeypatch.setattr(wattmeters, "__path__", [*wattmeters.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "lib.instruments.wattmeters.tasmota", raising=False)
    status = {"StatusSNS": {"ENERGY": {"Power": 75, "Total": 12.5}}}

    with serving(lambda handler: reply(handler, 200, json.dumps(status))) as port:
        path = describe(tmp_path, f"meter: tasmota\nurl: http://127.0.0.1:{port}\ninterval: 0.1\n")
        with meters.logging(str(path), tmp_path) as log:
            start = time.time()
            time.sleep(0.6)
            stop = time.time()
            reading = log.reading(start, stop)
    assert reading.instrument == "tasmota"
    assert reading.energy_consumed * JOULES_PER_KWH == pytest.approx(75 * (stop - start))
    monkeypatch.delitem(sys.modules, "lib.instruments.wattmeters.tasmota")
