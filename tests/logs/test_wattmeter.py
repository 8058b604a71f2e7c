import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lib.instruments import metering
from lib.logs import wattmeter
from lib.logs.wattmeter import PowerLogError
from lib.study.wattmeter_log import WattmeterLog

START = datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC)
SECONDS = START.timestamp() + np.arange(5.0)
WATTS = np.array([100.0, 110.5, 120.0, 115.25, 90.0])


def mapping(**fields):
    defaults = {"power": "power", "unit": "W"}
    if "energy" in fields:
        defaults = {"unit": "Wh"}
    return WattmeterLog(**defaults | fields)


def write(folder, text, name="log.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def only(log):
    (samples,) = log.channels.values()
    return samples


def table(times, values=WATTS, head="time,power", separator=","):
    rows = [f"{time}{separator}{value}" for time, value in zip(times, values, strict=True)]
    return "\n".join([*([head] if head else []), *rows]) + "\n"


def iso(offset_hours=0, suffix="+00:00", sep="T"):
    moments = [START + timedelta(hours=offset_hours, seconds=i) for i in range(5)]
    return [f"{moment:%Y-%m-%d}{sep}{moment:%H:%M:%S}{suffix}" for moment in moments]


SAME = {
    "epoch seconds": (table(SECONDS), {"time_format": "s"}),
    "epoch milliseconds": (table((SECONDS * 1000).astype(int)), {"time_format": "ms"}),
    "UTC": (table(iso(suffix="Z")), {}),
    "another zone": (table(iso(5.5, "+05:30")), {}),
    "zone without colon": (table(iso(-8, "-0800", " ")), {}),
    "a named zone": (table(iso(1, "")), {"timezone": "Europe/Madrid"}),
    "milliwatts": (table(SECONDS, WATTS * 1000), {"time_format": "s", "unit": "mW"}),
    "kilowatts": (table(SECONDS, WATTS / 1000), {"time_format": "s", "unit": "kW"}),
    "other columns between": (
        "note;Zeit;V;Leistung (W)\n"
        + "".join(
            f"a;{time};230,1;{str(watts).replace('.', ',')}\n"
            for time, watts in zip(iso(), WATTS, strict=True)
        ),
        {"time": "Zeit", "power": "Leistung (W)", "separator": ";", "decimal": ","},
    ),
    "decimal comma in times too": (
        table(
            [f"{time:.1f}".replace(".", ",") for time in SECONDS],
            [str(watts).replace(".", ",") for watts in WATTS],
            "time\tpower",
            "\t",
        ),
        {"time_format": "s", "separator": "\t", "decimal": ","},
    ),
    "no header": (table(iso(), head=None), {"time": 1, "power": 2}),
    "columns by number beside a header": (table(iso()), {"time": 1, "power": 2}),
    "unordered": (table(np.roll(SECONDS, 2), np.roll(WATTS, 2)), {"time_format": "s"}),
    "duplicate rows": (
        table(np.repeat(SECONDS, 3), np.repeat(WATTS, 3)),
        {"time_format": "s"},
    ),
    "several samples a second": (
        table(np.repeat(SECONDS, 2), np.stack([WATTS - 5, WATTS + 5]).T.ravel()),
        {"time_format": "s"},
    ),
    "header written again": (
        table(SECONDS[:2], WATTS[:2]) + table(SECONDS[2:], WATTS[2:]),
        {"time_format": "s"},
    ),
    "rows without number": (
        table(SECONDS) + f"{SECONDS[-1] + 1},unavailable\n{SECONDS[-1] + 2},\n",
        {"time_format": "s"},
    ),
    "last row cut off": (table(iso()) + "2024-03-01T12:0", {}),
    "columns that don't matter": (
        table(iso(), [f"{watts},on,7,," for watts in WATTS], "time,power,state,x,y,z"),
        {},
    ),
    "byte order mark and Windows lines": ("\ufeff" + table(iso()).replace("\n", "\r\n"), {}),
}


@pytest.mark.parametrize(("text", "fields"), SAME.values(), ids=SAME)
def test_however_it_is_written_a_log_reads_the_same(tmp_path, text, fields):
    log = wattmeter.read(write(tmp_path, text), mapping(**fields))
    assert only(log).time == pytest.approx(SECONDS, abs=1e-3)
    assert only(log).power == pytest.approx(WATTS)
    assert only(log).counter is None
    assert (log.first, log.last) == pytest.approx((SECONDS[0], SECONDS[-1]))


@pytest.mark.parametrize(("unit", "joules"), [("J", 1), ("mWh", 3.6), ("Wh", 3600), ("kWh", 3.6e6)])
def test_a_counter_is_read_in_joules(tmp_path, unit, joules):
    path = write(tmp_path, table(SECONDS, np.arange(5) / 2, "time,energy"))
    log = wattmeter.read(path, mapping(energy="energy", unit=unit, time_format="s"))
    assert only(log).counter == pytest.approx(np.arange(5) / 2 * joules)
    assert only(log).power is None


REFUSED = {
    "wrong column": (table(iso()), {"power": "Watt"}, "has no column 'Watt'; its first row"),
    "no header": (table(iso(), head=None), {}, "Without a header, give columns by number"),
    "other separator": (table(iso()), {"separator": ";"}, "split at ';', is time,power"),
    "too few columns": (table(iso()), {"time": 1, "power": 7}, "has no column 7; its first row"),
    "unclear decimal comma": (
        table(SECONDS, [str(watts).replace(".", ",") for watts in WATTS]),
        {"time_format": "s"},
        "row 2 has 3 fields where the header has 2; is ',' the separator, or a decimal comma?",
    ),
    "decimal comma unsaid": (
        table(SECONDS, ["1,5"] * 5, "time;power", ";"),
        {"time_format": "s", "separator": ";"},
        "column 'power' holds no numbers (its first value is '1,5'); is decimal: \".\" right?",
    ),
    "zone unsaid": (table(iso(suffix="")), {}, "its times have no zone ('2024-03-01 12:00:00')"),
    "two zones": (table(iso()), {"timezone": "Europe/Madrid"}, "leave out timezone: Europe/Madrid"),
    "some with zone": (
        table([*iso()[:3], *iso(suffix="")[3:]]),
        {},
        "some times have a zone ('2024-03-01T12:00:00+00:00') and some have none",
    ),
    "milliseconds unsaid": (
        table((SECONDS * 1000).astype(int)),
        {"time_format": "s"},
        "the time 1709294400000 is not between the years 2000 and 2100",
    ),
    "epoch unsaid": (table(SECONDS), {}, "row 2: the time '1709294400.0' is not in the form"),
    "day first": (table([f"0{i + 1}/03/2024 12:00" for i in range(5)]), {}, "'01/03/2024 12:00'"),
    "a bad time inside": (
        table(SECONDS).replace(f"{SECONDS[2]},", "late,"),
        {"time_format": "s"},
        "row 4: the time 'late' is not in the form that time_format says, s since 1970",
    ),
    "a time that never was": (
        table([f"2024-03-31T02:30:0{i}" for i in range(5)]),
        {"timezone": "Europe/Madrid"},
        "the time 2024-03-31 02:30:00 never was in Europe/Madrid",
    ),
    "empty": ("", {}, "is empty"),
    "header only": ("time,power\n", {}, "has no rows"),
    "a point of thousands": (
        table(range(1709294400, 1709294410), ["980", "1.400", "995", "1.250", "990"] * 2),
        {"time_format": "s"},
        "'1.400' beside 980 may be 1400; say decimal: \",\" if the point is of thousands",
    ),
    "a counter said to be power": (
        table(range(1709294400, 1709294800), range(7000, 27000, 50)),
        {"time_format": "s"},
        "column 'power' never falls, from 7000 to 26950, like a counter of energy; if it is one",
    ),
    "power said to be a counter": (
        table(range(1709294400, 1709294440), [60 + n % 7 for n in range(40)]),
        {"time_format": "s", "energy": "power", "unit": "J"},
        "column 'power' is no counter: it falls 5 of the 39 times",
    ),
    "devices in no order": (
        table(
            [f"{1709294400 + n // 3}" for n in range(60)],
            [f"q{(n * 2 + n // 3) % 3},{40 + n % 3}" for n in range(60)],
            "time,quelle,power",
        ),
        {"time_format": "s"},
        "column 'quelle' says that the rows are of 3 devices (q0, q2, q1); say channel: quelle",
    ),
    "a JSON object cut off inside": (
        '{"time": 1709294400, "power": 1}\n{"time": 17\n{"time": 1709294401, "power": 1}\n',
        {"time_format": "s"},
        'row 2 is no JSON object: {"time": 17',
    ),
    "numbers in a JSON array": (
        "[1, 2]",
        {"time_format": "s"},
        "row 1 is no JSON object: [1, 2]",
    ),
    "a field too many": (
        table(iso()) + "2024-03-01T12:00:05Z,100,5\n",
        {},
        "expected 2 fields in line 7, saw 3, split at ','; is that the separator?",
    ),
}


@pytest.mark.parametrize(("text", "fields", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_unclear_is_refused_in_one_sentence(tmp_path, text, fields, said):
    with pytest.raises(PowerLogError, match=re.escape(said)) as raised:
        wattmeter.read(write(tmp_path, text), mapping(**fields))
    assert str(raised.value).startswith("log.csv: ")
    assert "\n" not in str(raised.value)


def test_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"time,power\n\xff\xfe,1\n")
    with pytest.raises(PowerLogError, match=r"log\.csv: is no text in UTF-8"):
        wattmeter.read(tmp_path / "log.csv", mapping())
    with pytest.raises(PowerLogError, match=r"none\.csv: can't be read: No such file"):
        wattmeter.read(tmp_path / "none.csv", mapping())


def test_the_last_json_object_may_be_cut_off(tmp_path):
    text = '{"time": 1709294400, "d": {"p": 60}}\n\n{"time": 1709294401, "d": {"p": 62}}\n{"ti'
    log = wattmeter.read(write(tmp_path, text), mapping(time_format="s", power="d.p"))
    assert only(log).power.tolist() == [60, 62]
    assert log.notes == ("row 3, the last, is cut off and left out",)


def test_units_are_written_in_words_too(tmp_path):
    text = table(SECONDS, ["60 Watt", "61 watts", "0.062 kW", "63 W", "64"])
    log = wattmeter.read(write(tmp_path, text), mapping(time_format="s"))
    assert only(log).power.tolist() == [60, 61, 62, 63, 64]


def test_a_unit_that_is_not_that_of_the_column_is_refused():
    with pytest.raises(ValueError, match="unit is W, and the column is 'Power \\[mWatts"):
        WattmeterLog(time="t", power="Power [mWatts]", unit="W")
    with pytest.raises(ValueError, match=r"unit is W, and the column is 'power \(kW\)'"):
        mapping(power="power (kW)")
    assert mapping(power="P [mW]", unit="mW").unit == "mW"


def test_what_was_set_right_is_said(tmp_path):
    text = table([*SECONDS[::-1], SECONDS[0]], [*WATTS, 7]) + f"{SECONDS[-1] + 1},unknown\n"
    notes = wattmeter.read(write(tmp_path, text), mapping(time_format="s")).notes
    assert notes == (
        "1 of 7 rows have no number (such as 'unknown') and are left out",
        "the log is not in the order of time at 4 places; it was sorted",
        "1 samples have the time of another one; of such, the mean is taken",
    )


MADRID = ZoneInfo("Europe/Madrid")
BEFORE_THE_CHANGE = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)


def shown(moments, zone=MADRID):
    """What a clock on the wall shows."""
    return [f"{moment.astimezone(zone):%Y-%m-%dT%H:%M:%S}" for moment in moments]


@pytest.mark.parametrize("chunk", [7, 100, 1_000_000])
def test_the_hour_that_was_twice_is_told_apart(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(wattmeter, "CHUNK", chunk)
    moments = [BEFORE_THE_CHANGE + timedelta(minutes=i) for i in range(180)]
    path = write(tmp_path, table(shown(moments), range(180)))
    log = wattmeter.read(path, mapping(timezone="Europe/Madrid"))
    assert only(log).time == pytest.approx([moment.timestamp() for moment in moments])
    assert only(log).power == pytest.approx(range(180))


def test_the_zone_in_each_time_tells_the_doubled_hour_apart_too(tmp_path):
    moments = [BEFORE_THE_CHANGE + timedelta(minutes=i) for i in range(180)]
    times = [moment.astimezone(MADRID).isoformat() for moment in moments]
    log = wattmeter.read(write(tmp_path, table(times, range(180))), mapping())
    assert only(log).time == pytest.approx([moment.timestamp() for moment in moments])


@pytest.mark.parametrize(
    ("kept", "how"),
    [(slice(60, 120), "once only"), (slice(None, None, -1), "89 times")],
    ids=["half of it", "unordered"],
)
def test_a_doubled_hour_that_stays_unclear_is_refused_where_a_run_is_in_it(tmp_path, kept, how):
    moments = [BEFORE_THE_CHANGE + timedelta(minutes=i) for i in range(180)]
    path = write(tmp_path, table(shown(moments)[kept], range(180)[kept]))
    in_it = (BEFORE_THE_CHANGE.timestamp() + 3600, BEFORE_THE_CHANGE.timestamp() + 4000)
    with pytest.raises(PowerLogError, match=f"goes through it {how}"):
        wattmeter.read(path, mapping(timezone="Europe/Madrid"), [in_it])
    wattmeter.read(path, mapping(timezone="Europe/Madrid"), [(0, 1), (2e9, 2.1e9)])


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    begin=st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)),
    zone=st.sampled_from(["Europe/Madrid", "America/New_York", "Asia/Kolkata", "UTC"]),
    chunk=st.integers(1, 25),
)
def test_a_local_log_without_gaps_is_read_as_it_was(tmp_path_factory, begin, zone, chunk):
    """Four hours, so that it can begin or end, but not be, within the hour that was twice."""
    begin = begin.replace(microsecond=0, tzinfo=UTC)
    moments = [begin + timedelta(minutes=10 * i) for i in range(24)]
    there = [moments[i].astimezone(ZoneInfo(zone)) for i in (0, -1)]
    assume(all(m.utcoffset() == m.replace(fold=1 - m.fold).utcoffset() for m in there))
    path = write(tmp_path_factory.mktemp("log"), table(shown(moments, ZoneInfo(zone)), range(24)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wattmeter, "CHUNK", chunk)
        log = wattmeter.read(path, mapping(timezone=zone))
    assert only(log).time == pytest.approx([moment.timestamp() for moment in moments])


def test_only_what_is_around_the_runs_is_kept(tmp_path):
    seconds = START.timestamp() + np.arange(1000.0)
    path = write(tmp_path, table(seconds, seconds % 7))
    first, second = seconds[100], seconds[500]
    windows = [(second, second + 10), (first, first + 10), (first + 5, first + 20)]
    log = wattmeter.read(path, mapping(time_format="s"), windows)
    assert only(log).time == pytest.approx([*seconds[100:121], *seconds[500:511]])
    assert (log.rows, log.first, log.last) == (1000, seconds[0], seconds[-1])


@pytest.mark.parametrize("chunk", [1, 7, 1_000_000])
def test_of_a_log_of_changes_what_holds_around_the_runs_is_kept_too(tmp_path, monkeypatch, chunk):
    """Of each device the last row before a window, and the first after it."""
    monkeypatch.setattr(wattmeter, "CHUNK", chunk)
    seconds = START.timestamp() + np.arange(0.0, 400, 10)
    devices = np.where(np.isin(np.arange(40), (3, 30)), "B", "A")
    rows = [f"{time},{device},60" for time, device in zip(seconds, devices, strict=True)]
    path = write(tmp_path, "\n".join(["time,plug,power", *rows]))
    held = mapping(time_format="s", hold=True, channel="plug", channels="sum")
    windows = [(START.timestamp() + begin, START.timestamp() + begin + 30) for begin in (95, 205)]
    log = wattmeter.read(path, held, windows)
    found = {name: samples.time - START.timestamp() for name, samples in log.channels.items()}
    assert {90, *range(100, 130, 10), 130, 200, *range(210, 240, 10), 240} <= set(found["A"])
    assert list(found["B"]) == [30, 300]
    if chunk > 40:
        assert set(found["A"]) <= {0, 390, 90, *range(100, 141, 10), *range(190, 251, 10)}


def test_one_text_among_decimal_commas_loses_no_other_number(tmp_path):
    values = ["950,5", "ERR", "980,5", "1.970", "960,1"]
    path = write(tmp_path, table(iso(), values, "time;power", ";"))
    log = wattmeter.read(path, mapping(time="time", separator=";", decimal=","))
    assert list(only(log).power) == [950.5, 980.5, 1970, 960.1]
    assert any("1 of 5 rows have no number (such as 'ERR')" in note for note in log.notes)


def test_other_names_of_the_devices_that_are_told_apart_are_no_further_ones(tmp_path):
    """nvidia-smi --query-gpu=timestamp,index,uuid,power.draw of two GPUs."""
    path = tmp_path / "log.csv"
    rows = [f"{1.7e9 + t},{gpu},GPU-{gpu}f,{100 + gpu}" for t in range(99) for gpu in (0, 1)]
    path.write_text("\n".join(["time,index,uuid,power", *rows]) + "\n")
    fields = {"time_format": "s", "power": "power", "unit": "W", "channel": "index"}
    assert [*wattmeter.read(path, WattmeterLog(**fields, channels="sum")).channels] == ["0", "1"]
    mapping = WattmeterLog(**fields | {"channel": "uuid", "channels": ["GPU-1f"]})
    assert wattmeter.read(path, mapping).channels["GPU-1f"].power.mean() == 101


@pytest.mark.parametrize("standby", [0, 1], ids=["after nothing", "after something"])
def test_nothing_is_known_of_the_rows_that_a_log_of_intervals_lacks(tmp_path, standby):
    """1 Wh in each minute of a run of twenty, of which some are missing."""
    minutes = np.r_[-20:0, 5:30]
    times = [f"{START.timestamp() + 60 * minute}" for minute in minutes]
    path = write(tmp_path, table(times, np.where(minutes < 0, standby, 1.0), "time,energy"))
    fields = {"energy": "energy", "time_format": "s", "per_interval": True}
    samples = only(wattmeter.read(path, mapping(**fields)))
    found = metering.integrate(samples, START.timestamp(), START.timestamp() + 1200)
    assert found.coverage == pytest.approx(15 / 20)
    assert "or the log has a hole, from 0.0 s to 300.0 s; the power" in found.doubts[0]
    found = metering.integrate(samples, START.timestamp() + 300, START.timestamp() + 1500)
    assert (found.coverage, found.doubts) == (pytest.approx(1), ())
    assert found.energy == pytest.approx(0.020)


@pytest.mark.parametrize("chunk", [3, 1_000_000])
def test_devices_may_be_numbers_in_json(tmp_path, monkeypatch, chunk):
    """Where a row names none, pandas makes 0.0 of 0."""
    monkeypatch.setattr(wattmeter, "CHUNK", chunk)
    rows = [{"t": 1.7e9 + t, "gpu": gpu, "w": 60 + gpu} for t in range(30) for gpu in (0, 1)]
    rows.insert(7, {"t": 1.7e9 + 3, "w": 7})
    path = write(tmp_path, "\n".join(json.dumps(row) for row in rows), "log.json")
    fields = {"time": "t", "time_format": "s", "power": "w", "unit": "W", "channel": "gpu"}
    both = wattmeter.read(path, WattmeterLog(**fields, channels="sum")).channels
    assert {name: set(one.power) for name, one in both.items()} == {"0": {60}, "1": {61}}
    (samples,) = wattmeter.read(path, WattmeterLog(**fields, channels=[0])).channels.values()
    assert (samples.time.size, set(samples.power)) == (30, {60})
    with pytest.raises(PowerLogError, match="rows are of 2 devices: 0, 1; say channels: sum"):
        wattmeter.read(path, WattmeterLog(**fields))
