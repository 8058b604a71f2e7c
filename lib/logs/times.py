"""The times of a log, in whatever way they are written, as seconds since 1970 in UTC."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from dateutil.tz import gettz
from numpy.typing import NDArray

from lib.study.errors import UserError
from lib.study.wattmeter_log import EPOCH_UNITS, LOCAL, WattmeterLog

EARLIEST, LATEST = (pd.Timestamp(f"{year}-01-01", tz="UTC").timestamp() for year in (2000, 2100))
"""Outside of this a number was no time in the unit that was said."""

PATTERNS = (
    *("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"),
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S.%f"),
    *("%Y-%m-%d %H:%M:%S.%f", "%Y- %m- %d  %H: %M: %S. %f", "%a %b %d %H:%M:%S %Y", "%H:%M:%S"),
)
"""Forms of time that logs have besides; to be said, since some texts are of two of them."""

_ZONE = r"(?:[Zz]|[+-]\d\d:?\d\d|[+-]\d\d)$"


class TimeError(UserError, ValueError):
    """Times that can't be read rightly; the message says why and what would be right."""


@dataclass
class _DoubledHour:
    """The hour that a clock shows twice in autumn."""

    last: float = -np.inf  # what the clock showed last, s
    passes: int = 0  # how often it went back


class Clock:
    """Reads the times of one log, chunk by chunk, in the order of the file."""

    def __init__(self, mapping: WattmeterLog):
        self._mapping = mapping
        self._doubled: defaultdict[float, _DoubledHour] = defaultdict(_DoubledHour)

    def seconds(self, texts: pd.Series) -> NDArray:
        """Seconds since 1970, UTC, of each time; NaN where a text is no time.

        Raises:
            TimeError: If the times are readable, but it is not clear which moments they mean.
        """
        unit = self._mapping.time_format
        if unit not in EPOCH_UNITS:
            return self._written(texts.astype(str))
        seconds = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float) * EPOCH_UNITS[unit]
        if self._mapping.start is not None:
            seconds += pd.Timestamp(self._mapping.start).timestamp()
        strange = np.isfinite(seconds) & ((seconds < EARLIEST) | (seconds > LATEST))
        if strange.any():
            text = texts[strange].iloc[0]
            raise TimeError(
                f"the time {text} is not between the years 2000 and 2100 if it counts {unit} "
                f"since {self._mapping.start or 1970}; {advice(str(text))}"
            )
        return seconds

    def unclear(self) -> list[tuple[float, float, str]]:
        """What remained unclear after all: from when to when (s since 1970), and a sentence."""
        problems = []
        for begin, hour in self._doubled.items():
            if hour.passes != 1:
                shown = pd.Timestamp(begin, unit="s", tz=_zone(self._mapping.timezone))
                how = "once only" if hour.passes == 0 else f"{hour.passes + 1} times"
                sentence = (
                    f"the hour from {shown:%Y-%m-%d %H:%M} on was twice in "
                    f"{self._mapping.timezone}, and the log goes through it {how}, so it is not "
                    "clear which is which; a log in UTC is always clear"
                )
                problems.append((begin, begin + 7200.0, sentence))
        return problems

    def _written(self, texts: pd.Series) -> NDArray:
        form = self._mapping.time_format.strip().replace("iso", "ISO8601")
        texts = texts.str.strip()
        if form.endswith("%f") and (". %f" in form or _counts_milliseconds(texts)):
            texts = texts.str.replace(
                r"(\. ?)(\d{1,3})$", lambda found: found[1] + found[2].zfill(3), regex=True
            )
        try:
            times = pd.to_datetime(texts, format=form, errors="coerce")
        except ValueError:  # zones differ, as before and after a change of daylight saving
            zoned = texts.str.contains(_ZONE)
            # The last one may be cut off.
            if not zoned[:-1].all():
                raise TimeError(
                    f"some times have a zone ('{texts[zoned].iloc[0]}') and some have none "
                    f"('{texts[~zoned].iloc[0]}')"
                ) from None
            times = pd.to_datetime(texts.where(zoned, None), format=form, errors="coerce", utc=True)
        if times.isna().all():
            return np.full(len(times), np.nan)
        if times.dt.tz is None:
            return self._local(times)
        if self._mapping.timezone not in (None, LOCAL):
            raise TimeError(
                f"the times have a zone of their own ('{texts.iloc[0]}'); leave out timezone: "
                f"{self._mapping.timezone}"
            )
        return _seconds(times)

    def _local(self, times: pd.Series) -> NDArray:
        """Times without a zone, as a clock in `timezone` shows them."""
        zone = self._mapping.timezone
        if zone is None:
            first = times.dropna().iloc[0]
            raise TimeError(
                f"its times have no zone ('{first}'); say which it is, as timezone: UTC or "
                "timezone: Europe/Madrid"
            )
        there = times.dt.tz_localize(_zone(zone), ambiguous="NaT", nonexistent="NaT")
        seconds = _seconds(there)
        unclear = (there.isna() & times.notna()).to_numpy()
        if unclear.any():
            seconds[unclear] = self._doubled_hour(times[unclear])
        return seconds

    def _doubled_hour(self, times: pd.Series) -> NDArray:
        """Times that were twice: the second time from where the clock went back."""
        zone = _zone(self._mapping.timezone)
        passes = [
            times.dt.tz_localize(zone, ambiguous=np.full(len(times), first), nonexistent="NaT")
            for first in (True, False)
        ]
        if passes[0].isna().any():
            never = times[passes[0].isna()].iloc[0]
            raise TimeError(
                f"the time {never} never was in {self._mapping.timezone}: clocks were put forward "
                "over it; is timezone right?"
            )
        first, second = (_seconds(one) for one in passes)
        shown = _seconds(times.dt.tz_localize("UTC"))
        seconds = first.copy()
        hours = np.floor(first / 3600) * 3600
        for begin in np.unique(hours):
            mine = hours == begin
            hour = self._doubled[begin]
            back = np.diff(shown[mine], prepend=hour.last) < 0
            turn = hour.passes + np.cumsum(back)
            hour.last, hour.passes = float(shown[mine][-1]), int(turn[-1])
            seconds[mine] = np.where(turn == 0, first[mine], second[mine])
        return seconds


def _counts_milliseconds(texts: pd.Series) -> bool:
    """Whether what follows the point is a number of ms, without leading zeros, and no fraction.

    Then it has one to three digits, never a zero before others; both happens within ten samples.
    """
    digits = texts.str.extract(r"\.(\d+)$")[0].dropna()
    return (
        digits.str.len().max() == 3
        and digits.str.len().min() < 3
        and not digits.str.fullmatch(r"0\d+").any()
    )


def _zone(name: str | None) -> tzinfo | None:
    return gettz() if name == LOCAL else ZoneInfo(name) if name else None


def advice(text: str) -> str:
    """What a mapping would have to say so that a time like this one can be read."""
    text = text.strip()
    try:
        number = float(text)
    except ValueError:
        moments = {form: pd.to_datetime(text, format=form, errors="coerce") for form in PATTERNS}
        fitting = [form for form, moment in moments.items() if pd.notna(moment)]
        if not any(character.isdigit() for character in text):
            return "is it the right column?"
        if not fitting:
            return 'set time_format to a pattern such as "%d/%m/%Y %H:%M:%S"'
        return "set time_format: " + " or ".join(f'"{form}"' for form in fitting)
    for unit, factor in EPOCH_UNITS.items():
        if EARLIEST <= number * factor <= LATEST:
            return f"set time_format: {unit}"
    return (
        "if it counts from the start of the log, set time_format: s (or ms, us, ns) and start: the "
        "moment of its time 0, such as 2026-11-27T00:08:00Z"
    )


def _seconds(times: pd.Series) -> NDArray:
    """Seconds since 1970, UTC, of times with a zone; NaN where there is none."""
    clock = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    seconds = clock.astype("int64") / 1e6
    seconds[np.isnat(clock)] = np.nan
    return seconds
