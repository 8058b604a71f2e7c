"""A study's folder: what lies where in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StudyFolder:
    """Names every file and folder that a study leaves; makes and reads none of them.

    Attributes:
        path: The folder, `<outputs>/<study>`.
    """

    path: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.resolve().name

    @property
    def study(self) -> Path:
        """The study as it was run, with what the command line had set."""
        return self.path / "study.yaml"

    @property
    def plan(self) -> Path:
        """The frozen order of its runs."""
        return self.path / "plan.csv"

    @property
    def results(self) -> Path:
        """One row a run that has ended."""
        return self.path / "results.csv"

    @property
    def runs(self) -> Path:
        """A folder for each run that is over."""
        return self.path / "runs"

    def run(self, run_id: str) -> Path:
        """The folder of one run that is over."""
        return self.runs / run_id

    def run_ids(self) -> list[str]:
        """What lies under `runs`, in alphabetical order; nothing where there is no such folder."""
        there = self.runs.iterdir() if self.runs.is_dir() else ()
        return sorted(path.name for path in there if not path.name.startswith("."))

    @property
    def unfinished(self) -> StudyFolder:
        """Where runs are made: as deep as the study itself, so that a run's folder fits there."""
        return StudyFolder(self.path / "unfinished")

    @property
    def aside(self) -> Path:
        """Folders of runs that had to make room, kept."""
        return self.path / "aside"

    @property
    def tables(self) -> Path:
        """The tables of the report as files."""
        return self.path / "tables"

    @property
    def figures(self) -> Path:
        """The figures of the report as files, where they were asked for."""
        return self.path / "figures"

    @property
    def exports(self) -> Path:
        """What was found, in the formats of others, where they were asked for."""
        return self.path / "exports"

    @property
    def calibration(self) -> Path:
        """What a wattmeter said of the machine's instruments, as lines for study files."""
        return self.path / "calibration.yaml"

    @property
    def notebook(self) -> Path:
        """The executed notebook behind the report."""
        return self.path / "analysis.ipynb"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def kaggle(self) -> Path:
        """Built kernels, their manifest, and what was pushed."""
        return self.path / "kaggle"
