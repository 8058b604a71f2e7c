"""How lists, levels, times and energies are put into words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

from lib.quantities import quantity, significant

_UNREADABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What commands a terminal, turns the direction of text, or is half a character."""


def readable(text: str, longest: int = 2000) -> str:
    """Text of others as a terminal may have it: what is not to be read is replaced, the rest of
    what is very long left out.
    """
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", cut(text, longest))


def cut(text: str, longest: int = 2000) -> str:
    """Text without the rest of what is very long, and how much that is."""
    rest = len(text) - longest
    return text if rest <= 0 else f"{text[:longest]} ... and {rest:,} characters more"


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


def sentence(words: str) -> str:
    """Words with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


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


def with_limits(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    column: str = "energy_consumed",
) -> str:
    """A figure with its limits, rounded to what they carry: `0.142 Wh (0.06 to 0.19)`.

    All are in the unit that `lib.quantities` knows of the column. The limits are rounded to a step
    of at most a third of their half-width, the figure has three digits or as many as its limits.
    Without limits the figure stands alone; without it, `?`.
    """
    if value is None or not math.isfinite(value):
        return "?"
    known = [end for end in (low, high) if end is not None and math.isfinite(end)]
    factor, shown = quantity(column).scaled_to([value])
    value = value * factor
    unit = f" {shown.unit}" if shown.unit else ""
    if len(known) < 2 or known[0] == known[1]:
        return f"{significant(value, 3)}{unit}"
    ends = [end * factor for end in known]
    half = (ends[1] - ends[0]) / 2
    # The last digit that the limits carry; one more where it would be a coarse step of them.
    place = math.floor(math.log10(half))
    place -= half < 3 * 10**place
    digits = max(-place, 0)
    size = math.floor(math.log10(abs(value))) if value else 0
    middle = f"{value:,.{max(2 - size, digits, 0)}f}".replace("-", "−")
    texts = [f"{end:,.{digits}f}" for end in ends]
    if 0 < ends[0] < 0.5 * 10.0**-digits:  # an energy has no limit at 0
        texts[0] = significant(ends[0], 1)
    span = " to ".join(texts).replace("-", "−")
    return f"{middle}{unit} ({span})"
