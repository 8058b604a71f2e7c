"""A study, read for its analysis: what was planned, what ran, and in how many ways to read it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from lib import records
from lib.analysis import (
    audit,
    cost,
    frugality,
    instrument_pairs,
    papers_tests,
    questions,
    roles,
    savings,
    variants,
)
from lib.analysis.uncertainty import of_configurations
from lib.instruments import TRACE_NAME, trace
from lib.instruments.carbon import PAPER_PLACES
from lib.logs import treatments
from lib.paper import reanalysis, reproduction
from lib.paper.package import KAGGLE, WATTMETER
from lib.records import uncertainty
from lib.stats import score
from lib.stats.budget import Uncertainty
from lib.study import plan
from lib.study.errors import UserError
from lib.study.folder import StudyFolder
from lib.study.sections import Imported
from lib.study.study import Study, read_back
from lib.units import mean_power

_NETWORK = ("architecture", "dataset", "head", "image_size")  # what FLOPs depend on


class NoResultsError(UserError):
    """There is nothing to analyse; the message says what to run."""


@dataclass(frozen=True)
class Analysis:
    """What a study left behind."""

    folder: Path  # the study's folder
    settings: Study | None  # the study as it was run; None where that is not written down
    planned: tuple[str, ...]  # ids of its runs in their frozen order; empty without a plan
    # one row a run that has ended, failed ones too; with the column `variant` where there is more
    # than one, see `lib.analysis.variants`
    results: pd.DataFrame
    damaged: tuple[str, ...]  # one sentence for each file that is no record

    @property
    def title(self) -> str:
        """Of the study."""
        return self.settings.title if self.settings else StudyFolder(self.folder).name

    @property
    def imported(self) -> Imported | None:
        """Where the runs are from, if others made them."""
        return self.settings.imported if self.settings else None

    @property
    def places(self) -> tuple[str, ...]:
        """Where to put the energy: the paper's four locations, and those that the study names."""
        named = self.settings.places if self.settings else []
        return tuple(dict.fromkeys([*PAPER_PLACES, *named]))

    @cached_property
    def completed(self) -> pd.DataFrame:
        """The runs that ended well."""
        return self.results[self.results["status"] == "completed"].reset_index(drop=True)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Ids of planned runs that have not ended."""
        ended = set(self.results["run_id"])
        return tuple(run for run in self.planned if run not in ended)

    @cached_property
    def variants(self) -> variants.Variants:
        """In what the runs differ besides architecture, dataset and location."""
        return variants.of(self.results, self.settings)

    @cached_property
    def configuration(self) -> list[str]:
        """Columns that make a configuration, see `lib.analysis.variants.configuration`."""
        return variants.configuration(self.completed)

    @cached_property
    def is_the_papers(self) -> bool:
        """Whether these are the paper's own raw data, so that its tables can be computed."""
        return {KAGGLE, WATTMETER} >= {*self.results.get("campaign", [None])}

    @cached_property
    def treatments(self) -> dict[str, pd.DataFrame]:
        """The runs behind RQ1 and RQ2 under each treatment: see `lib.logs.treatments`.

        Of the paper's data these are the Kaggle runs. `power` (W) is energy over duration.
        """
        found = treatments.treatments(self.completed)
        if self.is_the_papers:
            found = {name: reproduction.campaign(runs, KAGGLE) for name, runs in found.items()}
        return {name: _with_power(runs).reset_index(drop=True) for name, runs in found.items()}

    @cached_property
    def runs(self) -> pd.DataFrame:
        """All treatments in one table, told apart by `treatment` where there are several."""
        return self.stacked(self.treatments)

    @cached_property
    def believed(self) -> pd.DataFrame:
        """The treatment to believe: the last, be it the only one or the corrected."""
        return list(self.treatments.values())[-1]

    @cached_property
    def configurations(self) -> pd.DataFrame:
        """One row for each architecture on each dataset: what FLOPs and parameters belong to.

        And for each variant, where there are several.
        """
        columns = [*papers_tests.CONFIGURATION, variants.COLUMN]
        return self.believed.drop_duplicates(self.believed.columns.intersection(columns))

    @cached_property
    def metered(self) -> pd.DataFrame:
        """Completed runs that a wattmeter measured too; empty where there was none."""
        if "wattmeter_energy" not in self.completed:
            return self.completed.iloc[:0]
        return _with_power(self.completed.dropna(subset=["wattmeter_energy"]))

    @property
    def best_energy(self) -> tuple[pd.DataFrame, str]:
        """The runs and the column of the energy that the answer is about."""
        if self.answer.response == "wattmeter_energy":
            return self.metered, "wattmeter_energy"
        return self.believed, "energy_consumed"

    @cached_property
    def energy_limits(self) -> dict[tuple, Uncertainty]:
        """How far the mean energy of each configuration may be off, by its levels."""
        runs, column = self.best_energy
        known = self.settings.calibration if self.settings else {}
        by = [name for name in self.configuration if name in runs]
        return of_configurations(runs, by, column, known)

    @cached_property
    def guessing(self) -> list[tuple[str, ...]]:
        """Configurations that do no better than chance, with their dataset at the end."""
        keys = [*(name for name in self.configuration if name != "dataset"), "dataset"]
        every, learned = (
            set(map(tuple, runs[keys].to_numpy()))
            for runs in (self.believed, self.learned(self.believed))
        )
        return sorted(tuple(map(str, key)) for key in every - learned)

    def learned(self, runs: pd.DataFrame) -> pd.DataFrame:
        """The runs of configurations whose mean accuracy is above what guessing explains.

        Those stay of which no accuracy is known.
        """
        accuracy = pd.to_numeric(runs["accuracy"])
        keys = [runs[name] for name in self.configuration]
        mean = accuracy.groupby(keys, dropna=False).transform("mean")
        bound = frugality.guessing(runs).groupby(keys, dropna=False).transform("max")
        return runs[~(mean <= bound)]

    @cached_property
    def cost(self) -> pd.DataFrame:
        """What the whole study took, stage by stage: see `lib.analysis.cost`."""
        failed = self.results.loc[self.results["status"] == "failed", "run_id"]
        interrupted = StudyFolder(self.folder).unfinished
        attempts = [self.run_dir(run) for run in failed]
        attempts += [interrupted.run(run) for run in interrupted.run_ids()]
        return cost.by_stage(self.completed, attempts)

    @cached_property
    def pairs(self) -> list[instrument_pairs.Pair]:
        """Every two instruments that measured the same runs."""
        return instrument_pairs.pairs(self.completed)

    @cached_property
    def agreements(self) -> list[instrument_pairs.Agreement]:
        """How those two agree, of each pair."""
        return list(map(instrument_pairs.agreement, self.pairs))

    @cached_property
    def tests(self) -> pd.DataFrame:
        """The paper's own tests, by treatment; within each variant, where there are several."""
        return self.stacked(
            {name: papers_tests.table(runs) for name, runs in self.treatments.items()}
        )

    @cached_property
    def ranked(self) -> pd.DataFrame:
        """Configurations ranked by Score within a place and dataset, by treatment."""
        by = ("architecture", *variants.column_of(self.completed))
        return self.stacked(
            {
                name: score.rank(self.learned(runs), by, ("location", "dataset"))
                for name, runs in self._scored.items()
            }
        )

    @cached_property
    def _scored(self) -> dict[str, pd.DataFrame]:
        """The runs with the energy that Scores are made of, see `treatments.SCORE_ENERGY`."""
        return {
            name: runs.assign(
                energy_consumed=runs.get(treatments.SCORE_ENERGY, runs["energy_consumed"])
            )
            for name, runs in self.treatments.items()
        }

    @property
    def best_scored(self) -> pd.DataFrame:
        """The runs that the answer is about, with the energy that Scores are made of."""
        runs, column = self.best_energy
        if column == "energy_consumed":
            return list(self._scored.values())[-1]
        energy = pd.to_numeric(runs[column])
        return runs.assign(energy_consumed=energy, score=score.score(runs["accuracy"], energy))

    @property
    def best_compared(self) -> pd.DataFrame:
        """Their configurations, ranked within their dataset."""
        by = tuple(name for name in self.configuration if name != "dataset")
        return score.rank(self.learned(self.best_scored), by, ("dataset",))

    def stacked(self, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
        """Put one table a treatment under each other, with the column `treatment` if several."""
        if len(tables) == 1:
            return next(iter(tables.values()))
        named = [table.assign(treatment=name) for name, table in tables.items()]
        stack = pd.concat(named, ignore_index=True)
        return stack[["treatment", *stack.columns.drop("treatment")]]

    @cached_property
    def saved(self) -> pd.DataFrame:
        """Every variant set against the reference, see `lib.analysis.savings.savings`."""
        first = variants.first_architecture(self.results, self.settings)
        varied = self.believed if variants.COLUMN in self.believed else self.believed.iloc[:0]
        known = self.settings.calibration if self.settings else None
        return savings.savings(varied, self.histories, first, known)

    @cached_property
    def findings(self) -> list[audit.Finding]:
        """What is doubtful in the results, the worst first."""
        return audit.audit(self.results, study=self.settings)

    @cached_property
    def answer(self) -> questions.Answer:
        """What the runs say to the study's questions; while some are missing, without p."""
        # Of the paper's data the machine with the wattmeter is the one that measured soundly.
        runs = self.metered if self.is_the_papers else self.believed
        return questions.answer(runs, self.settings, is_final=not self.missing)

    @cached_property
    def reanalysis(self) -> dict[str, pd.DataFrame]:
        """The tables behind the conclusions on the paper's data; none for any other study."""
        return reanalysis.tables(self.completed) if self.is_the_papers else {}

    @cached_property
    def _traced(self) -> tuple[str | None, pd.DataFrame, list[str]]:
        """The first completed run that left its power over time, that, and what can't be read."""
        damaged: list[str] = []
        for run in self.completed["run_id"]:
            try:
                return run, trace.read_trace(self.run_dir(run) / TRACE_NAME), damaged
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                damaged.append(f"{run}/{TRACE_NAME}: can't be read: {error}")
        return None, pd.DataFrame(), damaged

    @property
    def traced_run(self) -> str | None:
        """The first completed run whose power over time can be read."""
        return self._traced[0]

    @property
    def trace(self) -> pd.DataFrame:
        """`power.csv` of `traced_run`; empty if there is none."""
        return self._traced[1]

    def run_dir(self, run_id: str) -> Path:
        """Where a run left its files."""
        return StudyFolder(self.folder).run(run_id)

    @cached_property
    def histories(self) -> dict[str, pd.DataFrame]:
        """`history.csv` of every completed run that has one, by run id."""
        own = self.settings if roles.are_played(self.results) else None
        return roles.histories(self._histories.tables, own)

    @property
    def unusable(self) -> tuple[str, ...]:
        """A sentence for each file that can't be used: records, histories and traces of runs."""
        return (*self.damaged, *self._histories.damaged.values(), *self._traced[2])

    @cached_property
    def _histories(self) -> records.Histories:
        return records.read_histories({run: self.run_dir(run) for run in self.completed["run_id"]})


def load(study_dir: str | Path) -> Analysis:
    """Read a study's folder.

    Raises:
        NoResultsError: If it isn't there or holds no results.
    """
    folder = Path(study_dir)
    if not folder.is_dir():
        raise NoResultsError(
            f"there is no folder '{study_dir}'. `python run_all.py` runs the quick study and makes "
            "outputs/quick; name the folder of a study that was run"
        )
    planned = plan.read(folder)
    merged = records.merge(folder, planned or None)
    results = merged.results
    if results.empty:
        try:
            results = records.read_results(folder)
        except FileNotFoundError:
            raise NoResultsError(
                f"the folder '{study_dir}' holds no results yet: neither runs/*/run.json nor "
                "results.csv. `python run_all.py STUDY.yaml` executes a study"
            ) from None
    if "status" not in results:
        raise NoResultsError(f"'{study_dir}/results.csv' is not the table of a study")
    settings = read_back(StudyFolder(folder))
    results = uncertainty.filled(results, settings.calibration if settings else None)
    results = roles.played(results, settings)
    results = variants.named(_with_flops(results), settings)
    return Analysis(folder, settings, tuple(planned), results, merged.damaged)


def _with_flops(results: pd.DataFrame) -> pd.DataFrame:
    """Give a run that could not count the FLOPs of its network those of another run of the same."""
    columns = [name for name in ("flops", "flops_head") if name in results]
    network = [name for name in _NETWORK if name in results]
    if not network:
        return results
    missing = results[columns].isna().any(axis=1) & (results["status"] == "completed")
    if not missing.any():
        return results
    known = results.groupby(network, dropna=False)[columns].transform("first")
    filled = results[columns].where(results[columns].notna(), known)
    return results.assign(**{name: filled[name].where(missing, results[name]) for name in columns})


def _with_power(runs: pd.DataFrame) -> pd.DataFrame:
    energy, duration = (pd.to_numeric(runs[name]) for name in ("energy_consumed", "duration"))
    return runs.assign(power=mean_power(energy, duration))
