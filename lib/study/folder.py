"""A study's folder: what lies where in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def _named(name: str) -> property:
    return property(lambda folder: folder.path / name)


@dataclass(frozen=True)
class StudyFolder:
    """Names every file and folder that a study leaves; makes and reads none of them."""

    path: Path  # `<outputs>/<study>`

    study = _named("study.yaml")  # as it was run, with what the command line had set
    plan = _named("plan.csv")  # the frozen order of its runs
    results = _named("results.csv")  # one row a run that has ended
    runs = _named("runs")  # a folder for each run that is over
    aside = _named("aside")  # folders of runs that had to make room, kept
    tables = _named("tables")  # those of the report
    figures = _named("figures")  # those of the report, where they were asked for
    exports = _named("exports")  # what was found, in the formats of others
    calibration = _named("calibration.yaml")  # what a wattmeter said of the machine's instruments
    notebook = _named("analysis.ipynb")  # executed; the report is made of it
    report = _named("report.html")
    kaggle = _named("kaggle")  # built kernels, their manifest, and what was pushed

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
