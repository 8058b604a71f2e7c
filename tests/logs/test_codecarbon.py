import csv
import dataclasses

import pytest

from lib.logs import codecarbon
from lib.logs.codecarbon import LogError

VERSION_2 = (
    "timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,region,"
    "cloud_provider,cloud_region,os,python_version,cpu_count,cpu_model,gpu_count,gpu_model,"
    "longitude,latitude,ram_total_size,tracking_mode,on_cloud"
)
VERSION_3 = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,"
    "gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,"
    "country_name,country_iso_code,region,cloud_provider,cloud_region,os,python_version,"
    "codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,"
    "tracking_mode,cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,"
    "ram_used_gb,on_cloud,pue,wue"
)
VALUES = {
    "timestamp": "2022-05-22T22:10:00",
    "project_name": "codecarbon",
    "run_id": "a",
    "duration": "600",
    "emissions": "0.01",
    "cpu_power": "42.5",
    "gpu_power": "80",
    "ram_power": "6",
    "cpu_energy": "0.007",
    "gpu_energy": "0.012",
    "ram_energy": "0.001",
    "energy_consumed": "0.02",
    "country_iso_code": "USA",
    "region": "oregon",
    "cpu_count": "2",
    "cpu_model": "Xeon",
    "gpu_count": "1",
    "gpu_model": "1 x P100",
    "ram_total_size": "16",
}


def line(header=VERSION_2, **changes):
    values = VALUES | {name: str(value) for name, value in changes.items()}
    return ",".join(values.get(name, "") for name in header.split(","))


@pytest.fixture
def log(tmp_path):
    def write(*lines, name="emissions.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def own(path):
    """One log, each row with what it took itself, by its number in the file."""
    found = codecarbon.own_counters([codecarbon.read(path)])
    return dataclasses.replace(found, rows=found.rows.set_index("row"))


@pytest.mark.parametrize("header", [VERSION_2, VERSION_3])
def test_both_versions_are_read_alike(log, header):
    found = own(log(header, line(header)))
    row = found.rows.loc[0]
    assert (row["energy_consumed"], row["duration"], row["run_id"]) == (0.02, 600, "a")
    assert row["region"] == "oregon"
    assert (found.skipped, found.notes, len(found.rows)) == ((), (), 1)


def test_what_codecarbon_3_itself_writes_is_read_without_a_note(log):
    from dataclasses import fields

    from codecarbon.output_methods.emissions_data import EmissionsData

    assert ",".join(field.name for field in fields(EmissionsData)) == VERSION_3


def test_rows_of_one_tracker_become_differences_and_the_log_is_kept(log):
    found = own(
        log(
            VERSION_2,
            line(),
            line(timestamp="2022-05-22T22:20:00", duration=1200, energy_consumed=0.05),
            line(timestamp="2022-05-22T22:31:00", duration=1860, energy_consumed=0.06, run_id="b"),
        )
    )
    assert found.rows["energy_consumed"].tolist() == pytest.approx([0.02, 0.03, 0.06])
    assert found.rows["duration"].tolist() == pytest.approx([600, 600, 1860])
    assert found.rows["energy_consumed_logged"].tolist() == [0.02, 0.05, 0.06]


def test_of_codecarbon_3_the_duration_is_a_rows_own(log):
    found = own(
        log(
            VERSION_3,
            line(VERSION_3),
            line(VERSION_3, timestamp="2022-05-22T22:20:00", duration=590, energy_consumed=0.05),
        )
    )
    assert found.rows["energy_consumed"].tolist() == pytest.approx([0.02, 0.03])
    assert found.rows["duration"].tolist() == [600, 590]


def test_rows_in_any_order_are_differenced_in_time(log):
    later = line(timestamp="2022-05-22T22:20:00", duration=1200, energy_consumed=0.05)
    found = own(log(VERSION_2, later, line()))
    assert found.rows["energy_consumed"].tolist() == pytest.approx([0.03, 0.02])


def test_tasks_of_one_tracker_have_figures_of_their_own(log):
    header = "task_name," + VERSION_3
    found = own(
        log(
            header,
            line(header, task_name="load"),
            line(header, task_name="fit", timestamp="2022-05-22T22:20:00", energy_consumed=0.05),
        )
    )
    assert found.rows["energy_consumed"].tolist() == [0.02, 0.05]


def test_a_second_header_in_the_file_counts_for_the_rows_below_it(log):
    found = own(log(VERSION_2, line(), VERSION_3, line(VERSION_3, run_id="b", energy_consumed=0.3)))
    assert found.rows["energy_consumed"].tolist() == [0.02, 0.3]
    assert found.notes == (
        "emissions.csv holds 2 headers; each row was read under the one above it.",
    )


def test_a_row_under_the_wrong_header_is_skipped_and_counted(log):
    found = own(log(VERSION_2, line(VERSION_3), line()))
    assert list(found.rows.index) == [1]
    assert "38 fields where the header names 29" in str(found.skipped[0])


def test_a_row_that_was_cut_off_is_skipped_and_the_next_of_its_tracker_left_empty(log):
    found = own(
        log(
            VERSION_2,
            line(),
            "2022-05-22T22:20:00,codecarbon,a,1200,0.0",
            line(timestamp="2022-05-22T22:30:00", duration=1800, energy_consumed=0.09),
            line(timestamp="2022-05-22T22:40:00", duration=2400, energy_consumed=0.10),
        )
    )
    assert [lost.row for lost in found.skipped] == [1]
    assert found.rows["energy_consumed"].isna().tolist() == [False, True, False]
    assert found.rows["energy_consumed"][3] == pytest.approx(0.01)
    assert "row 2: its counters may hold the unreadable row before it" in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"energy_consumed": "many"}, "energy_consumed 'many' is no number"),
        ({"energy_consumed": ""}, "energy_consumed is empty"),
        ({"energy_consumed": "inf"}, "energy_consumed is inf"),
        ({"timestamp": "yesterday"}, "timestamp 'yesterday' is no time"),
        ({"duration": "0"}, "duration is 0 s, not above 0"),
    ],
)
def test_a_row_with_a_wrong_value_is_skipped_with_the_reason(log, changes, reason):
    found = own(log(VERSION_2, line(**changes)))
    assert [str(lost) for lost in found.skipped] == [f"emissions.csv, row 0: {reason}"]
    assert found.rows.empty


def test_missing_and_unknown_columns_are_named(log):
    header = "timestamp,duration,energy_consumed,shoe_size"
    found = own(log(header, "2022-05-22T22:10:00,600,0.02,43"))
    assert found.rows["cpu_energy"].isna().all()
    assert "lacks run_id, emissions, cpu_energy" in found.notes[0]
    assert "does not write: shoe_size" in found.notes[1]


def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path):
    path = tmp_path / "emissions.csv"
    path.write_text(f"\ufeff{VERSION_2}\n\n{line()}\n\n", encoding="utf-8")
    assert len(own(path).rows) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "emissions.csv is empty"),
        (b"\n\n", "emissions.csv is empty"),
        (b"a,b\n1,2\n", "has no column timestamp, duration, energy_consumed"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        (b"timestamp,duration,duration,energy_consumed\n", "names duration twice"),
    ],
)
def test_a_file_that_is_no_log_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "emissions.csv"
    path.write_bytes(content)
    with pytest.raises(LogError, match=message):
        codecarbon.read(path)


def test_a_header_alone_is_a_log_without_rows(log):
    found = own(log(VERSION_2))
    assert (len(found.rows), found.notes) == (0, ("emissions.csv has a header and no row.",))


def test_a_row_with_a_quoted_comma_is_whole(log):
    header = VERSION_2.split(",")
    values = [VALUES.get(name, "") for name in header]
    values[header.index("cpu_model")] = "Xeon, second edition"
    path = log(VERSION_2)
    with path.open("a", newline="") as file:
        csv.writer(file).writerow(values)
    assert own(path).rows["cpu_model"].tolist() == ["Xeon, second edition"]
