import pytest

from lib.records.progress import FILE_NAME, Progress, ProgressFile, read_progress


def test_what_is_written_is_read(tmp_path):
    said = Progress("training", epoch=2, epochs=5, fraction=0.3, accuracy=0.5, watts=41.0)
    ProgressFile(tmp_path).write(said)
    assert read_progress(tmp_path) == said
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_it_is_written_once_a_second_unless_it_can_not_wait(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("lib.records.progress.time.monotonic", lambda: now[0])
    file = ProgressFile(tmp_path)
    file.write(Progress("checks"))
    now[0] += 0.5
    file.write(Progress("idle"))
    assert read_progress(tmp_path).phase == "checks"
    file.write(Progress("training"), now=True)
    assert read_progress(tmp_path).phase == "training"
    now[0] += 1.0
    file.write(Progress("cooldown"))
    assert read_progress(tmp_path).phase == "cooldown"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"phase": "idle", "colour": "red"}'])
def test_what_is_no_progress_is_none(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text)
    assert read_progress(tmp_path) is None


def test_a_run_that_is_over_says_nothing(tmp_path):
    file = ProgressFile(tmp_path)
    assert read_progress(tmp_path) is None
    file.write(Progress("saving"))
    file.remove()
    file.remove()
    assert read_progress(tmp_path) is None
