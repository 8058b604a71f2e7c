import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from lib import records
from lib.analysis import instrument_pairs
from lib.instruments import Component, Reading
from lib.instruments.trace import COLUMNS
from lib.logs import attach
from lib.logs.summaries import SummaryError
from lib.logs.wattmeter import PowerLogError
from lib.paper import published
from lib.records import Phase, Record
from lib.study.wattmeter_log import WattmeterLog
from lib.units import JOULES_PER_KWH
from tests import needs, reports, small_study

BEGIN = datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC)
MAPPING = WattmeterLog(time_format="s", power="power", unit="W", clock_offset=0)
ESTIMATED = MAPPING.model_copy(update={"clock_offset": None})


def watts(time):
    """Every run idles 10 s, trains 100 s with steps that differ, and idles again."""
    phase = time % 300
    step = 20 * ((phase // 9) % 4) + 10 * ((phase // 23) % 3)
    return np.where((phase >= 10) & (phase < 110), 150.0 + step, 60.0)


def when(seconds):
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def joules(begin, end):
    """What the machine used between two moments, s after BEGIN."""
    middle = np.arange(begin, end, 0.001) + 0.0005
    return watts(BEGIN.timestamp() + middle).sum() * 0.001


@pytest.fixture
def study(tmp_path):
    """Three runs of 100 s, 5 minutes apart, with the power that their profiler saw."""
    for number in range(3):
        begin = 300.0 * number
        run = f"VGG16-digits-r{number + 1}-00000000"
        folder = tmp_path / "runs" / run
        record = Record(
            run_id=run,
            status="completed",
            started_at=when(begin + 10),
            ended_at=when(begin + 110),
            duration=100.0,
            energy_consumed=0.004,
            doubts=("the machine was busy",),
            config={"dataset": "digits", "architecture": "VGG16", "repetition": number + 1},
            phases=tuple(
                Phase(name=name, started_at=when(start), ended_at=when(end), duration=end - start)
                for name, start, end in (
                    ("idle", begin, begin + 10),
                    ("training", begin + 10, begin + 110),
                    ("cooldown", begin + 110, begin + 120),
                )
            ),
        )
        record.write(folder)
        ends = begin + np.arange(1.0, 121.0)
        power = pd.DataFrame(dict.fromkeys(COLUMNS, np.nan), index=range(120))
        power["timestamp"] = [when(end) for end in ends]
        power = power.assign(time=ends, phase="training", interval=1.0, energy_consumed=0.0)
        power["cpu_power"] = 0.5 * watts(BEGIN.timestamp() + ends - 0.5)
        power.to_csv(folder / "power.csv", index=False)
    return tmp_path


def write_log(folder, seconds, offset=0.0, name="log.csv"):
    time = BEGIN.timestamp() + np.asarray(seconds)
    path = folder / name
    pd.DataFrame({"time": time + offset, "power": watts(time)}).to_csv(path, index=False)
    return path


def read(study, number):
    return records.read(study / "runs" / f"VGG16-digits-r{number}-00000000" / "run.json")


def energy(record):
    return record.extra["wattmeter_energy"] * JOULES_PER_KWH


EVERYTHING = np.arange(-200, 900, 0.1)


def test_every_run_gets_its_energy_and_how_it_was_found(study):
    log = write_log(study, EVERYTHING)
    attached = attach.attach(study, log, MAPPING)
    assert len(attached.measured) == 3
    assert not attached.refused
    for number in (1, 2, 3):
        record = read(study, number)
        begin = 300 * (number - 1) + 10
        assert energy(record) == pytest.approx(joules(begin, begin + 100), rel=0.002)
        assert record.extra["wattmeter_duration"] == pytest.approx(100)
        assert record.extra["wattmeter_samples_per_second"] == pytest.approx(10, rel=0.01)
        assert record.extra["wattmeter_coverage"] == pytest.approx(1)
        assert record.extra["wattmeter_longest_gap"] == pytest.approx(0.1, abs=0.01)
        assert record.extra["wattmeter_clock_offset"] == 0
        assert record.extra["wattmeter_source"] == "log.csv"
        (reading,) = record.readings
        assert reading["instrument"] == "wattmeter"
        assert len(reading["details"]["sha256"]) == 64
        assert reading["details"]["mapping"]["unit"] == "W"
        assert record.doubts == ("the machine was busy",)
    assert str(study) not in json.dumps(read(study, 1).model_dump(mode="json"))
    table = records.merge(study).results
    assert table["wattmeter_energy"].notna().all()


def test_the_edges_of_a_run_need_not_be_samples(study):
    """Samples each 7 s, and a step of power at either edge: what was drawn inside is counted."""
    attach.attach(study, write_log(study, np.arange(-203.3, 900, 7.0)), MAPPING)
    found = read(study, 1)
    u = np.hypot(found.extra["wattmeter_sampling_u"], found.extra["wattmeter_edge_u"])
    assert abs(energy(found) - joules(10, 110)) < 2 * u * JOULES_PER_KWH
    assert 0.01 < u * JOULES_PER_KWH / joules(10, 110) < 0.1


def test_done_again_it_changes_nothing(study):
    log = write_log(study, EVERYTHING)
    attach.attach(study, log, ESTIMATED)
    paths = sorted(study.glob("runs/*/run.json"))
    before = [(path.stat().st_mtime_ns, path.read_text()) for path in paths]
    attach.attach(study, log, ESTIMATED)
    assert [(path.stat().st_mtime_ns, path.read_text()) for path in paths] == before


def test_another_log_replaces_what_the_first_one_said(study):
    attach.attach(study, write_log(study, np.arange(0, 400, 0.1)), MAPPING)
    assert read(study, 3).extra["wattmeter_energy"] is None
    whole = write_log(study, EVERYTHING, name="whole.csv")
    notes = attach.attach(study, whole, MAPPING).notes
    assert notes == ("it replaces the reading of log.csv: VGG16-digits-r1-00000000",)
    said = read(study, 1).doubts
    assert said[-1] == "wattmeter: it replaces the reading of log.csv"
    assert attach.attach(study, whole, MAPPING).notes == ()
    assert read(study, 1).doubts == said
    record = read(study, 3)
    assert energy(record) == pytest.approx(joules(610, 710), rel=0.002)
    assert record.extra["wattmeter_source"] == "whole.csv"
    assert record.reasons == {}
    assert record.doubts == ("the machine was busy",)
    assert len(record.readings) == 1


def test_a_log_of_another_day_takes_no_earlier_reading_away_and_says_so(study):
    attach.attach(study, write_log(study, EVERYTHING), MAPPING)
    before = [read(study, number) for number in (1, 2, 3)]
    other = write_log(study, EVERYTHING, 86_400, name="other.csv")
    (note,) = attach.attach(study, other, MAPPING).notes
    assert note.startswith("nothing in other.csv, so the reading of an earlier log is kept: VGG16")
    assert [read(study, number) for number in (1, 2, 3)] == before


def test_a_study_may_have_several_logs(study):
    for name, begin in (("monday.csv", 0), ("tuesday.csv", 300), ("wednesday.csv", 600)):
        log = write_log(study, np.arange(begin - 50, begin + 150, 0.1), name=name)
        attached = attach.attach(study, log, MAPPING)
    assert len(attached.measured) == 3
    for number, name in ((1, "monday.csv"), (2, "tuesday.csv"), (3, "wednesday.csv")):
        record = read(study, number)
        begin = 300 * (number - 1) + 10
        assert energy(record) == pytest.approx(joules(begin, begin + 100), rel=0.002)
        assert record.extra["wattmeter_source"] == name


def test_a_log_of_the_gpu_stands_beside_one_of_the_machine(study):
    attach.attach(study, write_log(study, EVERYTHING), MAPPING)
    gpu = MAPPING.model_copy(update={"measures": "gpu"})
    attached = attach.attach(study, write_log(study, EVERYTHING, name="gpu.csv"), gpu)
    assert len(attached.measured) == 3
    record = read(study, 1)
    assert record.extra["wattmeter_source"] == "log.csv"
    assert record.extra["wattmeter_gpu_source"] == "gpu.csv"
    assert record.extra["wattmeter_gpu_energy"] == record.extra["wattmeter_energy"]
    assert [[*one["components"]] for one in record.readings] == [["machine"], ["gpu"]]


def test_the_reading_of_a_live_meter_stays_beside_it(study):
    live = Reading("shelly", 100.0, {"machine": Component(0.005, "measured power")}, 100)
    record = attach.with_reading(read(study, 1), live)
    record = record.model_copy(update={"extra": record.extra | {"live_wattmeter_energy": 0.005}})
    record.write(study / "runs" / record.run_id)
    attach.attach(study, write_log(study, EVERYTHING), MAPPING)
    record = read(study, 1)
    assert [one["instrument"] for one in record.readings] == ["shelly", "wattmeter"]
    assert record.extra["live_wattmeter_energy"] == 0.005
    assert record.extra["wattmeter_source"] == "log.csv"


@pytest.mark.parametrize("offset", [-40.0, 0.0, 3.7, 95.0])
def test_the_offset_of_the_clocks_is_estimated(study, offset):
    attach.attach(study, write_log(study, EVERYTHING, offset), ESTIMATED)
    for number in (1, 2, 3):
        record = read(study, number)
        assert record.extra["wattmeter_clock_offset"] == pytest.approx(offset, abs=0.2)
        begin = 300 * (number - 1) + 10
        assert energy(record) == pytest.approx(joules(begin, begin + 100), rel=0.005)


def test_a_clock_that_drifts_has_another_offset_in_every_run(study):
    time = BEGIN.timestamp() + EVERYTHING
    drifting = time + 5 + 0.01 * EVERYTHING
    path = study / "log.csv"
    pd.DataFrame({"time": drifting, "power": watts(time)}).to_csv(path, index=False)
    attach.attach(study, path, ESTIMATED)
    found = [read(study, number).extra["wattmeter_clock_offset"] for number in (1, 2, 3)]
    assert found == pytest.approx([5.6, 8.6, 11.6], abs=0.5)


def test_an_offset_that_was_given_is_used(study):
    given = MAPPING.model_copy(update={"clock_offset": 7200.0})
    attach.attach(study, write_log(study, EVERYTHING, 7200), given)
    assert energy(read(study, 2)) == pytest.approx(joules(310, 410), rel=0.002)


def test_where_no_offset_can_be_told_the_doubt_says_so(study):
    for path in study.glob("runs/*/power.csv"):
        path.unlink()
    attach.attach(study, write_log(study, EVERYTHING), ESTIMATED)
    record = read(study, 1)
    assert energy(record) == pytest.approx(joules(10, 110), rel=0.002)
    assert any("clocks are taken to agree" in doubt for doubt in record.doubts)


def test_a_run_without_trace_takes_the_offset_of_the_others(study):
    (study / "runs" / "VGG16-digits-r2-00000000" / "power.csv").unlink()
    attach.attach(study, write_log(study, EVERYTHING, 30), ESTIMATED)
    record = read(study, 2)
    assert record.extra["wattmeter_clock_offset"] == pytest.approx(30, abs=0.2)
    assert any("that of other runs" in doubt for doubt in record.doubts)


def test_below_95_percent_a_reading_is_refused_with_the_reason(study):
    gap = EVERYTHING[(EVERYTHING < 50) | (EVERYTHING > 57)]
    attached = attach.attach(study, write_log(study, gap), MAPPING)
    (run,) = attached.refused
    assert run == "VGG16-digits-r1-00000000"
    assert "cover 92.9 % of the run's 100.0 s, less than 95 %" in attached.refused[run]
    record = read(study, 1)
    assert record.extra["wattmeter_energy"] is None
    assert record.reasons["wattmeter_energy"] == attached.refused[run]
    assert record.extra["wattmeter_coverage"] == pytest.approx(0.93, abs=0.002)


def test_a_log_of_another_day_is_refused_with_where_it_reaches(study):
    attached = attach.attach(study, write_log(study, EVERYTHING, 86_400), MAPPING)
    assert len(attached.refused) == 3
    said = attached.refused["VGG16-digits-r1-00000000"]
    assert "from 2024-03-02 11:56:40 UTC to 2024-03-02 12:14:59 UTC" in said
    assert "is the zone of its times right?" in said


def test_records_without_times_are_named(study):
    for path in study.glob("runs/*/run.json"):
        record = records.read(path)
        changes = {"started_at": None, "ended_at": None, "phases": ()}
        record.model_copy(update=changes).write(path.parent)
    attached = attach.attach(study, write_log(study, EVERYTHING), ESTIMATED)
    reason = "the record says not when the run started and ended"
    assert set(attached.refused.values()) == {reason}


def test_a_counter_is_read_beside_runs(study):
    time = BEGIN.timestamp() + EVERYTHING
    counter = np.cumsum(watts(time)) * 0.1 / 3600 % 3.0
    path = study / "log.csv"
    pd.DataFrame({"time": time, "Wh": counter}).to_csv(path, index=False)
    mapping = WattmeterLog(time_format="s", energy="Wh", unit="Wh", clock_offset=0)
    attach.attach(study, path, mapping)
    for number in (1, 2, 3):
        begin = 300 * (number - 1) + 10
        assert energy(read(study, number)) == pytest.approx(joules(begin, begin + 100), rel=0.005)


def test_what_holds_when_a_run_begins_may_have_been_said_long_before(study):
    """A log of changes of a steady machine: the row before is an hour old, the one after late."""
    path = study / "log.csv"
    rows = [(-3600, 250), (60, 251), (320, 70), (9000, 20)]
    path.write_text(
        "time,power\n" + "".join(f"{BEGIN.timestamp() + t},{watts}\n" for t, watts in rows)
    )
    attached = attach.attach(study, path, MAPPING.model_copy(update={"hold": True}))
    assert len(attached.measured) == 3
    found = [energy(read(study, number)) for number in (1, 2, 3)]
    assert found == pytest.approx([250 * 50 + 251 * 50, 251 * 10 + 70 * 90, 7000])
    assert read(study, 1).extra["wattmeter_coverage"] == 1


def test_a_bad_log_leaves_every_record_as_it_was(study):
    path = study / "log.csv"
    path.write_text("time,power\n1,2\nthen,3\n")
    before = [path.read_text() for path in sorted(study.glob("runs/*/run.json"))]
    with pytest.raises(PowerLogError):
        attach.attach(study, path, MAPPING)
    assert [path.read_text() for path in sorted(study.glob("runs/*/run.json"))] == before


def test_what_can_not_be_attached_is_said(study, tmp_path_factory):
    with pytest.raises(attach.WattmeterError, match="does not say what its columns are"):
        attach.attach(study, write_log(study, EVERYTHING), None)
    with pytest.raises(attach.WattmeterError, match="no file '"):
        attach.attach(study, study / "none.csv", MAPPING)
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(attach.WattmeterError, match="holds no completed run"):
        attach.attach(empty, study / "log.csv", MAPPING)
    with pytest.raises(SummaryError, match="holds no files summary_"):
        attach.attach(study, empty, None)


def summary(folder, **changes):
    content = {
        "Wh": 5.0,
        "joules": 18_000.0,
        "executionIdentifier": "17-DIGITS_VGG16_2",
        "samples": 10_000,
        "timeExecution": 101.5,
    }
    path = folder / f"summary_{changes.get('executionIdentifier', 'x')}.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_a_summary_goes_by_its_configuration(study):
    path = summary(study)
    attached = attach.attach(study, path, None)
    assert attached.measured == ("VGG16-digits-r2-00000000",)
    assert energy(read(study, 2)) == pytest.approx(18_000)
    assert read(study, 2).extra["wattmeter_samples_per_second"] == pytest.approx(98.5, abs=0.1)
    assert "no summary is of digits, vgg16, 1" in attached.refused["VGG16-digits-r1-00000000"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"executionIdentifier": "VGG16"}, "is not of the form"),
        ({"joules": "many"}, "expected executionIdentifier, joules"),
        ({"executionIdentifier": "17-MNIST_VGG16_2"}, "is of a run of this study"),
        ({"timeExecution": 50.0}, "is of a run of this study"),
    ],
)
def test_a_summary_of_something_else_is_refused(study, changes, said):
    with pytest.raises(SummaryError, match=said):
        attach.attach(study, summary(study, **changes), None)


def test_two_summaries_of_one_run_are_refused(study):
    summary(study)
    summary(study, executionIdentifier="18-DIGITS_VGG16_2")
    with pytest.raises(SummaryError, match="are both of"):
        attach.attach(study, study, None)


def test_the_authors_runs_give_table_7_and_rho(authors, tmp_path):
    results = authors.results
    runs = results[results["campaign"] == "wattmeter"]
    without = runs.drop(columns=[name for name in runs if name.startswith("wattmeter")])
    for row in without.to_dict("records"):
        record = records.from_row(row)
        record.write(tmp_path / "runs" / record.run_id)
    summaries = tmp_path / "summaries"
    shutil.copytree(needs.REPLICATION / "grilla" / "results_summary", summaries)
    attached = attach.attach(tmp_path, summaries, None)
    assert len(attached.measured) == 18
    table = records.merge(tmp_path).results
    medians = table.groupby(["architecture", "dataset"])["wattmeter_energy"].median()
    printed = published.table("table7").set_index(["architecture", "dataset"])["wattmeter_energy"]
    assert (medians - printed.astype(float)).abs().max() < 0.01
    (pair,) = instrument_pairs.pairs(table)
    found = instrument_pairs.agreement(pair)
    assert found.rho_medians == pytest.approx(0.94, abs=0.005)
    assert found.rho == pytest.approx(0.975, abs=0.0005)
    assert (found.n_medians, found.n) == (6, 18)


STUDY = """
title: Three networks
factors: {architecture: [VGG16, VGG19, ResNet50], dataset: [digits]}
repetitions: 2
wattmeter:
  {time: Zeit, timezone: Europe/Madrid, power: W, unit: mW, separator: ";", clock_offset: 0}
"""


@pytest.fixture
def finished(tmp_path, monkeypatch):
    """A study file, the folder of the finished study, and a log whose last run is cut off."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(STUDY)
    folder = small_study.make(
        tmp_path / "outputs" / "small", datasets=("digits",), repetitions=2, location=None
    )
    begin = pd.Timestamp("2026-01-01T00:00:00Z")
    times = [begin + pd.Timedelta(seconds=second) for second in range(-100, 320)]
    rows = [
        f"{time.tz_convert('Europe/Madrid'):%Y-%m-%d %H:%M:%S};{90_000 + 100 * time.minute}"
        for time in times
    ]
    (tmp_path / "log.csv").write_text("\n".join(["Zeit;W", *rows]))
    return folder


def test_the_command_attaches_reports_and_names_what_it_could_not(finished, capsys, monkeypatch):
    from lib import cli

    monkeypatch.setattr("lib.report.build.build", reports.built)
    assert cli.main(["small.yaml", "--wattmeter", "log.csv"]) == cli.SOME_FAILED
    said = " ".join(capsys.readouterr().out.split())
    assert "5 of 6 runs have a reading of the wattmeter." in said
    assert "No reading of ResNet50-digits-r2-" in said
    assert "cover 47.5 % of the run's 40.0 s, less than 95 %" in said
    results = records.read_results(finished)
    assert results["wattmeter_energy"].count() == 5
    assert results["wattmeter_energy"].min() * JOULES_PER_KWH == pytest.approx(40 * 90.0, rel=1e-6)
    report = (finished / "report.html").read_text()
    assert "Wattmeter less CodeCarbon" in report
    table = pd.read_csv(finished / "tables" / "agreement.csv")
    assert table["n"].tolist() == [5]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["small.yaml", "--wattmeter", "none.csv"], "--wattmeter: 1 mistake - no file 'none.csv'"),
        (["other.yaml", "--wattmeter", "log.csv"], "there is no study in outputs/other"),
        (["plain.yaml", "--wattmeter", "log.csv"], "does not say what its columns are"),
        (["wrong.yaml", "--wattmeter", "log.csv"], "wattmeter: name one column, either power or"),
        (["zone.yaml", "--wattmeter", "log.csv"], "wattmeter.timezone: 'Spain': is no time zone"),
        (["unit.yaml", "--wattmeter", "log.csv"], "power has a unit of uW, mW, W, kW"),
        (["both.yaml", "--wattmeter", "log.csv"], "both columns by name or both by number"),
        (["field.yaml", "--wattmeter", "log.csv"], "wattmeter.colour: unknown field; allowed are"),
    ],
)
def test_the_command_refuses_in_a_sentence(finished, capsys, arguments, said):
    from lib import cli

    folder = finished.parents[1]
    sections = {
        "other": "",
        "plain": "",
        "wrong": "wattmeter: {unit: W}",
        "zone": "wattmeter: {power: W, unit: W, timezone: Spain}",
        "unit": "wattmeter: {power: W, unit: Wh}",
        "both": "wattmeter: {time: 1, power: W, unit: W}",
        "field": "wattmeter: {power: W, unit: W, colour: red}",
    }
    for name, section in sections.items():
        (folder / f"{name}.yaml").write_text(f"title: x\n{section}\n")
    (finished.parent / "plain").symlink_to(finished)
    assert cli.main(arguments) == cli.BAD_INPUT
    assert said in " ".join(capsys.readouterr().err.split())
