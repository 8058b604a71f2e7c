"""Any wattmeter that a Prometheus server scrapes, over the server's HTTP API.

A range selector gives the samples as they were scraped, with the moment of each:
https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
So nothing is resampled, and what was missed while the server could not be asked is fetched later.
"""

import math
import time

import requests

from lib.instruments.wattmeters.polling import Meter as PolledMeter
from lib.instruments.wattmeters.polling import MeterError, Sample
from lib.units import JOULES, WATTS

EARLIER = 60.0
"""s. So much before the first question is asked for, to have the sample before a run's start."""


class Meter(PolledMeter):
    """Series of a Prometheus server; several series are channels, whose energies are added.

    Args:
        url: Of the server, e.g. `http://prometheus.local:9090`.
        query: A selector, e.g. `node_hwmon_power_average_watt{chip="acpi"}`; not an expression.
        unit: Of the values: mW, W or kW for power, J, mWh, Wh or kWh for a counter.
        username: If the server asks for one, with HTTP basic authentication.
        password: To go with it.
    """

    name = "prometheus"

    def __init__(
        self,
        url: str,
        query: str,
        unit: str = "W",
        username: str | None = None,
        password: str | None = None,
        interval: float = 5.0,
        timeout: float = 5.0,
    ):
        units = WATTS | JOULES
        if unit not in units:
            raise ValueError(f"unit '{unit}' is unknown; there are {', '.join(units)}")
        self.interval = interval
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._query = query
        self._factor = units[unit]
        self._quantity = "power" if unit in WATTS else "counter"
        self._timeout = timeout
        self._channels: dict[tuple[tuple[str, str], ...], int] = {}
        self._session = requests.Session()
        if username is not None:
            self._session.auth = (str(username), str(password or ""))

    def read(self, since: float) -> list[Sample]:
        """Every sample that was scraped from `since` on, and shortly before."""
        now = time.time()
        seconds = math.ceil(now - since + EARLIER)
        response = self._session.get(
            self._url,
            params={"query": f"{self._query}[{seconds}s]", "time": f"{now:.3f}"},
            timeout=self._timeout,
        )
        if response.status_code in (400, 422):
            raise MeterError(
                "it does not understand the query, which must be a selector like "
                'metric{label="value"}, with a recording rule for anything that computes'
            )
        response.raise_for_status()
        series = response.json()["data"]["result"]
        if not series:
            raise MeterError(f"the query finds no samples of the last {seconds} s")
        samples = []
        for one in series:
            # A number for a series: labels name hosts, and are not noted anywhere.
            labels = tuple(sorted(one["metric"].items()))
            channel = self._channels.setdefault(labels, len(self._channels))
            for moment, text in one["values"]:
                if math.isfinite(value := float(text) * self._factor):
                    samples.append(Sample(moment, channel=channel, **{self._quantity: value}))
        return samples
