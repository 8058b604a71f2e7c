"""The tables of the report, one function a table: a study in, a `Table` out.

Where the paper has such a table, ours has its number. A table that can't be filled says why.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lib import audit, conclusions, locations, published, reproduction, sample_size
from lib.analysis import Analysis
from lib.files import write_atomically
from lib.measures import MEASURES, measure, ordered
from lib.page import Link, Prose, Stack, Table

FOLDER = "tables"
_PAPER_RESPONSES = ("emissions", "energy_consumed", "flops")


def audits(study: Analysis) -> Table:
    """What is doubtful in the results, the worst first."""
    frame = audit.to_frame(study.findings)[["severity", "name", "what", "why", "runs", "rows"]]
    shown = frame.rename(columns={"name": "check", "what": "finding", "why": "why_it_matters"})
    return Table("audits", "What was checked", shown.drop(columns="rows"))


def weighed(study: Analysis) -> Table:
    """The paper's conclusions, and what becomes of each when its data are read correctly."""
    found = conclusions.to_frame(conclusions.conclusions(study.completed, study.reanalysis))
    columns = ["verdict", "claim", "sentence", "where", "question", "evidence"]
    shown = found[columns].rename(columns={"sentence": "why", "where": "in_the_paper"})
    return Table("conclusions", "The paper's conclusions", shown, "" if shown.empty else _VERDICTS)


_VERDICTS = (
    "A result that an instrument could not have measured is undecided, not refuted; a conclusion "
    "falls only where a sound measurement, or arithmetic, speaks against it. Evidence names the "
    "tables under “The evidence”."
)


def evidence(study: Analysis) -> Stack:
    """The tables that the verdicts on the paper's conclusions point to."""
    return Stack(
        tuple(Table(f"evidence_{name}", name, frame) for name, frame in study.reanalysis.items())
    )


def networks(study: Analysis) -> Table:
    """Table 2: what each network is made of, and the FLOPs that it takes."""
    columns = ["architecture", "dataset", "image_size", "depth", "parameters"]
    columns += ["trainable_parameters", "flops", "flops_head", "flops_training"]
    frame = _sorted(_present(study.configurations, columns))
    return Table(
        "table2_networks",
        "Table 2. The networks",
        frame,
        "FLOPs of one forward batch of 32 images, as in the paper; those of the training are of "
        "the whole run, forward and backward.",
    )


def measurements(study: Analysis) -> Table:
    """Means of every configuration: what its runs took and what they reached."""
    by = [*_reading(study), *_factors(study)]
    means = ["energy_consumed", "cpu_energy", "gpu_energy", "ram_energy"]
    means += ["power", "emissions", "duration", "accuracy"]
    means = [name for name in means if name in study.runs]
    numeric = study.runs.assign(**{name: pd.to_numeric(study.runs[name]) for name in means})
    groups = numeric.groupby(by, sort=False, dropna=False)
    frame = groups[means].mean()
    frame.insert(0, "runs", groups.size())
    frame = frame.assign(
        relative_sd=groups["energy_consumed"].std() / groups["energy_consumed"].mean()
    )
    return Table(
        "measurements",
        "What a run took, mean of its repetitions",
        _sorted(frame.reset_index()).dropna(axis="columns", how="all"),
        "Relative SD: the energy's standard deviation between repetitions, as a share of its mean.",
    )


def dataset_correlation(study: Analysis) -> Table:
    """Table 3: point-biserial correlation of the responses with the dataset."""
    return _tests(
        study,
        "table3_datasets",
        "Table 3. Correlation with the dataset (point-biserial)",
        test="point-biserial",
        note="A negative coefficient: the first dataset by name has the lower values.",
    )


def architecture_differences(study: Analysis) -> Table:
    """Table 4: Kruskal-Wallis test of the responses between architectures."""
    return _tests(
        study,
        "table4_architectures",
        "Table 4. Differences between architectures (Kruskal-Wallis)",
        test="Kruskal-Wallis",
        factor="architecture",
    )


def architecture_differences_within(study: Analysis) -> Table:
    """Table 4, asked within each dataset: a mixture of datasets can hide what each shows."""
    return _tests(
        study,
        "table4_architectures_within_dataset",
        "Table 4, within each dataset",
        test="Kruskal-Wallis",
        factor="architecture",
        within=True,
    )


def architecture_pairs(study: Analysis) -> Table:
    """Which architectures differ from which: Dunn's test and Cliff's delta."""
    return _tests(
        study,
        "table4_pairs",
        "Table 4, pair by pair (Dunn)",
        test="Dunn",
        factor="architecture",
        within=None,
        note="Cliff's delta: how much more often a run of the first architecture lies above one of "
        "the second than below, from -1 to 1.",
    )


def location_differences(study: Analysis) -> Table:
    """Table 5: Kruskal-Wallis test of the responses between locations."""
    return _tests(
        study,
        "table5_locations",
        "Table 5. Differences between locations (Kruskal-Wallis)",
        test="Kruskal-Wallis",
        factor="location",
        within=None,
    )


def all_tests(study: Analysis) -> Table:
    """Every test that was made, those too that no other table shows."""
    frame = study.tests[[*study.tests.columns.drop("family"), "family"]]
    return Table(
        "tests", "Every test", frame, "Family: tests whose p-values Holm adjusts together."
    )


def scores(study: Analysis) -> Table:
    """Table 6: Score = accuracy / energy of every configuration, ranked."""
    columns = [*_reading(study), "location", "dataset", "rank", "architecture", "n"]
    columns += ["mean_accuracy", "mean_energy_consumed", "score_ratio_of_means"]
    columns += ["score_ratio_of_means_low", "score_ratio_of_means_high", "score_mean_of_ratios"]
    columns += ["score_min", "score_max", "pareto", "reason"]
    by = [*_reading(study), "location", "dataset", "rank"]
    frame = study.ranked.sort_values(by, kind="stable", key=_order)
    frame, why = _reasoned(_present(frame, columns))
    return Table(
        "table6_scores",
        "Table 6. Score: accuracy per kWh",
        frame,
        "Score is mean accuracy divided by mean energy, the two columns before it; the paper "
        "prints the mean of the runs' own Scores. Ranked within a location and a dataset. On the "
        "Pareto front: no other architecture there is at least as accurate for at most the energy."
        + why,
    )


def instruments(study: Analysis) -> Table:
    """Table 7: the wattmeter's energy beside CodeCarbon's and its components."""
    if study.metered.empty:
        return Table("table7_instruments", "", pd.DataFrame(), _NO_WATTMETER)
    columns = ["wattmeter_energy", "energy_consumed", "cpu_energy", "gpu_energy", "ram_energy"]
    groups = study.metered.groupby(["dataset", "architecture"], sort=False)
    frame = groups[columns].median()
    frame.insert(0, "runs", groups.size())
    frame["gap_percent"] = 100 * (1 - frame["energy_consumed"] / frame["wattmeter_energy"])
    return Table(
        "table7_instruments",
        "Table 7. Wattmeter and CodeCarbon, medians of the repetitions",
        _sorted(frame.reset_index()),
        "Gap: how much less CodeCarbon says than the wattmeter.",
    )


_NO_WATTMETER = (
    "No run of this study was measured by a wattmeter, so nothing here can say how far the "
    "software's energy is from what came out of the socket."
)


def methods(study: Analysis) -> Table:
    """How each component of energy was obtained, and what share of the energy it is."""
    runs = study.best_reading
    parts = ["cpu", "gpu", "ram"]
    columns = ["component", "method", "runs", "mean_energy_consumed", "share_percent"]
    total = pd.to_numeric(runs["energy_consumed"]).sum()
    rows = []
    for part in parts:
        if f"{part}_method" not in runs:
            continue
        energy = pd.to_numeric(runs[f"{part}_energy"])
        for method, group in energy.groupby(runs[f"{part}_method"].fillna("unknown")):
            share = 100 * group.sum() / total if total else float("nan")
            rows.append((part.upper(), method, len(group), group.mean(), share))
    return Table(
        "methods",
        "How each component of energy was obtained",
        pd.DataFrame(rows, columns=columns),
        "Share: of the energy of all runs. Only a counter measures; a model or a constant follows "
        "the time and perhaps the load.",
    )


def repetitions(study: Analysis) -> Table:
    """How many repetitions a difference of 5 % or 10 % would take to be seen."""
    by = _factors(study)
    needed = sample_size.repetitions_needed(study.best_reading, "energy_consumed", by)
    frame = needed.drop_duplicates(by)[[*by, "n", "relative_sd", "reason"]].reset_index(drop=True)
    for share, rows in needed.groupby("difference", sort=False):
        frame[f"for_{share:.0%}_difference"] = rows["repetitions"].to_numpy()
    frame["reason"] = frame.pop("reason")
    pooled = frame[by[0]] == sample_size.POOLED
    frame, why = _reasoned(pd.concat([_sorted(frame[~pooled]), frame[pooled]]))
    return Table(
        "repetitions",
        "Repetitions needed to see a difference in energy (80 % power, 5 % level)",
        frame,
        "From the spread between repetitions that was observed, for a t-test of two groups." + why,
    )


def places(study: Analysis) -> Table:
    """What the same energy would have emitted elsewhere."""
    frame, why = _reasoned(_sorted(locations.compare(study.best_reading)))
    caption = "Emissions if the same energy had been used elsewhere"
    return Table("emissions_by_place", caption, frame.drop(columns=["place", "year"]), why)


def versions(study: Analysis) -> Table:
    """Software that the runs used, with every version that occurred."""
    names = [name for name in study.completed if str(name).startswith("version_")]
    names += [name for name in ("python_version", "codecarbon_version") if name in study.completed]
    rows = [
        (name.removeprefix("version_").removesuffix("_version"), ", ".join(found))
        for name in names
        if (found := sorted({str(value) for value in study.completed[name].dropna()}))
    ]
    return Table("versions", "Software", pd.DataFrame(rows, columns=["package", "version"]))


def machines(study: Analysis) -> Table:
    """The machines that the runs ran on."""
    columns = [
        "machine",
        "cpu_model",
        "cpu_count",
        "gpu_model",
        "gpu_count",
        "ram_total_size",
        "os",
    ]
    known = [name for name in columns if name in study.completed]
    described = study.completed[known]
    if "ram_total_size" in known:
        described = described.assign(ram_total_size=described["ram_total_size"].round(1))
    groups = described.groupby(known, dropna=False, sort=False)
    frame = groups.size().reset_index(name="runs").dropna(axis="columns", how="all")
    return Table("machines", "Machines", frame)


def protocol(study: Analysis) -> Table:
    """Every setting that all completed runs share, and those that differ between runs."""
    from lib.study import RunConfig

    rows = []
    for name in RunConfig.model_fields:
        if name in study.completed and name not in ("repetition", "output_dir"):
            values = ordered(_whole(value) for value in study.completed[name].dropna())
            rows.append((name, ", ".join(values) if values else "not set, so the default"))
    return Table("protocol", "Settings of the runs", pd.DataFrame(rows, columns=["field", "value"]))


def runs(study: Analysis) -> Table:
    """Every run, planned and ended, with a link to its notebook."""
    columns = ["position", "run_id", "status", *_factors(study), "repetition", "seed", "accuracy"]
    columns += ["energy_consumed", "energy_consumed_logged", "emissions", "duration", "score"]
    frame = _present(study.results, [*columns, "started_at", "error"])
    if study.planned:
        places = {run: place for place, run in enumerate(study.planned, start=1)}
        waiting = pd.DataFrame({"run_id": study.missing, "status": "not yet run"})
        frame = pd.concat([frame, waiting], ignore_index=True)
        frame["position"] = frame["run_id"].map(places)
        frame = frame[["position", *frame.columns.drop("position")]]
        frame = frame.sort_values("position", kind="stable")
    frame = frame.dropna(axis="columns", how="all").reset_index(drop=True)
    frame["run_id"] = [_notebook(study, run) for run in frame["run_id"]]
    note = "; ".join(study.damaged)
    return Table("runs", "Every run", frame, f"Not a record: {note}" if note else "")


def beside_paper(study: Analysis, name: str) -> Table:
    """One of the paper's tables computed from its raw data, cell beside cell with the printed one.

    Args:
        study: The authors' data; for any other study the table is empty.
        name: Of the paper's table: `table2` to `table7`, `rq3`.
    """
    (item,) = [item for item in reproduction.REPRODUCTIONS if item.name == name]
    file = f"{name}_beside_paper"
    if not study.is_the_papers:
        return Table(file, "", pd.DataFrame())
    cells = pd.concat(
        [
            reproduction.compare(item, reading).assign(reading=reading_name)
            for reading_name, reading in published.readings(study.completed).items()
        ]
    )
    keys = ["row", "column", "paper"]
    first, last = (
        cells[cells["reading"] == reading].set_index(keys)
        for reading in (published.AS_PUBLISHED, published.CORRECTED)
    )
    frame = pd.DataFrame(
        {
            "as_published": first["ours"],
            "difference": first["difference"],
            "match": first["match"],
            "corrected": last["ours"],
        }
    ).reset_index()
    frame = frame.rename(columns={"column": "quantity", "paper": "the_paper"})
    frame["quantity"] = [measure(quantity).label for quantity in frame["quantity"]]
    frame["row"] = [measure(row).name if row in MEASURES else row for row in frame["row"]]
    agreeing = frame["match"].isin(reproduction.AGREEING).sum()
    return Table(
        file,
        f"{item.title}, cell by cell",
        frame,
        f"{agreeing} of {len(frame)} cells come out as the paper prints them. "
        f"{published.source(name)}.",
    )


TABLES: tuple[Callable[[Analysis], Table], ...] = (
    audits,
    weighed,
    networks,
    measurements,
    dataset_correlation,
    architecture_differences,
    architecture_differences_within,
    architecture_pairs,
    location_differences,
    all_tests,
    scores,
    instruments,
    methods,
    repetitions,
    places,
    versions,
    machines,
    protocol,
    runs,
)
"""Every table of a study, in the order of the report."""


def write_tables(study: Analysis) -> list[Path]:
    """Write every table that has rows to `<study>/tables/<name>.csv`; the paths."""
    made = [make(study) for make in TABLES]
    made += evidence(study).parts
    made += [beside_paper(study, item.name) for item in reproduction.REPRODUCTIONS]
    paths = []
    for table in made:
        if not table.frame.empty:
            paths.append(study.folder / FOLDER / f"{table.name}.csv")
            write_atomically(paths[-1], table.to_csv())
    return paths


def written(study: Analysis) -> Prose:
    """Write the tables, and say where they are."""
    paths = write_tables(study)
    return Prose(
        (f"All {len(paths)} tables are in {FOLDER}/ beside this report, with all digits.",)
    )


def _tests(
    study: Analysis,
    name: str,
    caption: str,
    *,
    test: str,
    factor: str | None = None,
    within: bool | None = False,
    note: str = "",
) -> Table:
    """Tests of one kind, the paper's responses first; `within` None: overall and within parts."""
    frame = study.tests[study.tests["test"] == test]
    if factor:
        frame = frame[frame["factor"] == factor]
    if study.completed["dataset"].nunique() < 2:
        # Within the only dataset there is, every test would be shown twice.
        if within:
            return Table(name, "", frame.iloc[:0])
        within = False
    if within is not None:
        frame = frame[(frame["within"] != "") == within]
    first = frame["response"].isin(_PAPER_RESPONSES)
    frame = frame.iloc[(~first).argsort(kind="stable")]
    if "reading" in frame:
        # The readings of one question under each other, to see at once what changed.
        questions = ["response", "within", "groups"]
        place = frame.groupby(questions, sort=False).ngroup()
        frame = frame.iloc[place.argsort(kind="stable")]
    groups = [
        ", ".join(f"{level} ({n})" for level, n in zip(a.split(", "), b.split(", "), strict=False))
        for a, b in zip(frame["groups"], frame["n"], strict=True)
    ]
    frame = frame.assign(response=[measure(name).name for name in frame["response"]], groups=groups)
    columns = [*_reading(study), "response", "within", "groups", "assessment", "p", "p_holm"]
    columns += ["effect", "effect_low", "effect_high", "statistic", "reason"]
    (effect,) = set(frame["effect_name"]) - {""} or {"effect"}
    frame = frame[columns]
    if within is False:
        frame = frame.drop(columns="within")
    if frame["p"].isna().all():
        # Of the responses energy is the one that every study has; "Every test" has all reasons.
        energy = frame[frame["response"] == measure("energy_consumed").name]["reason"]
        return Table(name, "", frame.iloc[:0], f"{caption}: not tested, because {energy.iloc[0]}.")
    frame, why = _reasoned(frame.rename(columns={"effect": effect}))
    return Table(name, caption, frame, f"{note}{why}")


def _reading(study: Analysis) -> list[str]:
    return ["reading"] if len(study.readings) > 1 else []


def _factors(study: Analysis) -> list[str]:
    """What makes a configuration; the location where there is more than one."""
    several = "location" in study.completed and study.completed["location"].nunique() > 1
    return ["architecture", "dataset", *(["location"] if several else [])]


def _whole(value: object) -> object:
    """A count that came as 50.0, because it is missing elsewhere in its column, as 50."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _present(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Those of `columns` that are there with at least one value, in their order."""
    return frame[[name for name in columns if name in frame and frame[name].notna().any()]]


def _reasoned(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Take out the reasons where there is none, or where one sentence can say it for all rows."""
    if "reason" not in frame:
        return frame, ""
    reasons = set(frame["reason"].fillna(""))
    if len(reasons) > 1:
        return frame, ""
    (reason,) = reasons or {""}
    said = f" {reason[:1].upper()}{reason[1:]} (every row)." if reason else ""
    return frame.drop(columns="reason"), said


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of every table: reading, location, dataset, architecture."""
    by = [name for name in ("location", "dataset", "architecture") if name in frame]
    # A stable sort by the reading's first place keeps "as published" before "corrected".
    frame = frame.sort_values(by, kind="stable", key=_order) if by else frame
    if "reading" in frame:
        frame = frame.sort_values("reading", kind="stable")
    return frame.reset_index(drop=True)


def _order(column: pd.Series) -> pd.Series:
    if column.dtype.kind in "iufb" or str(column.dtype) == "Int64":
        return column
    levels = {level: place for place, level in enumerate(ordered(column))}
    return column.astype(object).map(lambda value: levels.get(str(value), len(levels)))


def _notebook(study: Analysis, run_id: str) -> Link | str:
    target = f"runs/{run_id}/train.ipynb"
    return Link(run_id, target) if (study.folder / target).is_file() else run_id
