"""Shelly plugs and relays of generation 2 and later, over their local HTTP API.

`Switch.GetStatus` tells `apower`, active power in W, and `aenergy.total`, an energy counter in Wh:
https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch
"""

import time

import requests
from requests.auth import HTTPDigestAuth

from lib.instruments.wattmeters.polling import Meter as PolledMeter
from lib.instruments.wattmeters.polling import MeterError, Sample
from lib.units import JOULES


class Meter(PolledMeter):
    """One switch of a Shelly device.

    Args:
        url: Of the device, e.g. `http://shelly.local`.
        switch: Which of its switches; most have one, number 0.
        password: If it is protected by one; the user is always `admin`.
    """

    name = "shelly"

    def __init__(
        self,
        url: str,
        switch: int = 0,
        password: str | None = None,
        interval: float = 1.0,
        timeout: float = 2.0,
    ):
        self.interval = interval
        self._url = f"{url.rstrip('/')}/rpc/Switch.GetStatus"
        self._switch = switch
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # a device beside the machine is behind no proxy
        if password is not None:
            self._session.auth = HTTPDigestAuth("admin", str(password))

    def read(self, since: float) -> list[Sample]:
        """Power and counter of this moment: half-way between question and answer."""
        asked = time.time()
        response = self._session.get(self._url, params={"id": self._switch}, timeout=self._timeout)
        answered = time.time()
        response.raise_for_status()
        status = response.json()
        power = status.get("apower")
        counter = status.get("aenergy", {}).get("total")
        if power is None and counter is None:
            raise MeterError(f"switch {self._switch} measures no power")
        return [
            Sample(
                (asked + answered) / 2,
                None if power is None else float(power),
                None if counter is None else float(counter) * JOULES["Wh"],
            )
        ]
