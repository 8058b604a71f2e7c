"""The report of a study that is not over: made after every run, unless runs are very short.

The kernel and the imports of a report take seconds, with which a study of many short runs would
spend more of its time than with training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from lib.execution.lock import BusyError

SHARE = 0.25
"""Of the time that a study takes, what its reports on the way may take."""


def is_due(cost: float | None, since: float) -> bool:
    """Whether to make the report anew: after the first run, then as long as it stays cheap.

    Args:
        cost: Seconds that the last report took; None if there was none.
        since: Seconds from its end until now.
    """
    return cost is None or cost <= SHARE * since


class LiveReport:
    """Keeps the report of a running study up to date.

    Args:
        study_dir: The study's folder.
        say: Is told when there is a new report, or why there is none.
        alone: Keeps measurements away for as long as its context lasts; refuses with BusyError
            while one is under way on this machine.
    """

    def __init__(
        self,
        study_dir: Path,
        say: Callable[[str], None],
        alone: Callable[[], AbstractContextManager[object]],
    ):
        self._study_dir, self._say, self._alone = study_dir, say, alone
        self._cost: float | None = None
        self._ended = 0.0

    def refresh(self) -> None:
        """Make the report of what there is, if it is due and nothing is measured here.

        A report that fails is no reason to stop the study.
        """
        if not is_due(self._cost, time.monotonic() - self._ended):
            return
        from lib.report import build  # nbconvert takes a second to import

        try:
            with self._alone():
                began = time.monotonic()
                try:
                    path = build.build(self._study_dir)
                    said = f"Report so far: {path}"
                except Exception as error:  # whatever is wrong with it, the next run can go ahead
                    said = f"No report so far: {' '.join(str(error).split())}"
                self._ended = time.monotonic()
                self._cost = self._ended - began
        except BusyError:
            return
        self._say(f"{said} ({self._cost:.0f} s)")
