"""How lists, levels, times and energies are put into words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

from lib.quantities import quantity, significant


def listed(names: Iterable[object]) -> str:
    """`A, B and C`."""
    words = [str(name) for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def first(texts: Iterable[object], separator: str = ", ", most: int = 30) -> str:
    """All of a few texts; the first of many, and how many more there are."""
    words = [str(text) for text in texts]
    rest = len(words) - most
    return separator.join(words[:most] + ([f"and {rest:,} more"] if rest > 0 else []))


def span(values: pd.Series, digits: str = ".0f") -> str:
    """`34 to 42`, or one figure where both ends look the same."""
    return " to ".join(dict.fromkeys(f"{end:{digits}}" for end in (values.min(), values.max())))


def p_value(p: float) -> str:
    """A p-value as one writes it: `p = 0.027`, `p < 0.001`, `p = 0.10`."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.2f}" if p >= 0.0995 else f"p = {p:.2g}"


def runs(count: int) -> str:
    """`1 run`, `2 runs`."""
    return "1 run" if count == 1 else f"{count} runs"


def level(value: object) -> str:
    """A count that came as 50.0, because it is missing elsewhere in its column, as 50."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def duration(seconds: float | None) -> str:
    """`75.2` as `1 min 15 s`, `4` as `4.0 s`."""
    if seconds is None:
        return "?"
    if 0 < seconds < 9.95:
        return f"{significant(seconds, 2)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def energy(kwh: float | None) -> str:
    """Energy with three digits, in the unit that suits it: `0.0000074` as `7.40 mWh`."""
    if kwh is None:
        return "?"
    factor, shown = quantity("energy_consumed").scaled_to([kwh])
    return f"{significant(kwh * factor, 3)} {shown.unit}"
