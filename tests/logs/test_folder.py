from collections import Counter

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import records
from lib.analysis.audit import audit
from lib.logs import folder as log_folder
from lib.logs import treatments
from lib.logs.codecarbon import LogError
from lib.paper import published
from tests.logs.test_codecarbon import VERSION_2, VERSION_3, line

SIDECAR = "file,row,architecture,dataset,repetition,accuracy"


@pytest.fixture
def study(tmp_path):
    """A folder with one log of three rows and a sidecar."""
    rows = [
        line(timestamp=f"2022-05-22T22:{10 * n}:00", duration=600 * n, energy_consumed=0.02 * n)
        for n in (1, 2, 3)
    ]
    (tmp_path / "emissions_a.csv").write_text("\n".join([VERSION_2, *rows]))
    named = [f"emissions_a.csv,{n},VGG16,CIFAR10,{n + 1},0.6" for n in range(3)]
    (tmp_path / "accuracy.csv").write_text("\n".join([SIDECAR, *named]))
    return tmp_path


def test_a_folder_of_logs_becomes_a_results_table(study):
    found = log_folder.read_folder(study)
    results = found.results
    assert results["energy_consumed"].tolist() == pytest.approx([0.02] * 3)
    assert results["energy_consumed_logged"].tolist() == pytest.approx([0.02, 0.04, 0.06])
    assert results["score"].tolist() == pytest.approx([30] * 3)
    assert results["dataset"].unique() == ["cifar10"]
    assert results["location"].unique() == ["USA/oregon"]
    assert results["run_id"].is_unique
    assert results["run_id"].str.match(r"VGG16-cifar10-r\d-[0-9a-f]{8}$").all()
    assert results["started_at"].tolist()[0] == "2022-05-22T22:00:00"
    assert (found.skipped, found.notes) == ((), ())


def test_ids_of_runs_are_the_same_wherever_the_folder_is(study, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    for path in study.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    first, second = (log_folder.read_folder(folder).results["run_id"] for folder in (study, other))
    assert first.tolist() == second.tolist()


def test_a_row_that_the_sidecar_leaves_out_is_skipped_but_still_subtracted(study):
    sidecar = study / "accuracy.csv"
    first = sidecar.read_text().splitlines()[:2]
    sidecar.write_text("\n".join([*first, "emissions_a.csv,2,VGG19,CIFAR10,1,0.6"]))
    found = log_folder.read_folder(study)
    assert found.results["energy_consumed"].tolist() == pytest.approx([0.02, 0.02])
    assert [str(lost) for lost in found.skipped] == [
        "emissions_a.csv, row 1: accuracy.csv does not say which run it is"
    ]


def test_further_columns_of_the_sidecar_are_taken_over(study):
    sidecar = study / "accuracy.csv"
    head, *rows = sidecar.read_text().splitlines()
    more = [f"{head},location,epochs", *(f"{row},FRA,50" for row in rows)]
    sidecar.write_text("\n".join(more))
    results = log_folder.read_folder(study).results
    assert results["location"].unique() == ["FRA"]
    assert results["epochs"].unique() == [50]


def test_what_they_say_is_taken_over_as_it_is(study):
    more = ["schedule,pruned,loss", "None,True,None", "cosine,False,0.5", "None,True,0.25"]
    sidecar = study / "accuracy.csv"
    text = sidecar.read_text().replace("VGG16", "None").replace("1,0.6", "1,None")
    sidecar.write_text("\n".join(map(",".join, zip(text.splitlines(), more, strict=True))))
    results = log_folder.read_folder(study).results
    assert results["schedule"].tolist() == ["None", "cosine", "None"]
    assert results["pruned"].tolist() == [True, False, True]
    assert results["architecture"].unique() == ["None"]
    for row in results.to_dict("records"):
        records.from_row(row)
    assert results[["accuracy", "loss"]].isna().all(axis=1).tolist() == [True, False, False]


def test_logs_that_nobody_names_are_counted(study):
    (study / "emissions_b.csv").write_text("\n".join([VERSION_3, line(VERSION_3, run_id="b")]))
    rows = [line(run_id="c"), line(run_id="d")]
    (study / "emissions_a.csv.bak").write_text("\n".join([VERSION_2, *rows]))
    (study / "notes.csv").write_text("a,b\n1,2\n")
    found = log_folder.read_folder(study)
    assert len(found.results) == 3
    assert [(lost.file, lost.row) for lost in found.skipped] == [
        ("emissions_a.csv.bak", 0),
        ("emissions_a.csv.bak", 1),
        ("emissions_b.csv", 0),
    ]
    assert "puts a log aside as .bak" in found.skipped[0].reason


def test_a_bak_file_that_the_sidecar_names_is_read(study):
    (study / "emissions_a.csv.bak").write_text("\n".join([VERSION_2, line(run_id="c")]))
    with (study / "accuracy.csv").open("a") as file:
        file.write("\nemissions_a.csv.bak,0,VGG19,CIFAR10,1,0.5\n")
    assert len(log_folder.read_folder(study).results) == 4


def test_an_unnamed_file_that_can_not_be_read_is_a_note(study):
    (study / "emissions_c.csv").write_text("")
    assert "emissions_c.csv is empty" in log_folder.read_folder(study).notes[0]


def test_a_row_that_no_log_has_is_a_note(study):
    with (study / "accuracy.csv").open("a") as file:
        file.write("\nemissions_a.csv,9,VGG19,CIFAR10,1,0.5\n")
    assert log_folder.read_folder(study).notes == (
        "accuracy.csv names row 9 of emissions_a.csv, which has no such row.",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{SIDECAR}\nnope.csv,0,VGG16,CIFAR10,1,0.5", "names the log 'nope.csv', which is not in"),
        (f"{SIDECAR}\nemissions_a.csv,x,VGG16,CIFAR10,1,0.5", "line 2: row 'x' is no whole number"),
        (f"{SIDECAR}\nemissions_a.csv,0,VGG16,CIFAR10,0,0.5", "repetition '0' is no whole number"),
        (
            f"{SIDECAR}\nemissions_a.csv,0,VGG16,CIFAR10,1,61.9",
            "accuracy '61.9' is not from 0 to 1",
        ),
        (f"{SIDECAR}\nemissions_a.csv,0,,CIFAR10,1,0.5", "line 2: architecture is empty"),
        (
            SIDECAR + "\nemissions_a.csv,0,VGG16,CIFAR10,1,0.5" * 2,
            "row 0 of emissions_a.csv is named",
        ),
        (SIDECAR, "it has no row"),
        (f"{SIDECAR},duration\nemissions_a.csv,0,VGG16,CIFAR10,1,0.5,9", "belong to the logs"),
        (f"{SIDECAR},doubts\nemissions_a.csv,0,VGG16,CIFAR10,1,0.5,9", "columns doubts mean"),
        (f"{SIDECAR},campaign\nemissions_a.csv,0,VGG16,CIFAR10,1,0.5,9", "columns campaign mean"),
        (f"{SIDECAR}\n../emissions_a.csv,0,VGG16,CIFAR10,1,0.5", "is not in the folder"),
        (f"{SIDECAR}\nemissions_a.csv,9,VGG16,CIFAR10,1,0.5", "names no row that the logs"),
        (
            "file,row\nemissions_a.csv,0",
            "lacks the column architecture, dataset, rep",
        ),
    ],
)
def test_a_wrong_sidecar_is_refused_with_what_would_be_right(study, content, message):
    (study / "accuracy.csv").write_text(content)
    with pytest.raises(LogError, match=message):
        log_folder.read_folder(study)


def test_two_sidecars_are_refused_by_name(study):
    (study / "again.csv").write_bytes((study / "accuracy.csv").read_bytes())
    with pytest.raises(LogError, match=r"2 tables .*accuracy\.csv, again\.csv"):
        log_folder.read_folder(study)


def test_an_accuracy_may_be_unknown(study):
    sidecar = study / "accuracy.csv"
    sidecar.write_text(sidecar.read_text().replace("0.6", ""))
    assert log_folder.read_folder(study).results["score"].isna().all()


def one_tracker(folder, ends, **changes):
    """Runs of one tracker, by when each ended, in s since its first start; alike all along."""
    clock = pd.Timestamp("2022-05-22T22:00:00")
    watts = {"cpu_energy": 42.5, "gpu_energy": 80, "ram_energy": 6, "energy_consumed": 128.5}
    rows = [
        line(
            timestamp=f"{clock + pd.Timedelta(end, 's'):%Y-%m-%dT%H:%M:%S}",
            duration=end,
            **{name: end * power / 3.6e6 for name, power in watts.items()},
        )
        for end in ends
    ]
    (folder / "emissions_a.csv").write_text("\n".join([VERSION_2, *rows]))
    named = [f"emissions_a.csv,{n},VGG16,CIFAR10,{n + 1},0.6" for n in range(len(ends))]
    for row, more in changes.get("further", {}).items():
        named[row] += more
    head = SIDECAR + changes.get("columns", "")
    (folder / "accuracy.csv").write_text("\n".join([head, *named]))
    return log_folder.read_folder(folder).results.sort_values("repetition")


def test_a_row_that_spans_a_pause_is_emptied(tmp_path):
    """mlco2/codecarbon#1328: the third run lasted 600 s as well, after an hour in which its tracker
    was not stopped: a second start does nothing."""
    results = one_tracker(tmp_path, [600, 1190, 5400, 6010])
    emptied = ["duration", "energy_consumed", "cpu_energy", "emissions", "score", "started_at"]
    assert results[emptied].isna().all(axis=1).tolist() == [False, False, True, False]
    assert results["energy_consumed"].notna().tolist() == [True, True, False, True]
    assert [*results["reasons"].iloc[2]] == ["energy_consumed", "duration"]
    assert results["reasons"].iloc[2]["energy_consumed"] == f"it {log_folder.PAUSE}"
    assert results["duration_logged"].iloc[2] == 5400
    table = records.table(records.from_row(row) for row in results.to_dict("records"))
    missing = {one.name: one for one in audit(table)}["Every run has an energy"]
    assert missing.what == f"No energy in 1 run of 4: it {log_folder.PAUSE} (1 run)."


def test_of_two_runs_the_longer_one_may_just_be_longer(tmp_path):
    results = one_tracker(tmp_path, [11, 5400])
    assert results["energy_consumed"].notna().all()
    assert results["doubts"].tolist() == [(), (f"it perhaps {log_folder.PAUSE}",)]


def test_a_run_that_its_columns_say_is_longer_spans_no_pause(tmp_path):
    epochs = {row: f",{count}" for row, count in enumerate((10, 10, 60, 60))}
    results = one_tracker(tmp_path, [600, 1190, 4790, 8400], further=epochs, columns=",epochs")
    assert results["duration"].tolist() == pytest.approx([600, 590, 3600, 3610])
    assert "reasons" not in results


def test_runs_of_unlike_length_with_trackers_of_their_own_span_no_pause(study):
    rows = [
        line(run_id=run, timestamp=f"2022-05-22T2{n}:10:00", duration=seconds, cpu_power=42)
        for n, (run, seconds) in enumerate({"a": 600, "b": 1500, "c": 590}.items())
    ]
    (study / "emissions_a.csv").write_text("\n".join([VERSION_2, *rows]))
    assert log_folder.read_folder(study).results["duration"].notna().all()


def test_a_machine_that_slept_spans_a_pause(study):
    """Eight hours asleep: RAPL counts nothing, the duration and the model of RAM go on."""
    rows = [
        line(
            run_id=run,
            timestamp=f"2022-05-2{n + 2}T10:10:00",
            duration=seconds,
            cpu_energy=0.007,
            energy_consumed=0.007 + 6 * seconds / 3.6e6,
            gpu_energy=0,
            gpu_power=0,
        )
        for n, (run, seconds) in enumerate({"a": 600, "b": 29_400, "c": 590}.items())
    ]
    (study / "emissions_a.csv").write_text("\n".join([VERSION_2, *rows]))
    results = log_folder.read_folder(study).results.sort_values("repetition")
    assert results["energy_consumed"].isna().tolist() == [False, True, False]


def test_rows_of_a_flush_that_are_of_no_run_are_a_doubt(study):
    """CodeCarbon's flush writes a row with the tracker's duration and energy so far."""
    log, sidecar = study / "emissions_a.csv", study / "accuracy.csv"
    head, *rows = sidecar.read_text().splitlines()
    sidecar.write_text("\n".join([head, rows[2]]))
    (run,) = log_folder.read_folder(study).results.to_dict("records")
    assert run["doubts"] == (log_folder.FLUSHED.format(1200, 0.04),)
    assert records.from_row(run).doubts == run["doubts"]
    sidecar.write_text("\n".join([head, rows[0], rows[2]]))
    found = log_folder.read_folder(study).results
    assert found["doubts"].tolist() == [(), (log_folder.FLUSHED.format(600, 0.02),)]
    sidecar.write_text("\n".join([head, *rows[:2]]))
    assert "doubts" not in log_folder.read_folder(study).results
    header, *_, last = log.read_text().splitlines()
    log.write_text(f"{header}\n{last}\n")
    sidecar.write_text(f"{head}\n{rows[0]}\n")
    (run,) = log_folder.read_folder(study).results.to_dict("records")
    assert (run["duration"], run["energy_consumed"]) == (1800, pytest.approx(0.06))
    assert "doubts" not in run


def test_jobs_of_an_array_are_told_apart_by_their_machines(study):
    rows = [line(run_id=run, duration=600 + n) for n, run in enumerate("abc")]
    (study / "emissions_a.csv").write_text("\n".join([VERSION_2, *rows]))
    found = log_folder.read_folder(study).results
    assert found["energy_consumed"].isna().all()
    said = {why["energy_consumed"] for why in found["reasons"]}
    assert said == {log_folder.ONE_JOB}
    assert "name them in a column machine" in log_folder.ONE_JOB
    named = (study / "accuracy.csv").read_text().splitlines()
    machines = zip(named, ("machine", "n1", "n2", "n3"), strict=True)
    (study / "accuracy.csv").write_text("\n".join(map(",".join, machines)))
    found = log_folder.read_folder(study).results
    assert found["energy_consumed"].notna().all()
    assert "reasons" not in found


HEADERS = (VERSION_2, VERSION_3)
JUNK = [
    line(),
    line(run_id="b"),
    line(VERSION_3),
    *HEADERS,
    "",
    "x",
    line()[:70],
    ",,,",
    '"',
]
logs = st.tuples(
    st.lists(st.sampled_from(JUNK), max_size=12), st.sets(st.integers(0, 12), max_size=6)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.lists(logs, min_size=4, max_size=4))
def test_no_row_of_any_file_vanishes_without_being_counted(tmp_path, found):
    """Four files at once, each by trackers of its own, which takes hardly longer than one."""
    named, expected = [], {}
    for number, (lines, rows) in enumerate(found):
        name = f"emissions_{number}.csv"
        lines = [line(run_id="z"), *lines]
        own = [text.replace(",codecarbon,", f",codecarbon,{number}") for text in lines]
        (tmp_path / name).write_text("\n".join([VERSION_2, *own]))
        named += [f"{name},{row},VGG16,CIFAR10,1,0.5" for row in sorted({0} | rows)]
        expected[name] = sum(bool(text.strip()) for text in lines if text not in HEADERS)
    (tmp_path / "accuracy.csv").write_text("\n".join([SIDECAR, *named]))
    read = log_folder.read_folder(tmp_path)
    counted = Counter(read.results["source_file"]) + Counter(lost.file for lost in read.skipped)
    assert counted == expected


def test_an_import_of_anyones_study_has_two_treatments(study):
    results = log_folder.read_folder(study).results
    as_published, corrected = treatments.treatments(results).values()
    assert as_published["energy_consumed"].tolist() == pytest.approx([0.02, 0.04, 0.06])
    assert corrected["energy_consumed"].tolist() == pytest.approx([0.02] * 3)
    pd.testing.assert_frame_equal(results, published.read_package(study).results)


def test_a_table_that_a_spreadsheet_wrote_with_semicolons(study):
    sidecar = study / "accuracy.csv"
    text = sidecar.read_text().replace(",", ";").replace("0.", "0,")
    expected = log_folder.read_folder(study).results["accuracy"].tolist()
    sidecar.write_text(text)
    assert log_folder.read_folder(study).results["accuracy"].tolist() == expected


def test_a_table_that_is_there_is_never_written_over(study):
    (study / "accuracy.csv").unlink()
    mine = study / log_folder.TEMPLATE
    mine.write_text("file|row|architecture\nemissions_a.csv|0|VGG16\n")
    with pytest.raises(LogError, match="has not the columns file, row, architecture"):
        log_folder.write_sidecar(study)
    assert "VGG16" in mine.read_text()
