"""A study's folder: what lies where in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def _named(name: str) -> property:
    return property(lambda folder: folder.path / name)


@dataclass(frozen=True)
class StudyFolder:
    """Names every file and folder that a study leaves; makes and reads none of them.

    Attributes:
        path: The folder, `<outputs>/<study>`.
        study: The study as it was run, with what the command line had set.
        plan: The frozen order of its runs.
        results: One row a run that has ended.
        runs: A folder for each run that is over.
        aside: Folders of runs that had to make room, kept.
        tables: The tables of the report as files.
        figures: The figures of the report as files, where they were asked for.
        exports: What was found, in the formats of others, where they were asked for.
        calibration: What a wattmeter said of the machine's instruments, as lines for study files.
        notebook: The executed notebook behind the report.
        report: The report.
        kaggle: Built kernels, their manifest, and what was pushed.
    """

    path: Path

    study = _named("study.yaml")
    plan = _named("plan.csv")
    results = _named("results.csv")
    runs = _named("runs")
    aside = _named("aside")
    tables = _named("tables")
    figures = _named("figures")
    exports = _named("exports")
    calibration = _named("calibration.yaml")
    notebook = _named("analysis.ipynb")
    report = _named("report.html")
    kaggle = _named("kaggle")

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.resolve().name

    @property
    def unfinished(self) -> StudyFolder:
        """Where runs are made: as deep as the study itself, so that a run's folder fits there."""
        return StudyFolder(self.path / "unfinished")

    def run(self, run_id: str) -> Path:
        """The folder of one run that is over."""
        return self.path / "runs" / run_id

    def run_ids(self) -> list[str]:
        """What lies under `runs`, in alphabetical order; nothing where there is no such folder."""
        there = self.runs.iterdir() if self.runs.is_dir() else ()
        return sorted(path.name for path in there if not path.name.startswith("."))
