import numpy as np
import pandas as pd
import pytest

from lib.logs.times import Clock, TimeError
from lib.study.wattmeter_log import WattmeterLog


def clock(**fields):
    return Clock(WattmeterLog(power="power", unit="W", **fields))


def seconds(texts, **fields):
    return clock(**fields).seconds(pd.Series(texts))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("2024-03-01T12:00:00.25Z", {}),
        ("2024-03-01 13:00:00.25+01:00", {}),
        ("2024-03-01T17:30:00.25+0530", {}),
        ("2024-03-01 13:00:00.25", {"timezone": "Europe/Madrid"}),
        ("2024-03-01 12:00:00.25", {"timezone": "UTC"}),
        (1709294400.25, {"time_format": "s"}),
        ("1709294400250", {"time_format": "ms"}),
    ],
)
def test_every_form_of_one_moment_is_the_same_second(text, fields):
    assert seconds([text], **fields) == pytest.approx([1709294400.25])


def test_zones_may_change_within_a_log():
    texts = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"]
    assert np.diff(seconds(texts)) == [3600]


def test_milliseconds_without_leading_zeros_are_no_fractions():
    """PowerJoular with milliseconds (src/csv_power.adb, Get_Timestamp): 7 ms are '.7'."""
    fields = {"time_format": "%Y-%m-%d %H:%M:%S.%f", "timezone": "UTC"}
    texts = ["2024-3-1 12:0:0.7", "2024-3-1 12:0:1.93", "2024-3-1 12:0:2.250"]
    since = seconds(texts, **fields) - 1709294400
    assert since == pytest.approx([0.007, 1.093, 2.25], abs=1e-6)
    fractions = ["2024-03-01 12:00:00.7", "2024-03-01 12:00:01.03", "2024-03-01 12:00:02.250"]
    assert seconds(fractions, **fields) - 1709294400 == pytest.approx([0.7, 1.03, 2.25], abs=1e-6)


def test_a_text_that_is_no_time_is_nan():
    found = seconds(["2024-03-01T12:00:00Z", "unavailable"])
    assert np.isnan(found).tolist() == [False, True]
    assert np.isnan(seconds(["x", "y"])).all()


@pytest.mark.parametrize("number", [0, 1e15])
def test_a_number_of_another_unit_is_refused(number):
    with pytest.raises(TimeError, match="not between the years 2000 and 2100"):
        seconds([number], time_format="s")


def test_a_local_time_needs_its_zone():
    with pytest.raises(TimeError, match="say which it is"):
        seconds(["2024-03-01 12:00:00"])
    with pytest.raises(TimeError, match="leave out timezone: Europe/Madrid"):
        seconds(["2024-03-01T12:00:00Z"], timezone="Europe/Madrid")


def test_an_hour_that_was_twice_is_unclear_until_the_clock_goes_back():
    there = clock(timezone="Europe/Madrid")
    first = there.seconds(pd.Series(["2024-10-27 02:10:00", "2024-10-27 02:50:00"]))
    ((begin, end, sentence),) = there.unclear()
    assert (begin, end) == (1729987200.0, 1729994400.0)
    assert "goes through it once only" in sentence
    second = there.seconds(pd.Series(["2024-10-27 02:10:00", "2024-10-27 03:00:00"]))
    assert there.unclear() == []
    assert np.diff([*first, *second]).tolist() == [2400, 1200, 3000]
