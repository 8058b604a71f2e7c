from types import SimpleNamespace

import pytest

from lib.experiment import protocol
from lib.instruments import Component, Nothing, Reading

WATTS = 36.0


class FakeCodeCarbon:
    """A tracker on a clock of its own: 100 s of 36 W between start and stop."""

    name = "codecarbon"
    latest = SimpleNamespace(power=WATTS, energy_consumed=0.0005)
    cpu = 0.0005

    def __init__(self, location, folder=None, trace=None):
        self.told = 0

    def start(self):
        pass

    def energy_so_far(self):
        self.told += 1
        return self.told * 0.0001

    def stop(self):
        why = None if self.cpu is not None else "a counter restarted"
        components = {
            "cpu": Component(self.cpu, "measured counter (RAPL)", why),
            "gpu": Component(None, "none", "no GPU"),
            "ram": Component(0.0005, "model (18 W)"),
        }
        details = {"run_id": "a-tracker", "peak_power": 45.0}
        return Reading(self.name, 100.0, components, 100, ("a doubt",), details)


@pytest.fixture
def meter(monkeypatch):
    """Runs that are measured by a fake: its class, whose `cpu` (kWh) may be set."""
    fake = type("Fake", (FakeCodeCarbon,), {})
    monkeypatch.setattr(protocol, "CodeCarbon", fake)
    monkeypatch.setattr(protocol, "find_hardware", lambda location: None)
    monkeypatch.setattr(protocol, "energy_counter", lambda: Nothing("nvml", "no GPU", ("gpu",)))
    monkeypatch.setattr(protocol.checks, "look", lambda: ["busy", "busy"])
    return fake
