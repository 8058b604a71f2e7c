"""What a run leaves: its record, its progress, and the table of many runs."""

from lib.records.record import (
    FILE_NAME,
    HISTORY_NAME,
    MEASUREMENT_VERSION,
    Phase,
    Record,
    read,
)
from lib.records.results import (
    Histories,
    Merged,
    from_row,
    merge,
    read_histories,
    read_history,
    read_results,
    table,
    write_results,
)

__all__ = [
    "FILE_NAME",
    "HISTORY_NAME",
    "MEASUREMENT_VERSION",
    "Histories",
    "Merged",
    "Phase",
    "Record",
    "from_row",
    "merge",
    "read",
    "read_histories",
    "read_history",
    "read_results",
    "table",
    "write_results",
]
