"""Counters that keep growing from row to row, and what each row added to them.

A CodeCarbon tracker that is started and stopped several times writes one row a stop. Its energy and
emissions (and, up to CodeCarbon 2, its duration) count from its *first* start, so every row but
the first contains the rows before it. What a run took is the difference to the row before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

ENERGIES = ("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy")
COUNTERS = ("duration", "emissions", *ENERGIES)

CLOCK_TOLERANCE = 2.0
"""Seconds: CodeCarbon writes its timestamps in whole seconds, at either end of an interval."""


def difference_cumulative(
    frame: pd.DataFrame,
    by: str | Sequence[str] = "tracker_run_id",
    columns: Sequence[str] = COUNTERS,
    order: str | None = None,
) -> pd.DataFrame:
    """Turn cumulative rows into what each row added.

    Args:
        frame: One row a stop of a tracker.
        by: What rows of one counter have in common. A row where it is missing is its own counter.
        columns: The counters.
        order: Column that says which row came first; None takes the rows as they stand.

    Returns:
        A copy, rows in their old order. After a missing value the next one is missing too: what
        lies between two rows can't be told apart.
    """
    ordered = _ordered(frame, order)
    keys = [by] if isinstance(by, str) else list(by)
    starts = (ordered.groupby(keys).cumcount() == 0) | ordered[keys].isna().any(axis=1)
    values = ordered[list(columns)]
    added = values.where(starts, values - ordered.groupby(keys)[list(columns)].shift())
    return frame.assign(**{name: added[name].reindex(frame.index) for name in columns})


def _ordered(frame: pd.DataFrame, order: str | None) -> pd.DataFrame:
    if not frame.index.is_unique:
        raise ValueError("counters need a unique index: call reset_index(drop=True) first")
    return frame if order is None else frame.sort_values(order, kind="stable")


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one tracker, the first written first.

    Args:
        rows: Columns `came`, times that never fall within a log, `ended_at`, as logged, and
            `energy_consumed`. The order by `came` holds if the energy grows by it, or by neither.
    """
    orders = [rows.sort_values(by, kind="stable") for by in ("came", "ended_at")]
    grows = [not (order["energy_consumed"].diff() < 0).any() for order in orders]
    return orders[1] if grows == [False, True] else orders[0]


def growing(rows: pd.DataFrame, ended_at: str = "ended_at") -> tuple[str, ...]:
    """Name the columns that grow from row to row of one tracker, by what the rows themselves say.

    Energy grows if it never falls: a tracker has no way to set it back. A duration grows if a row
    lasted longer than the time since the row before it ended, which no run of its own can do.

    Args:
        rows: The rows of one tracker, in the order of their ends.
        ended_at: Column with the time at which each row was written.

    Returns:
        The counters that need differences; none for a single row.
    """
    if len(rows) < 2 or (rows["energy_consumed"].diff() < 0).any():
        return ()
    energies = tuple(name for name in ("emissions", *ENERGIES) if name in rows)
    elapsed = pd.to_datetime(rows[ended_at]).diff().dt.total_seconds()
    elapsed = elapsed.where(~(elapsed < 0), elapsed + 3600)  # the clock was put back an hour
    longer = (rows["duration"] > elapsed + CLOCK_TOLERANCE) & rows["duration"].diff().ge(0)
    return ("duration", *energies) if longer.any() else energies
