"""What a run leaves: its record, its progress, and the table of many runs."""

from typing import TYPE_CHECKING, Any

from lib.records.record import FILE_NAME, HISTORY_NAME, MEASUREMENT_VERSION, Phase, Record, read

if TYPE_CHECKING:
    from lib.records.results import (
        Histories,
        from_row,
        merge,
        read_histories,
        read_history,
        read_results,
        table,
        write_results,
    )

__all__ = ["FILE_NAME", "HISTORY_NAME", "MEASUREMENT_VERSION", "Phase", "Record", "read"]
__all__ += ["Histories", "from_row", "merge", "read_histories", "read_history", "read_results"]
__all__ += ["table", "write_results"]


def __getattr__(name: str) -> Any:
    """What is of tables is imported when it is asked for: the process of a run needs no pandas."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lib.records import results

    return getattr(results, name)
