"""What the notebook and the page of a run show besides figures: small tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd
from IPython.display import Markdown

from lib import text
from lib.files import without_home
from lib.quantities import number, quantity, significant
from lib.records import FILE_NAME
from lib.report.budgets import run_budget
from lib.report.page import Table
from lib.study.catalog import NO_DEPTH
from lib.study.config import RunFields
from lib.units import JOULES_PER_KWH

if TYPE_CHECKING:
    from lib.records import Record
    from lib.training.network import Network


def configuration(config: RunFields) -> Table:
    """What of a configuration differs from the defaults of its notebook."""
    fields = type(config).model_fields
    rows = [
        (name, _text(value), _text(fields[name].default))
        for name, value in config.recorded.items()
        if value != fields[name].default
    ]
    said = "Every other field has its default." if rows else "Every field has its default."
    columns = ["field", "value", "default"]
    return _table("configuration", f"Run {config.run_id}", rows, columns, said)


def settings(config: dict[str, Any]) -> Table:
    """Every field of a run, as its record has them."""
    rows = [(name, _text(value)) for name, value in config.items()]
    return _table("settings", "Settings", rows, ["field", "value"])


def network(network: Network, epochs: int) -> Table:
    """Depth, parameters and FLOPs of a network, and of training it for so many epochs."""
    depth = NO_DEPTH if network.depth is None else f"{network.depth}"
    rows = [
        ("depth (layers, as in the paper's Table 2)", depth),
        ("parameters", f"{network.parameters:,}"),
        ("of which trainable", f"{network.trainable_parameters:,}"),
        ("FLOPs of one forward batch of 32", _flops(network.flops)),
        ("of which in the trainable head", _flops(network.flops_head)),
        ("FLOPs of the whole training run", _flops(network.flops_training(epochs))),
        ("computed in", network.precision),
    ]
    return _table("network", "The network", rows, ["quantity", "value"])


def energy(record: Record, *qualities: str) -> Table:
    """What a run took, each figure with its unit and how it was obtained, and further results."""
    why = record.reasons
    intensity = f"{number(record.carbon_intensity)} g/kWh ({record.location_source})"
    net, idle = _limited(record, "net_energy"), _kwh(record.idle_energy)
    emissions = _limited(record, "emissions")
    rows = [
        ("duration of the training", text.duration(record.duration), "clock"),
        ("energy consumed", _limited(record, "energy_consumed"), "sum of the components"),
    ]
    for part in ("cpu", "gpu", "ram"):
        name, method = f"{part}_energy", getattr(record, f"{part}_method")
        how = why.get(name) or method or ""
        rows.append((quantity(name).name, _kwh(getattr(record, name)), how))
    if "wattmeter_energy" in record.extra:
        how = why.get("wattmeter_energy") or str(record.extra.get("wattmeter_source"))
        rows.append(("energy by the wattmeter", _kwh(record.extra["wattmeter_energy"]), how))
    rows += [
        ("idle energy in that time", idle, why.get("idle_energy", "baseline")),
        ("net energy", net, why.get("net_energy", "energy less idle energy")),
        ("emissions", emissions, why.get("emissions", f"energy × {intensity}")),
        *((name.replace("_", " "), number(record.value(name)), "result") for name in qualities),
    ]
    if record.accuracy is not None:
        score = "" if record.score is None else f"{number(record.score)} per kWh"
        rows += [
            ("validation accuracy", number(record.accuracy), "of the trained model"),
            ("Score", score, why.get("score", "accuracy / energy consumed")),
        ]
    rows += _inference(record)
    said = in_water(record.energy_consumed)
    return _table("energy", "What the run took", rows, ["quantity", "value", "how"], said)


_HEAT_OF_WATER = 4.18e3  # J per litre and kelvin (CRC Handbook of Chemistry and Physics)


def in_water(kwh: float | None) -> str:
    """An energy as something that people know; nothing for one that is not above 0."""
    if kwh is None or kwh <= 0:
        return ""
    kelvins = kwh * JOULES_PER_KWH / _HEAT_OF_WATER
    if kelvins > 80:
        what = f"bring {significant(kelvins / 80, 2)} litres of water from 20 to 100 °C"
    elif kelvins > 1:
        what = f"warm a litre of water by {significant(kelvins, 2)} °C"
    else:
        what = f"warm a glass of water (0.2 litres) by {significant(5 * kelvins, 2)} °C"
    return f"{text.energy(kwh)} would {what} (a litre takes 4.18 kJ for each degree)."


def _inference(record: Record) -> list[tuple[str, str, str]]:
    """Rows for what the trained model costs in use, where that was measured."""
    if "inference_samples" not in record.extra:
        return []
    known, like = record.extra, record.extra["inferences_like_training"]
    net = known["inference_net_energy_per_1000"]
    how = "net of idle" if net is not None else "gross, idle included"
    spent = known["inference_energy_per_1000"] if net is None else net
    seconds, count = known["inference_seconds_per_1000"], "" if like is None else f"{like:,.0f}"
    return [
        ("energy of 1,000 inferences", _kwh(spent), how),
        ("time of 1,000 inferences", f"{seconds:.3g} s", "clock"),
        ("inferences that equal the training", count, how),
    ]


def doubts(record: Record) -> Markdown:
    """What makes this run less trustworthy, as a list."""
    if not record.doubts:
        return Markdown("The checks of machine and instruments raised no doubt.")
    return Markdown("**Doubts**\n\n" + "\n".join(f"- {doubt}" for doubt in record.doubts))


def written(config: RunFields) -> Markdown:
    """Where the record is."""
    return Markdown(f"The run is complete: `{without_home(str(config.run_dir))}/{FILE_NAME}`")


def _table(
    name: str, caption: str, rows: Iterable[tuple[str, ...]], columns: list[str], note: str = ""
) -> Table:
    return Table(name, caption, pd.DataFrame(rows, columns=columns), note)


def _text(value: object) -> str:
    return "none given" if value is None else str(value)


def uncertainty(record: Record) -> Table:
    """What makes the run's energy uncertain."""
    return run_budget(record.row())


def _limited(record: Record, figure: str) -> str:
    """A figure with its 95 % limits; nothing where there is none."""
    value = getattr(record, figure)
    low, high = (record.extra.get(f"{figure}_{end}") for end in ("low", "high"))
    return "" if value is None else text.with_limits(value, low, high, column=figure)


def _kwh(value: float | None) -> str:
    return "" if value is None else text.energy(value)


def _flops(value: int | None) -> str:
    return "" if value is None else f"{value / 1e9:,.4g} G"
