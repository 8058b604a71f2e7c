"""How lists and levels are put into words."""

from __future__ import annotations

from collections.abc import Iterable


def listed(names: Iterable[object]) -> str:
    """`A, B and C`."""
    words = [str(name) for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def runs(count: int) -> str:
    """`1 run`, `2 runs`."""
    return "1 run" if count == 1 else f"{count} runs"


def level(value: object) -> str:
    """A count that came as 50.0, because it is missing elsewhere in its column, as 50."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
