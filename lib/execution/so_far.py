"""What there is of a study that is not over, `results.csv` and the report: made anew after a run
wherever that is cheap as against the time that runs take.

A report takes seconds, more than many a run; a table costs the more the more runs there are.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from lib.execution.lock import BusyError
from lib.records import Record, results


class _Cheap:
    """Something that is due as long as it takes no more than a share of the time."""

    SHARE = 0.05
    SECONDS = 0.0  # what it may cost in any case

    def __init__(self, cost: float):
        # What it is likely to take, until that is known.
        self._cost, self._ended = cost, time.monotonic()

    def is_due(self) -> bool:
        """Whether to do it (again), for it is cheap as against the time since then."""
        since = time.monotonic() - self._ended
        return self._cost <= max(self.SECONDS, self.SHARE * since)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Do it in here."""
        began = time.monotonic()
        yield
        self._ended = time.monotonic()
        self._cost = self._ended - began


class Results(_Cheap):
    """`results.csv` of a call: written now and then, and in any case when it is closed."""

    SECONDS = 0.1

    def __init__(self, known: dict[str, Record], plan: list[str], study_dir: Path):
        super().__init__(cost=0)
        self._known, self._plan, self._study_dir = known, plan, study_dir
        self.close()

    def add(self, record: Record) -> None:
        """Take a run that has ended into the table."""
        self._known[record.run_id] = record
        if self.is_due():
            self.close()

    def close(self) -> None:
        """Write the table."""
        with self.timed():
            table = results.table(self._known.values(), self._plan)
            results.write_results(table, self._study_dir)


class LiveReport(_Cheap):
    """Keeps the report of a running study up to date, from when there is time for the first one.

    `say` is told when there is a new report, or why there is none. `alone` keeps measurements away
    for as long as its context lasts; it refuses with BusyError while one is under way here.
    """

    EXPECTED = 8.0  # s that a report takes on two cores

    def __init__(
        self,
        study_dir: Path,
        say: Callable[[str], None],
        alone: Callable[[], AbstractContextManager[object]],
    ):
        super().__init__(cost=self.EXPECTED)
        self._study_dir, self._say, self._alone = study_dir, say, alone

    def refresh(self) -> None:
        """Make the report of what there is, if it is due and nothing is measured here.

        A report that fails is no reason to stop the study.
        """
        if not self.is_due():
            return
        from lib.report import build  # nbconvert takes a second to import

        try:
            with self._alone(), self.timed():
                try:
                    said = f"Report so far: {build.build(self._study_dir)}"
                except Exception as error:  # whatever is wrong with it, the next run can go ahead
                    said = f"No report so far: {' '.join(str(error).split())}"
        except BusyError:
            return
        self._say(f"{said} ({self._cost:.0f} s)")
