"""Hugging Face model cards: metadata `co2_eq_emissions` in grams, and what the energy cost.

https://huggingface.co/docs/hub/model-cards-co2. The body answers the items of the climate
performance model card (arXiv:2205.05071) and of Annex XI 1(2)(d) and (e) of the EU AI Act, which
binds providers of general-purpose models only.
"""

import re
from typing import Any

import pandas as pd
import yaml

from lib import text
from lib.analysis import cost
from lib.analysis.results import Analysis
from lib.quantities import number
from lib.report.exports.sci import configurations, mean

GRAMS_PER_KILOGRAM = 1000
_UNFIT = re.compile(r"[^\w.-]+")  # for the name of a file


def files(study: Analysis) -> dict[str, str]:
    """A card a configuration, by file name."""
    cards = {"-".join(levels.values()): card(study, runs) for levels, runs in configurations(study)}
    return {f"model-card/{re.sub(_UNFIT, '-', name)}.md": said for name, said in cards.items()}


def card(study: Analysis, runs: pd.DataFrame) -> str:
    """The card of one configuration, of the means of its runs."""
    front = yaml.safe_dump(metadata(runs), sort_keys=False, allow_unicode=True)
    items = "\n".join(f"- **{name}**: {said}" for name, said in _items(study, runs).items())
    return f"---\n{front}---\n\n## Energy and emissions of the training\n\n{items}\n"


def metadata(runs: pd.DataFrame) -> dict[str, Any]:
    """The front matter; emissions in grams, left out where no location was configured."""
    first = runs.iloc[0]
    emissions = mean(runs, "emissions")
    found: dict[str, Any] = {"pipeline_tag": "image-classification", "library_name": "keras"}
    if emissions is not None:
        found["co2_eq_emissions"] = {
            "emissions": float(f"{emissions * GRAMS_PER_KILOGRAM:.4g}"),
            "source": f"CodeCarbon {first.get('version_codecarbon', '')}".strip(),
            "training_type": "pre-training" if first.get("weights") == "none" else "fine-tuning",
            "geographical_location": str(first.get("location")),
            "hardware_used": _hardware(first),
        }
    return found


def _items(study: Analysis, runs: pd.DataFrame) -> dict[str, str]:
    first, spent = runs.iloc[0], study.cost
    energy, emissions = mean(runs, "energy_consumed"), mean(runs, "emissions")
    low, high = (mean(runs, f"energy_consumed_{end}") for end in ("low", "high"))
    all_emissions = cost.whole(spent["emissions"], spent["energy_consumed"])
    flops = mean(runs, "flops_training")
    return {
        "Time to train the final model": text.duration(mean(runs, "duration")),
        "Time of all experiments": text.duration(float(spent["duration"].sum())),
        "Energy of the training": text.with_limits(energy, low, high),
        "Location": str(first.get("location") or "not configured"),
        "Energy mix at that place": (
            f"{number(mean(runs, 'carbon_intensity') or float('nan'))} g CO₂-eq/kWh "
            f"({first.get('location_source')})"
            if emissions is not None
            else "unknown, because no location was configured"
        ),
        "CO₂-eq of the final model": _kg(emissions),
        "CO₂-eq of all experiments": _kg(all_emissions),
        "Computational resources (Annex XI 1(2)(d))": (
            f"{number(flops)} FLOPs counted, {_hardware(first)}"
            if flops is not None
            else _hardware(first)
        ),
        "Energy consumption (Annex XI 1(2)(e))": (
            f"{text.energy(energy)}; CPU: {first.get('cpu_method')}, GPU: "
            f"{first.get('gpu_method')}, RAM: {first.get('ram_method')}"
        ),
    }


def _hardware(run: pd.Series) -> str:
    names = [run.get(name) for name in ("gpu_model", "cpu_model")]
    return ", ".join(str(name) for name in names if name and not pd.isna(name)) or "unknown"


def _kg(value: float | None) -> str:
    known = value is not None and not pd.isna(value)
    return text.with_limits(value, column="emissions") if known else "unknown"
