"""What follows from the energy: net of idle, per image, to a target accuracy, and predicted."""

import pandas as pd

from lib.analysis import frugality as derived
from lib.analysis import savings
from lib.analysis.results import Analysis
from lib.report.page import Table
from lib.report.tables import shared

_SHORT = f"{100 * derived.SHORT_OF_BEST:.0f} %"


def baseline(study: Analysis) -> Table:
    """Gross energy, what the idle machine would have drawn in that time, and what is left."""
    columns = ["energy_consumed", "idle_energy", "net_energy"]
    runs = study.believed
    if not set(columns) <= set(runs) or runs["net_energy"].isna().all():
        reason = "Net energy: no run measured an idle baseline (protocol: idle_seconds)."
        return Table("baseline", "", pd.DataFrame(), reason)
    frame = shared.means(study, runs.dropna(subset=["net_energy"]), columns)
    frame["idle_share"] = frame["idle_energy"] / frame["energy_consumed"]
    return Table(
        "baseline",
        "Gross, idle and net energy, mean of a configuration's runs",
        frame,
        "Idle is the power before the training, for as long as the training took. Everywhere else "
        "in this report energy is gross, as in the paper.",
    )


_IN_USE = (
    *("inference_energy_per_1000", "inference_net_energy_per_1000"),
    *("inference_seconds_per_1000", "inferences_like_training"),
)
"""What the trained networks cost in use, where that was measured."""


def frugality(study: Analysis) -> Table:
    """Energy per image and epoch, power, and what an accuracy cost."""
    figures = derived.per_run(study.believed, study.histories)
    columns = [name for name in figures if name not in derived.KEYS]
    runs = study.believed.drop(columns=columns, errors="ignore").merge(figures, on=derived.KEYS)
    columns += [name for name in _IN_USE if name in runs]
    frame = shared.means(study, runs, columns).dropna(axis="columns", how="all")
    if "energy_to_threshold" not in frame:
        frame = frame.drop(columns="threshold", errors="ignore")
    return Table(
        "frugality",
        "What the energy bought, mean of a configuration's runs",
        frame,
        (
            f"The target accuracy is {_SHORT} below the best that any run reached on the dataset. "
            "Runs that never reached it, or that stay at chance level, have no value."
            if "threshold" in frame
            else ""
        ),
    )


def predictions(study: Analysis) -> Table:
    """How well the first epochs predict the energy of the whole run."""
    cached = set(savings.cached(study.completed)["run_id"])
    histories = {run: history for run, history in study.histories.items() if run not in cached}
    errors = derived.prediction_errors(histories)
    if errors.empty:
        why = "no run has the energy of at least two epochs."
        why = "with cached features the first epoch is unlike the others." if cached else why
        reason = f"Predicting a run from its first epochs: {why}"
        return Table("predictions", "", pd.DataFrame(), reason)
    groups = errors.assign(size=errors["error"].abs()).groupby("first_epochs", as_index=False)
    columns = {"mean_error": ("error", "mean"), "largest_error": ("size", "max")}
    return Table(
        "predictions",
        "Energy of a whole run, predicted from its first epochs",
        groups.agg(runs=("run_id", "size"), **columns),
        "Predicted over actual energy, less 1: 0.05 is 5 % too high. The prediction is the mean of "
        "the first epochs times the number of epochs."
        + " Runs with cached features, whose first epoch is unlike the others, are left out."
        * bool(cached),
    )
