"""How far a study can be trusted, how it was measured, and every run of it."""

import pandas as pd

from lib.analysis import audit
from lib.analysis.results import Analysis
from lib.quantities import ALONE, is_renamed, ordered, word
from lib.report.page import MOST_ROWS, Link, Table
from lib.report.run_page import FILE_NAME as RUN_PAGE
from lib.report.tables import shared
from lib.study.config import RECORDED
from lib.text import level

_STATES = ("failed", "not yet run", "completed")


def audits(study: Analysis) -> Table:
    """What the checks of the results found, the worst first; those that found nothing are named."""
    frame = audit.to_frame(study.findings)[["severity", "name", "what", "why", "runs"]]
    quiet = {
        audit.PASSED: "Checks without a finding",
        audit.UNCHECKED: "Not checked, for want of the data",
    }
    shown = frame[~frame["severity"].isin(quiet)].rename(
        columns={"name": "expected", "what": "finding", "why": "why_it_matters"}
    )
    said = [
        f"{words}: {'; '.join(names)}."
        for severity, words in quiet.items()
        if len(names := frame.loc[frame["severity"] == severity, "name"])
    ]
    return Table("audits", "What the checks found", shown.reset_index(drop=True), " ".join(said))


def protocol(study: Analysis) -> Table:
    """Every setting that all completed runs share, and those that differ between runs.

    What runs that were made elsewhere do not say of themselves is in no row.
    """
    # Of a notebook of the study's own, those fields too that it sets.
    own = study.settings.defaults if study.settings and is_renamed("architecture") else ()
    rows = []
    for name in dict.fromkeys([*RECORDED, *own]):
        if name in study.completed and name != "repetition":
            values = ordered(map(level, study.completed[name].dropna()))
            if values != [ALONE] and (values or not study.imported):
                said = ", ".join(values) or "not set, so the default"
                rows.append((word(name), said))
    return Table("protocol", "Settings of the runs", pd.DataFrame(rows, columns=["field", "value"]))


def machines(study: Analysis) -> Table:
    """The machines that the runs ran on."""
    columns = ["machine", "cpu_model", "cpu_count", "gpu_model", "gpu_count", "ram_total_size"]
    known = shared.present(study.completed, [*columns, "os"])
    if known.empty or not len(known.columns):
        said = "Machines: the records do not say where they ran."
        return Table("machines", "", pd.DataFrame(), said)
    if "ram_total_size" in known:
        size = pd.to_numeric(known["ram_total_size"], errors="coerce").round(1)
        known = known.assign(ram_total_size=size)
    groups = known.groupby([*known], dropna=False, sort=False)
    return Table("machines", "Machines", groups.size().reset_index(name="runs"))


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


def runs(study: Analysis) -> Table:
    """Every run, planned and ended, with a link to its page."""
    columns = ["run_id", "status", *study.configuration, "repetition", "seed", "accuracy"]
    columns += ["energy_consumed", "energy_consumed_logged", "emissions", "duration", "score"]
    frame = shared.present(study.results, [*columns, "started_at", "error"])
    if study.planned:
        places = {run: place for place, run in enumerate(study.planned, start=1)}
        waiting = pd.DataFrame({"run_id": study.missing, "status": _STATES[1]})
        frame = pd.concat([frame, waiting], ignore_index=True)
        frame["position"] = frame["run_id"].map(places)
        frame = frame[["position", *frame.columns.drop("position")]]
        frame = frame.sort_values("position", kind="stable")
    if len(frame) > MOST_ROWS:
        # What went wrong, or is still to come, among the rows that a page shows.
        frame = frame.sort_values("status", kind="stable", key=lambda s: s.map(_STATES.index))
    frame = frame.dropna(axis="columns", how="all").reset_index(drop=True)
    frame["run_id"] = [
        Link(run, f"runs/{run}/{RUN_PAGE}") if study.run_dir(run).is_dir() else run
        for run in frame["run_id"]
    ]
    note = "; ".join(study.unusable)
    return Table("runs", "Every run", frame, f"Not a record: {note}" if note else "")


def all_tests(study: Analysis) -> Table:
    """Every test that was made, those too that no other table shows."""
    if is_renamed("architecture"):
        return Table("tests", "", pd.DataFrame(), "Tests: those of the paper are not made.")
    frame = shared.in_words(study.tests[[*study.tests.columns.drop("family"), "family"]])
    note = "Family: tests whose p-values Holm adjusts together."
    note += shared.first_variants(study.runs, "tested")
    return Table("tests", "Every test", frame, note)
