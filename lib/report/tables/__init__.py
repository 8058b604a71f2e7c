"""The tables of the report, one function a table: a study in, a `Table` out.

Where the paper has such a table, ours has its number. A table that can't be filled says why.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lib.analysis.results import Analysis
from lib.files import write_atomically
from lib.paper import reproduction
from lib.report.page import Prose, Table
from lib.report.tables.agreement import agreement, instrument_gaps
from lib.report.tables.answers import (
    instruments,
    measurements,
    methods,
    networks,
    places,
    repetitions,
    scores,
)
from lib.report.tables.differences import (
    all_tests,
    architecture_differences,
    architecture_differences_within,
    architecture_pairs,
    dataset_correlation,
    location_differences,
    variant_differences,
    variant_pairs,
)
from lib.report.tables.frugality import baseline, frugality, predictions
from lib.report.tables.paper import beside_paper, evidence, weighed
from lib.report.tables.savings import savings
from lib.report.tables.setting import audits, machines, protocol, runs, versions
from lib.study.folder import StudyFolder

__all__ = [
    "TABLES",
    "agreement",
    "all_tests",
    "architecture_differences",
    "architecture_differences_within",
    "architecture_pairs",
    "audits",
    "baseline",
    "beside_paper",
    "dataset_correlation",
    "evidence",
    "frugality",
    "instrument_gaps",
    "instruments",
    "location_differences",
    "machines",
    "measurements",
    "methods",
    "networks",
    "places",
    "predictions",
    "protocol",
    "repetitions",
    "runs",
    "savings",
    "scores",
    "variant_differences",
    "variant_pairs",
    "versions",
    "weighed",
    "write_tables",
    "written",
]

TABLES: tuple[Callable[[Analysis], Table], ...] = (
    audits,
    weighed,
    networks,
    measurements,
    baseline,
    dataset_correlation,
    architecture_differences,
    architecture_differences_within,
    architecture_pairs,
    location_differences,
    all_tests,
    scores,
    savings,
    variant_differences,
    variant_pairs,
    frugality,
    predictions,
    instruments,
    agreement,
    instrument_gaps,
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
            paths.append(StudyFolder(study.folder).tables / f"{table.name}.csv")
            write_atomically(paths[-1], table.to_csv())
    return paths


def written(study: Analysis) -> Prose:
    """Write the tables, and say where they are."""
    paths, folder = write_tables(study), StudyFolder(study.folder).tables
    return Prose(
        (f"All {len(paths)} tables are in {folder.name}/ beside this report, with all digits.",)
    )
