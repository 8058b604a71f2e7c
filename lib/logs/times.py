"""The times of a log, in whatever way they are written, as seconds since 1970 in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lib.study.errors import UserError
from lib.study.sections import WattmeterLog

EARLIEST, LATEST = (pd.Timestamp(f"{year}-01-01", tz="UTC").timestamp() for year in (2000, 2100))
"""Outside of this a number was no time in the unit that was said."""

_ZONE = r"(?:[Zz]|[+-]\d\d:?\d\d|[+-]\d\d)$"


class TimeError(UserError, ValueError):
    """Times that can't be read rightly; the message says why and what would be right."""


@dataclass
class _DoubledHour:
    """The hour that a clock shows twice in autumn: which pass the log is in.

    Attributes:
        last: What the clock showed last, s.
        passes: How often it went back.
        begin: Seconds since 1970 of its first pass.
    """

    last: float
    passes: int
    begin: float


class Clock:
    """Reads the times of one log, chunk by chunk, in the order of the file.

    Args:
        mapping: What the study says of the log.
    """

    def __init__(self, mapping: WattmeterLog):
        self._mapping = mapping
        self._doubled: dict[float, _DoubledHour] = {}

    def seconds(self, texts: pd.Series) -> NDArray:
        """Seconds since 1970, UTC, of each time; NaN where a text is no time.

        Raises:
            TimeError: If the times are readable, but it is not clear which moments they mean.
        """
        if self._mapping.time_format == "iso":
            return self._iso(texts.astype(str))
        factor = {"s": 1.0, "ms": 1e-3}[self._mapping.time_format]
        seconds = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float) * factor
        strange = np.isfinite(seconds) & ((seconds < EARLIEST) | (seconds > LATEST))
        if strange.any():
            raise TimeError(
                f"the time {texts[strange].iloc[0]} is not between the years 2000 and 2100 if it "
                f"counts {self._mapping.time_format} since 1970; set time_format to s, ms or iso"
            )
        return seconds

    def unclear(self) -> list[tuple[float, float, str]]:
        """What remained unclear after all: from when to when (s since 1970), and a sentence."""
        problems = []
        for hour in self._doubled.values():
            if hour.passes != 1:
                shown = pd.Timestamp(hour.begin, unit="s", tz=self._mapping.timezone)
                how = "once only" if hour.passes == 0 else f"{hour.passes + 1} times"
                sentence = (
                    f"the hour from {shown:%Y-%m-%d %H:%M} on was twice in "
                    f"{self._mapping.timezone}, and the log goes through it {how}, so it is not "
                    "clear which is which; a log in UTC is always clear"
                )
                problems.append((hour.begin, hour.begin + 7200.0, sentence))
        return problems

    def _iso(self, texts: pd.Series) -> NDArray:
        try:
            times = pd.to_datetime(texts, format="ISO8601", errors="coerce")
        except ValueError:  # zones differ, as before and after a change of daylight saving
            zoned = texts.str.contains(_ZONE)
            # The last one may be cut off.
            if not zoned[:-1].all():
                raise TimeError(
                    f"some times have a zone ('{texts[zoned].iloc[0]}') and some have none "
                    f"('{texts[~zoned].iloc[0]}')"
                ) from None
            zoned_texts = texts.where(zoned, None)
            times = pd.to_datetime(zoned_texts, format="ISO8601", errors="coerce", utc=True)
        if times.isna().all():
            return np.full(len(times), np.nan)
        if times.dt.tz is None:
            return self._local(times)
        if self._mapping.timezone is not None:
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
        there = times.dt.tz_localize(ZoneInfo(zone), ambiguous="NaT", nonexistent="NaT")
        seconds = _seconds(there)
        unclear = (there.isna() & times.notna()).to_numpy()
        if unclear.any():
            seconds[unclear] = self._doubled_hour(times[unclear])
        return seconds

    def _doubled_hour(self, times: pd.Series) -> NDArray:
        """Times that were twice: the second time from where the clock went back."""
        zone = ZoneInfo(self._mapping.timezone)
        passes = [
            times.dt.tz_localize(zone, ambiguous=np.full(len(times), first), nonexistent="NaT")
            for first in (True, False)
        ]
        if passes[0].isna().any():
            never = times[passes[0].isna()].iloc[0]
            raise TimeError(
                f"the time {never} never was in {zone.key}: clocks were put forward over it; is "
                "timezone right?"
            )
        first, second = (_seconds(one) for one in passes)
        shown = _seconds(times.dt.tz_localize("UTC"))
        seconds = first.copy()
        hours = np.floor(first / 3600)
        for begin in np.unique(hours):
            mine = hours == begin
            key = begin * 3600
            hour = self._doubled.setdefault(key, _DoubledHour(-np.inf, 0, key))
            back = np.diff(shown[mine], prepend=hour.last) < 0
            turn = hour.passes + np.cumsum(back)
            hour.last, hour.passes = float(shown[mine][-1]), int(turn[-1])
            seconds[mine] = np.where(turn == 0, first[mine], second[mine])
        return seconds


def _seconds(times: pd.Series) -> NDArray:
    """Seconds since 1970, UTC, of times with a zone; NaN where there is none."""
    clock = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    seconds = clock.astype("int64") / 1e6
    seconds[np.isnat(clock)] = np.nan
    return seconds
