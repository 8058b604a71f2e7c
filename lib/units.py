"""Units: those that wattmeters speak, in W and J, and those that results are in."""

from typing import Any

WATTS = {"uW": 1e-6, "mW": 1e-3, "W": 1.0, "kW": 1e3}  # W in a unit of power

JOULES = {"uJ": 1e-6, "mJ": 1e-3, "J": 1.0, "mWh": 3.6, "Wh": 3.6e3, "kWh": 3.6e6}
"""J in a unit of energy."""

JOULES_PER_KWH = JOULES["kWh"]

GIGABYTE = 1024**3  # bytes; as CodeCarbon and the tools of systems count memory


def mean_power(energy: Any, duration: Any) -> Any:
    """Mean power in W of `energy` (kWh) over `duration` (s), of numbers or of columns of them."""
    return energy * JOULES_PER_KWH / duration
