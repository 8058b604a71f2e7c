import errno
import os
import re
import subprocess
import sys
import tomllib

import psutil
import pytest

from lib import __version__, cli, records
from lib.execution import so_far, terminal
from lib.execution.lock import BusyError
from lib.report import build as report
from lib.report import export
from tests.conftest import RECORD, ROOT

STUDY = """
title: a study
factors: {epochs: [1, 2]}
repetitions: 2
"""


@pytest.fixture
def study(tmp_path, monkeypatch, no_kernel):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lib.report.build.build", lambda study_dir: study_dir / "report.html")
    path = tmp_path / "mine.yaml"
    path.write_text(STUDY)
    return path


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_the_version_is_that_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


HELP_AND_DRY_RUN = """
import contextlib, sys
from lib.cli import main

def loaded(*names):
    return {*names} & {*sys.modules}

with contextlib.suppress(SystemExit):
    main(["--help"])
assert not loaded("tensorflow", "keras", "pandas")
import lib.report.figures
main(["--dry-run"])
assert not loaded("tensorflow", "keras", "scipy.stats")
"""


def test_what_takes_seconds_to_load_is_loaded_where_it_is_needed():
    """A plan needs no TensorFlow; most commands and trainings have no statistics to compute yet."""
    command = [sys.executable, "-c", HELP_AND_DRY_RUN]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ESTALE, errno.EIO])
def test_what_the_system_refuses_is_one_sentence(study, monkeypatch, capsys, number):
    def fails(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", fails)
    assert cli.main([str(study)]) == cli.SOME_FAILED
    said = capsys.readouterr().err
    assert f"results can't be read or written: {os.strerror(number)}; complete runs" in said


def test_the_dry_run_prints_the_plan_and_writes_nothing(study, tmp_path, capsys):
    before = files(tmp_path)
    assert cli.main([str(study), "--dry-run"]) == cli.COMPLETE
    printed = capsys.readouterr().out
    assert len(re.findall(r"VGG16-digits-r[12]-\w{8}", printed)) == 4
    assert "weights: none" in printed
    assert files(tmp_path) == before


def test_runs_resumes_and_grows(study, tmp_path, notebook, capsys):
    notebook(RECORD)
    assert cli.main([str(study), "--only", "repetition=1"]) == cli.COMPLETE
    assert "Report: outputs/mine/report.html" in capsys.readouterr().out
    first = {p: p.stat().st_mtime_ns for p in (tmp_path / "outputs").rglob("run.json")}
    assert len(first) == 2
    assert cli.main([str(study)]) == cli.COMPLETE
    second = {p: p.stat().st_mtime_ns for p in (tmp_path / "outputs").rglob("run.json")}
    assert len(second) == 4
    assert {path: second[path] for path in first} == first
    assert len(records.read_results(tmp_path / "outputs" / "mine")) == 4


def test_failures_make_status_one_and_are_run_again_only_on_request(study, tmp_path, notebook):
    notebook("raise ValueError('once')")
    assert cli.main([str(study), "--only", "epochs=1"]) == cli.SOME_FAILED
    notebook(RECORD)
    assert cli.main([str(study), "--only", "epochs=1"]) == cli.SOME_FAILED
    assert cli.main([str(study), "--only", "epochs=1", "--retry-failed"]) == cli.COMPLETE
    kept = list((tmp_path / "outputs" / "mine" / "aside").glob("*.aside-1"))
    assert len(kept) == 2, "what the failed runs left is still there"


def test_results_are_there_after_every_run_and_the_summary_names_the_last_error(
    study, tmp_path, notebook, monkeypatch, capsys
):
    monkeypatch.setattr(so_far.Results, "SECONDS", 60)  # however busy this machine is
    notebook("if epochs == 2: raise ValueError('no such thing')", RECORD)
    rows = []
    end = terminal.PlainWatcher.end

    def count(self, record, seconds, left):
        end(self, record, seconds, left)
        rows.append(len(records.read_results(tmp_path / "outputs" / "mine")))

    monkeypatch.setattr(terminal.PlainWatcher, "end", count)
    assert cli.main([str(study), "--only", "repetition=1"]) == cli.SOME_FAILED
    assert rows == [0, 1]
    said = capsys.readouterr().out
    assert re.search(
        r"1 of 2 runs complete, 1.00 Wh measured, 1 failed, the last one is VGG16-digits-r1-\w{8}: "
        "ValueError: no such thing",
        said,
    )
    assert "2 runs: 2 to run" in said


def test_the_report_is_refreshed_between_runs_and_may_fail_then(
    study, tmp_path, notebook, monkeypatch, capsys
):
    monkeypatch.setattr(so_far.Results, "SECONDS", 60)  # however busy this machine is
    monkeypatch.setattr(so_far.LiveReport, "EXPECTED", 0.0)
    notebook(RECORD)
    rows, children = [], psutil.Process().children(recursive=True)

    def build(study_dir):
        rows.append(len(records.read_results(study_dir)))
        assert not list(study_dir.glob("unfinished/runs/*")), "while a run is under way"
        assert psutil.Process().children(recursive=True) == children
        if len(rows) == 1:
            raise report.ReportError("no good")
        return study_dir / "report.html"

    monkeypatch.setattr(report, "build", build)
    assert cli.main([str(study), "--only", "repetition=1"]) == cli.COMPLETE
    assert rows == [1, 2]
    said = capsys.readouterr().out
    assert "No report so far: no good (0 s)" in said
    assert said.count("Report: outputs/mine/report.html") == 1


def test_figures_that_cannot_be_drawn_are_known_before_anything_is_run(
    study, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("BROWSER_PATH", "/nowhere")
    before = files(tmp_path)
    assert cli.main([str(study), "--figures"]) == cli.BAD_INPUT
    assert "--figures: BROWSER_PATH names '/nowhere'" in capsys.readouterr().err
    assert files(tmp_path) == before


def test_figures_of_a_finished_study_are_written_without_training(
    study, tmp_path, notebook, monkeypatch, capsys
):
    notebook(RECORD)
    one = [str(study), "--only", "epochs=1", "repetition=1"]
    assert cli.main(one) == cli.COMPLETE
    notebook("raise ValueError('not again')")
    monkeypatch.setattr(export, "check", lambda: None)

    def write(study_dir):
        (study_dir / "figures").mkdir()
        return [study_dir / "figures" / "plane-figure.svg"]

    monkeypatch.setattr(export, "write", write)
    assert cli.main([*one, "--figures"]) == cli.COMPLETE
    assert "Figures: 1 files in outputs/mine/figures" in capsys.readouterr().out
    assert cli.main(one) == cli.COMPLETE
    assert "figures is of an earlier report; --figures draws it anew" in capsys.readouterr().out


def test_a_record_of_another_measurement_is_set_aside_and_run_again(
    study, tmp_path, notebook, monkeypatch, capsys
):
    notebook(RECORD)
    one = ["--only", "epochs=1", "repetition=1"]
    assert cli.main([str(study), *one]) == cli.COMPLETE
    (path,) = (tmp_path / "outputs").rglob("run.json")
    record = records.read(path)
    record.model_copy(update={"measurement_version": 99}).write(path.parent)
    capsys.readouterr()
    assert cli.main([str(study), *one]) == cli.COMPLETE
    said = " ".join(capsys.readouterr().out.split())
    assert "aside-1: " in said
    assert "was measured by version 99 of the measurement, this is" in said
    (kept,) = (tmp_path / "outputs" / "mine" / "aside").rglob("run.json")
    assert records.read(kept).measurement_version == 99
    assert records.read(path) == record


def test_fresh_sets_earlier_results_aside(study, tmp_path, notebook):
    notebook(RECORD)
    cli.main([str(study), "--only", "epochs=1", "repetition=1"])
    assert cli.main([str(study), "--only", "epochs=2", "repetition=1", "--fresh"]) == cli.COMPLETE
    assert len(records.read_results(tmp_path / "outputs" / "mine")) == 1
    assert len(list((tmp_path / "outputs" / "mine.aside-1" / "runs").iterdir())) == 1


def test_results_of_another_configuration_are_left_out_and_named(study, notebook, capsys):
    notebook(RECORD)
    text = study.read_text()
    study.write_text(text.replace("epochs: [1, 2]", "epochs: [7]"))
    assert cli.main([str(study), "--only", "repetition=1"]) == cli.COMPLETE
    study.write_text(text)
    capsys.readouterr()
    cli.main([str(study), "--only", "epochs=1", "repetition=1"])
    assert re.search(
        r"Left out, of another configuration: VGG16-digits-r1", capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.yaml"], ["absent.yaml", "no such file"]),
        (["mine.yaml", "--set", "epochs=-1"], ["epochs", "-1"]),
        (["mine.yaml", "--set", "epochs"], ["FIELD=VALUE"]),
        (["mine.yaml", "--set", "epoch=1"], ["epoch", "epochs"]),
        (["mine.yaml", "--set", "architecture=VGG17"], ["VGG17", "ResNet50"]),
        (["mine.yaml", "--only", "epochs=9"], ["epochs=9", "there are 1, 2"]),
        (["mine.yaml", "--only", "colour=red"], ["colour"]),
        (["mine.yaml", "--set", "data_dir=nowhere"], ["data_dir", "nowhere"]),
        (["--import", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_input_is_one_message_status_two_and_nothing_written(
    study, tmp_path, capsys, arguments, words
):
    before = files(tmp_path)
    assert cli.main(arguments) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert files(tmp_path) == before


@pytest.mark.parametrize("option", ["--outputs", "--like", "--report", "--import", "--verify"])
def test_a_name_that_no_file_can_have_is_bad_input(study, capsys, option):
    for name in ("n" * 300, "a\0b"):
        assert cli.main([option, name]) == cli.BAD_INPUT
        assert f"{option}: '{name[:1]}" in capsys.readouterr().err


def test_an_unknown_option_is_bad_input_too():
    with pytest.raises(SystemExit) as caught:
        cli.main(["--colour"])
    assert caught.value.code == cli.BAD_INPUT


def test_a_second_measurement_is_refused(study, tmp_path, capsys):
    from lib.execution import lock

    with lock.alone_on_this_machine("study one"):
        # The lock is held per open file, so a second handle in this process is refused as well.
        assert cli.main([str(study)]) == BusyError.exit_status
    assert f"process {os.getpid()} (study one)" in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


def test_an_interrupted_study_goes_on(study, tmp_path, notebook, monkeypatch, capsys):
    notebook(RECORD)
    run, calls = cli.main, []

    def interrupt(*_):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lib.execution.terminal.PlainWatcher.begin", interrupt)
        assert run([str(study)]) == cli.INTERRUPTED
    assert "resumes where it stopped" in capsys.readouterr().err
    assert len(list((tmp_path / "outputs").rglob("run.json"))) == 1
    assert run([str(study)]) == cli.COMPLETE
    assert len(list((tmp_path / "outputs").rglob("run.json"))) == 4


def test_an_earlier_study_to_plan_by_is_of_the_dry_run(study, tmp_path, capsys):
    assert cli.main([str(study), "--like", str(tmp_path)]) == cli.BAD_INPUT
    assert "--like belongs to --dry-run; leave it out" in capsys.readouterr().err
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("option", ["--import", "--wattmeter"])
@pytest.mark.parametrize(
    "other", [["--dry-run"], ["--set", "epochs=1"], ["--only", "epochs=1"], ["--fresh"]]
)
def test_what_trains_nothing_takes_no_option_of_training(tmp_path, capsys, option, other):
    outputs = tmp_path / "out"
    arguments = [*other, option, str(tmp_path), "--outputs", str(outputs)]
    assert cli.main(arguments) == cli.BAD_INPUT
    assert f"{option} trains nothing; leave out {other[0]}" in capsys.readouterr().err
    assert not outputs.exists()


def test_an_import_is_of_no_study(tmp_path, capsys):
    arguments = ["params/quick.yaml", "--import", str(tmp_path), "--wattmeter", "log.csv"]
    assert cli.main(arguments) == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert "leave out a study file" in said
    assert "leave out --wattmeter" in said


def test_a_folder_is_packed_wherever_it_lies(tmp_path, capsys):
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    assert cli.main([str(elsewhere), "--package", str(tmp_path / "x.zip")]) == cli.BAD_INPUT
    assert f"{elsewhere} holds no study with a report" in capsys.readouterr().err


def test_paths_that_can_not_be_are_said(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert cli.main(["--dry-run", "--outputs", str(tmp_path / "file")]) == cli.BAD_INPUT
    assert "is a file, not a folder" in capsys.readouterr().err
    assert cli.main(["--dry-run", "--outputs", "~nobody-of-this-name/x"]) == cli.BAD_INPUT
    assert "--outputs: ~nobody-of-this-name/x: there is no user" in capsys.readouterr().err
    assert cli.main(["--dry-run", "--set", "data_dir=~nobody-of-this-name/x"]) == cli.BAD_INPUT
    assert "data_dir: '~nobody-of-this-name/x': there is no user" in capsys.readouterr().err
