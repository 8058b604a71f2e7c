"""What `notebooks/train.ipynb` shows besides figures: small tables, each with its units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd
from IPython.display import Markdown
from pandas.io.formats.style import Styler

from lib import text
from lib.files import without_home
from lib.records import FILE_NAME
from lib.study.catalog import NO_DEPTH
from lib.study.config import RunFields

if TYPE_CHECKING:
    from lib.records import Record
    from lib.training.network import Network


def configuration(config: RunFields) -> Styler:
    """The configuration, and the id that it gives the run."""
    rows = [(name, _text(value)) for name, value in config.model_dump().items()]
    return _table([("run id", config.run_id), *rows], ["field", "value"])


def network(network: Network, epochs: int) -> Styler:
    """Depth, parameters and FLOPs of a network, and of training it for so many epochs."""
    return _table(
        [
            ("depth (layers, as in the paper's Table 2)", _depth(network)),
            ("parameters", f"{network.parameters:,}"),
            ("of which trainable", f"{network.trainable_parameters:,}"),
            ("FLOPs of one forward batch of 32", _flops(network.flops)),
            ("of which in the trainable head", _flops(network.flops_head)),
            ("FLOPs of the whole training run", _flops(network.flops_training(epochs))),
            ("computed in", network.precision),
        ],
        ["quantity", "value"],
    )


def energy(record: Record, *qualities: str) -> Styler:
    """What a run took: each figure with its unit and how it was obtained.

    Args:
        record: Of the run.
        qualities: Further results to show, by their names.
    """
    why = record.reasons
    components = [
        (
            f"{name.upper()} energy",
            _kwh(getattr(record, f"{name}_energy")),
            why.get(f"{name}_energy") or getattr(record, f"{name}_method") or "",
        )
        for name in ("cpu", "gpu", "ram")
    ]
    intensity = record.carbon_intensity
    rows = [
        ("duration of the training", text.duration(record.duration), "clock"),
        ("energy consumed", _kwh(record.energy_consumed), "sum of the components"),
        *components,
        *_wattmeter(record),
        ("idle energy in that time", _kwh(record.idle_energy), why.get("idle_energy", "baseline")),
        ("net energy", _kwh(record.net_energy), why.get("net_energy", "energy less idle energy")),
        (
            "emissions",
            "" if record.emissions is None else f"{record.emissions * 1000:.4g} g CO₂-eq",
            why.get("emissions") or f"energy × {intensity:.4g} g/kWh ({record.location_source})",
        ),
        *((name.replace("_", " "), f"{record.value(name):.4g}", "result") for name in qualities),
    ]
    if record.accuracy is not None:
        score = "" if record.score is None else f"{record.score:.4g} per kWh"
        rows += [
            ("validation accuracy", f"{record.accuracy:.4f}", "of the trained model"),
            ("Score", score, why.get("score", "accuracy / energy consumed")),
        ]
    rows += _inference(record)
    return _table(rows, ["quantity", "value", "how"])


def _inference(record: Record) -> list[tuple[str, str, str]]:
    """Rows for what the trained model costs in use, where that was measured."""
    if "inference_samples" not in record.extra:
        return []
    known, like = record.extra, record.extra["inferences_like_training"]
    net = known["inference_net_energy_per_1000"]
    how = "net of idle" if net is not None else "of the whole machine"
    spent = known["inference_energy_per_1000"] if net is None else net
    seconds = known["inference_seconds_per_1000"]
    return [
        ("energy of 1,000 inferences", _kwh(spent), how),
        ("time of 1,000 inferences", f"{seconds:.3g} s", "clock"),
        (
            "inferences that take what the training took",
            "" if like is None else f"{like:,.0f}",
            how,
        ),
    ]


def _wattmeter(record: Record) -> list[tuple[str, str, str]]:
    """A row for the wattmeter, where one was asked."""
    if "wattmeter_energy" not in record.extra:
        return []
    how = record.reasons.get("wattmeter_energy") or str(record.extra.get("wattmeter_source"))
    return [("energy by the wattmeter", _kwh(record.extra["wattmeter_energy"]), how)]


def doubts(record: Record) -> Markdown:
    """What makes this run less trustworthy, as a list."""
    if not record.doubts:
        return Markdown("The checks of machine and instruments found nothing to doubt.")
    return Markdown("**To be doubted**\n\n" + "\n".join(f"- {doubt}" for doubt in record.doubts))


def written(config: RunFields) -> Markdown:
    """Where the record is."""
    return Markdown(f"The run is complete: `{without_home(str(config.run_dir))}/{FILE_NAME}`")


def _table(rows: Iterable[tuple[str, ...]], columns: list[str]) -> Styler:
    style = pd.DataFrame(rows, columns=columns).style.hide(axis="index")
    left = [{"selector": "th, td", "props": "text-align: left !important"}]
    return style.format(escape="html").set_table_styles(left)


def _text(value: object) -> str:
    return "none given" if value is None else str(value)


def _kwh(value: float | None) -> str:
    return "" if value is None else text.energy(value)


def _depth(network: Network) -> str:
    return NO_DEPTH if network.depth is None else f"{network.depth}"


def _flops(value: int | None) -> str:
    return "" if value is None else f"{value / 1e9:,.4g} G"
