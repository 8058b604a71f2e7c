"""Counters that keep growing from row to row, and what each row added to them.

A CodeCarbon tracker that is started and stopped several times writes one row a stop. Its energy and
emissions (and, up to CodeCarbon 2, its duration) count from its *first* start, so every row but
the first contains the rows before it. What a run took is the difference to the row before it.
"""

from collections.abc import Sequence

import pandas as pd

ENERGIES = ("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy")
SUMS = ("emissions", *ENERGIES)
COUNTERS = ("duration", *SUMS)

CLOCK_TOLERANCE = 2.0
"""Seconds: CodeCarbon writes its timestamps in whole seconds, at either end of an interval."""


def difference_cumulative(
    frame: pd.DataFrame,
    by: str | Sequence[str] = "tracker_run_id",
    columns: Sequence[str] = COUNTERS,
    order: str | None = None,
) -> pd.DataFrame:
    """Turn cumulative rows, one a stop of a tracker, into what each row added.

    Rows of one counter have the same in `by`; a row where it is missing is its own counter. The
    column `order` says which row came first, else they are taken as they stand. After a missing
    value the next one is missing too: what lies between two rows can't be told apart.
    """
    ordered = frame if order is None else frame.sort_values(order, kind="stable")
    keys = [by] if isinstance(by, str) else list(by)
    rows, values = ordered.groupby(keys), ordered[list(columns)]
    starts = (rows.cumcount() == 0) | ordered[keys].isna().any(axis=1)
    added = values.where(starts, values - rows[list(columns)].shift())
    return frame.assign(**{name: added[name].reindex(frame.index) for name in columns})


def in_order(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Rows tracker by tracker, of each the first written first.

    `came` has times that never fall within a log, `ended_at` those as logged. The order by `came`
    holds if the energy grows by it, or by neither.
    """
    by_log, by_time = (rows.sort_values([by, time]) for time in ("came", "ended_at"))
    better = _falls(by_log, by) & ~_falls(by_time, by).reindex(by_log.index)
    if not better.any():
        return by_log
    return pd.concat([by_log[~better], by_time[better.reindex(by_time.index)]])


def _falls(rows: pd.DataFrame, by: str) -> pd.Series:
    fell = rows.groupby(by)["energy_consumed"].diff() < 0
    return fell.groupby(rows[by]).transform("any")


def growing(rows: pd.DataFrame, by: str) -> tuple[pd.Series, pd.Series]:
    """Tell of each row whether its `SUMS`, and whether its `duration`, need differences: they grow.

    Energy grows if it never falls: a tracker has no way to set it back. A duration grows if a row
    lasted longer than the time since the row before it ended, which no run of its own can do. Rows
    are in the order of `ended_at`, the time at which each was written.
    """
    its = rows.groupby(by)
    grows = ~_falls(rows, by) & (its[by].transform("size") > 1)
    elapsed = its["ended_at"].diff().dt.total_seconds()
    elapsed = elapsed.where(~(elapsed < 0), elapsed + 3600)  # the clock was put back an hour
    longer = (rows["duration"] > elapsed + CLOCK_TOLERANCE) & its["duration"].diff().ge(0)
    return grows, grows & longer.groupby(rows[by]).transform("any")
