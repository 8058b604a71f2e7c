"""Measurements as the field has them: `field_cases/`, one folder a case, with its right result.

The inputs are small and made up, in the shape of public logs and bug reports; `expect.txt` says
what is right, and what the program once said.
"""

import functools
from pathlib import Path

import pytest
import yaml

from lib import records
from lib.analysis.audit import DOUBT, FAULT, PASSED, UNCHECKED, audit
from lib.logs import attach, wattmeter
from lib.logs.wattmeter import PowerLogError
from lib.paper import published
from lib.records import Phase, Record
from lib.study.wattmeter_log import WattmeterLog
from lib.units import JOULES_PER_KWH, mean_power

CASES = Path(__file__).parent / "field_cases"
BEGIN, END = "2026-11-27T00:08:30.912+00:00", "2026-11-27T00:08:49.521+00:00"
SECONDS = 18.609
RUN = "VGG19-digits-r1-00000000"


@pytest.fixture
def study(tmp_path):
    phase = Phase(name="training", started_at=BEGIN, ended_at=END, duration=SECONDS)
    Record(
        run_id=RUN,
        status="completed",
        started_at=BEGIN,
        ended_at=END,
        duration=SECONDS,
        energy_consumed=26.8 * SECONDS / JOULES_PER_KWH,
        config={"architecture": "VGG19", "dataset": "digits", "repetition": 1},
        phases=(phase,),
    ).write(tmp_path / "runs" / RUN)
    return tmp_path


def laid_beside(study, case, **changes):
    """What the run's record says after `--wattmeter`: W, or why there is no power; all doubts."""
    (log,) = (CASES / case).glob("log.*")
    section = yaml.safe_load((CASES / case / "mapping.yaml").read_text())["wattmeter"]
    attach.attach(study, log, WattmeterLog(**section | changes))
    record = records.read(study / "runs" / RUN / "run.json")
    energy = record.extra["wattmeter_energy"]
    if energy is None:
        return record.reasons["wattmeter_energy"], record
    return energy * JOULES_PER_KWH / SECONDS, record


def test_a_silent_logger_says_nothing_of_the_run(study):
    said, record = laid_beside(study, "01-gap-swallows-the-run")
    assert "no sample of the wattmeter lies in the run's 18.6 s" in said
    assert record.extra["wattmeter_coverage"] == 0


def test_two_gpus_are_added_or_chosen_if_the_mapping_says_so_and_refused_else(study):
    case = "02a-two-gpus-4ms-apart"
    with pytest.raises(PowerLogError, match=r"rows are of 2 devices \(0, 1\); say channel: index"):
        laid_beside(study, case)
    with pytest.raises(PowerLogError, match=r"rows are of 2 devices: 0, 1; say channels: sum"):
        laid_beside(study, case, channel="index")
    both, _ = laid_beside(study, case, channel="index", channels="sum")
    first, _ = laid_beside(study, case, channel="index", channels=[0])
    second, record = laid_beside(study, case, channel="index", channels=["1"])
    assert both == pytest.approx(312, abs=1)
    assert (first, second) == (pytest.approx(251, abs=1), pytest.approx(61, abs=1))
    assert record.extra["wattmeter_coverage"] == 1
    with pytest.raises(PowerLogError, match="never says 7; there are 0, 1"):
        laid_beside(study, case, channel="index", channels=[7])


def test_two_gpus_without_an_index_are_seen_by_their_rows(study, tmp_path):
    log = tmp_path / "log.csv"
    rows = (CASES / "02a-two-gpus-4ms-apart" / "log.csv").read_text().splitlines()
    log.write_text("\n".join(",".join(row.split(",")[::2]) for row in rows))
    mapping = {"time": "timestamp", "power": "power.draw [W]", "unit": "W", "timezone": "UTC"}
    with pytest.raises(PowerLogError, match=r"2 rows for every moment \(usually 251\.1, 60\.7"):
        attach.attach(study, log, WattmeterLog(**mapping))
    attach.attach(study, log, WattmeterLog(**mapping, channels="sum", clock_offset=0))
    record = records.read(study / "runs" / RUN / "run.json")
    watts = record.extra["wattmeter_energy"] * JOULES_PER_KWH / SECONDS
    assert watts == pytest.approx(312, abs=1)


def test_a_counter_whose_step_is_larger_than_the_energy_is_refused(study):
    said, _ = laid_beside(study, "13-counter-step-larger-than-energy")
    assert "goes up in steps of 1 Wh" in said


def test_energy_of_each_minute_is_no_counter(study):
    case = "14a-wh-per-minute-read-as-counter"
    with pytest.raises(PowerLogError, match=r"is no counter: it falls 5 of the 14 times"):
        laid_beside(study, case)
    said, _ = laid_beside(study, case, per_interval=True)
    assert "lies in the run's 18.6 s" in said


def test_a_wrapped_counters_spike_is_left_out_by_name(study):
    watts, record = laid_beside(study, "15-spike-of-262-kW")
    assert watts == pytest.approx(46, abs=0.5)
    assert any("1 sample left out: up to 2.62" in doubt for doubt in record.doubts)


def test_negative_power_is_refused(study):
    said, _ = laid_beside(study, "16-negative-sample")
    assert "power is negative in 1 of the run's samples" in said


def test_a_log_of_changes_is_held_if_the_mapping_says_so(study):
    said, _ = laid_beside(study, "19-log-of-changes-only")
    assert "set hold: true" in said
    watts, record = laid_beside(study, "19-log-of-changes-only", hold=True)
    assert watts == pytest.approx(62.0)
    assert (record.extra["wattmeter_coverage"], record.doubts) == (1, ())


def test_thousands_separators_are_read(study):
    watts, record = laid_beside(study, "21-thousands-separator")
    assert watts == pytest.approx(1500, abs=5)
    assert record.extra["wattmeter_coverage"] == 1


def test_values_carry_their_unit(study):
    watts, _ = laid_beside(study, "30-values-with-their-unit")
    assert watts == pytest.approx(120.17, abs=0.5)


TIMES = {
    "dmy.csv": {
        "time": "DateTime",
        "time_format": "%d/%m/%Y %H:%M",
        "power": "Actual Consumption/W",
        "timezone": "UTC",
        "separator": ";",
    },
    "joular.csv": {
        "time": "Date",
        "time_format": "%Y- %m- %d  %H: %M: %S. %f",
        "power": "CPU Power",
        "timezone": "UTC",
    },
    "ns.csv": {"time": "Timestamp (ns)", "time_format": "ns", "power": "Power Draw (W)"},
    "relative.csv": {
        "time": "Time_Seconds",
        "time_format": "s",
        "start": "2026-11-27T00:08:00Z",
        "power": "Watts",
    },
    "two-columns.csv": {"time": ["Date", "Time"], "power": "P(W)", "timezone": "UTC", "skip": 2},
    "us.log": {"time": 1, "time_format": "us", "energy": 2, "unit": "uJ", "separator": " "},
}
FIRST = {
    "dmy.csv": (-120, 34.3678),
    "joular.csv": (0.742, 3.03),
    "ns.csv": (0, 12.69),
    "relative.csv": (0.003, 19.9),
    "two-columns.csv": (0, 92.1),
    "us.log": (0, 9553.228173),
}
MIDNIGHT_AND_EIGHT = 1795738080.0


@pytest.mark.parametrize("name", TIMES)
def test_every_form_of_time_has_a_setting(name):
    mapping = WattmeterLog(**{"unit": "W"} | TIMES[name])
    log = wattmeter.read(CASES / "31-times-that-no-setting-reads" / name, mapping)
    (samples,) = log.channels.values()
    values = samples.counter if samples.power is None else samples.power
    seconds, value = FIRST[name]
    assert samples.time[0] - MIDNIGHT_AND_EIGHT == pytest.approx(seconds, abs=1e-3)
    assert values[0] == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "without", "advice"),
    [
        ("dmy.csv", "time_format", 'set time_format: "%d/%m/%Y %H:%M"'),
        ("joular.csv", "time_format", 'set time_format: "%Y- %m- %d  %H: %M: %S. %f"'),
        ("ns.csv", "time_format", "set time_format: ns"),
        ("us.log", "time_format", "set time_format: us"),
        ("relative.csv", "start", "time_format: s (or ms, us, ns) and start: the moment"),
        ("two-columns.csv", "skip", "lines above it are left out by skip: 1"),
    ],
)
def test_a_form_of_time_that_is_unsaid_is_refused_with_the_setting(name, without, advice):
    section = {"unit": "W"} | TIMES[name]
    del section[without]
    with pytest.raises(PowerLogError) as raised:
        wattmeter.read(CASES / "31-times-that-no-setting-reads" / name, WattmeterLog(**section))
    assert advice in str(raised.value)


@functools.cache
def imported(case):
    return published.read_package(CASES / case)


def runs(case):
    return imported(case).results.sort_values("repetition")


@functools.cache
def findings(case):
    table = records.table(records.from_row(row) for row in runs(case).to_dict("records"))
    return {one.name: one for one in audit(table)}


def severities(case):
    return {name: one.severity for name, one in findings(case).items()}


def test_a_trackers_rows_are_told_apart_over_all_files():
    results = imported("03-one-tracker-over-several-bak").results.set_index(
        ["architecture", "repetition"]
    )
    energy = results["energy_consumed"]
    assert energy["ML"].tolist() == pytest.approx([0.0003, 0.1367, 0.2757])
    assert energy["LLM"].tolist() == pytest.approx([0.2620, 0.0054, 0.0008, 0.0043])
    assert energy.sum() == pytest.approx(0.6852)


def test_means_are_no_last_readings():
    found = findings("04-power-columns-are-means-since-3.1.2")
    for name in ("GPU power was sampled all along", "GPU power is above idle"):
        assert found[name].severity == UNCHECKED
        assert "logs a mean, not the last reading" in found[name].what
    assert FAULT not in severities("04-power-columns-are-means-since-3.1.2").values()


def test_no_gpu_is_no_fault():
    found = findings("05-no-gpu-is-called-sampled-once")
    assert found["GPU power was sampled all along"].what == (
        "Not checked, because there is no GPU."
    )
    assert FAULT not in severities("05-no-gpu-is-called-sampled-once").values()


def test_codecarbon_1_is_read_and_audited():
    case = "11-codecarbon-1-ends-without-report"
    assert imported(case).results["energy_consumed"].gt(0).all()
    assert imported(case).results["ram_total_size"].isna().all()
    assert findings(case)["RAM power was measured"].severity == UNCHECKED
    assert FAULT not in severities(case).values()


def test_constants_are_not_measured():
    found = findings("07-constants-pass-as-measured")
    assert found["CPU power was measured"].severity == DOUBT
    assert "constant (45 W)" in found["CPU power was measured"].what
    assert found["RAM power was measured"].severity == DOUBT
    assert "65 % of their energy" in found["RAM power was measured"].what


def test_a_failed_lookup_is_no_place():
    results = runs("08-canada-fallback")
    lost = results["location"].isna()
    assert results.loc[~lost, "location"].nunique() == 1
    assert lost.any()
    assert results.loc[lost, "emissions"].isna().all()
    assert all("Quebec" in reasons["emissions"] for reasons in results.loc[lost, "reasons"])
    found = findings("08-canada-fallback")["CodeCarbon knew its location"]
    assert (found.severity, len(found.rows)) == (FAULT, lost.sum())


def test_a_pue_is_named_and_taken_out():
    results = runs("09-pue-is-ignored")
    watts = mean_power(results["energy_consumed"], results["duration"])
    assert sorted(results["pue"]) == [1, 1, 1.12, 1.12, 1.12, 1.12]
    assert mean_power(results["ram_energy"], results["duration"]).to_numpy() == pytest.approx(
        results["ram_power"].to_numpy(), rel=1e-6
    )
    found = findings("09-pue-is-ignored")
    assert "A PUE of 1.12 was in the energies of 4 runs" in found["Energy excludes the PUE"].what
    assert found["Energy matches power"].severity == PASSED
    assert found["Each run has its own energy"].severity == PASSED
    assert watts.notna().all()


def test_a_second_stop_writes_no_run():
    found = imported("10-second-stop-writes-row-again")
    assert len(found.results) == 4
    assert found.results["energy_consumed"].mean() == pytest.approx(0.0396, abs=5e-5)
    assert [(lost.row, lost.reason) for lost in found.skipped] == [
        (row, "repeats the row before it: its tracker was stopped a second time") for row in (2, 5)
    ]
    assert not any(
        "inf" in one.what for one in findings("10-second-stop-writes-row-again").values()
    )


def test_the_clock_that_was_put_back_changes_no_difference():
    results = runs("23-cumulative-over-the-clock-change")
    assert results["duration"].to_numpy() == pytest.approx(1800)
    assert results["energy_consumed"].to_numpy() == pytest.approx(0.111, abs=5e-4)


def test_ranks_of_one_job_are_counted_once():
    results = runs("25-eight-ranks-eight-gpus-each")
    assert results["energy_consumed"].isna().all()
    assert all("ranks of one job" in why["energy_consumed"] for why in results["reasons"])
    found = findings("25-eight-ranks-eight-gpus-each")["Each job was counted once"]
    assert found.severity == FAULT
    assert (
        "Rows overlap in time on one machine: 8 runs hold the same 2.73 to 2.75 kWh" in found.what
    )


def test_a_process_is_not_the_machine():
    found = findings("27-tracking-mode-process")["Energy is of the whole machine"]
    assert found.severity == DOUBT
    assert "process in 3 runs (CPU and RAM of one process only) and machine in 3" in found.what


def test_what_a_sidecar_says_is_kept():
    results = runs("28-sidecar-text-kept-or-replaced")
    assert results["architecture"].tolist() == ["VGG16"] * 3
    assert results["machine"].tolist() == ["node7", "node7", "node8"]
    assert results["status"].tolist() == ["failed", "completed", "completed"]
    assert set(results["dataset"]) == {"d"}


def test_a_plug_below_the_software_is_a_fault(study):
    laid_beside(study, "18a-plug-below-the-software")
    found = {one.name: one for one in audit(records.merge(study).results)}
    check = found["The wattmeter saw what the software saw"]
    assert check.severity == FAULT
    assert "only 82 % of energy_consumed, which is impossible if both see the machine" in check.what
