import csv
import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.files import as_csv, from_csv, remove_unfinished, without_home, write_atomically


def test_writes_and_overwrites(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomically(path, "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_write_left_is_removed(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, "text")
    (tmp_path / ".file.txt.x1.tmp").write_text("te")
    remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_what_the_umask_allows(tmp_path):
    path = tmp_path / "file.txt"
    before = os.umask(0o022)
    try:
        write_atomically(path, "text")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.fixture(autouse=True)
def home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ana")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/home/ana", "~"),
        ("/home/ana/data", "~/data"),
        ("no file '/home/ana/data'; see /home/ana.", "no file '~/data'; see ~."),
        ("file:///home/ana/x", "file://~/x"),
        ("/home/anabel/data", "/home/anabel/data"),
        ("/home/ana-2/data", "/home/ana-2/data"),
        ("/home/ana.old", "/home/ana.old"),
        ("/mnt/home/ana/data", "/mnt/home/ana/data"),
    ],
)
def test_only_the_home_folder_is_taken_out(text, said):
    assert without_home(text) == said


def test_lines_within_json_begin_paths():
    said = json.loads(without_home(json.dumps(["in\n/home/ana/x", "a\t/home/ana"])))
    assert said == ["in\n~/x", "a\t~"]


def test_a_home_behind_a_link_is_known_by_both_names(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    assert without_home(f"{tmp_path}/real/x {tmp_path}/link/x") == "~/x ~/x"


def test_a_root_that_is_home_is_no_name(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert without_home("/srv/data") == "/srv/data"


@pytest.mark.parametrize("text", ["-0.0605", "+3", "1e-3", "-1.5E+2", "'-1", "=1+1", "-1+1", "@a"])
def test_numbers_as_text_are_no_formulas(tmp_path, text):
    """What a paper printed is held as text, to its last digit."""
    path = tmp_path / "table.csv"
    path.write_text(as_csv(pd.DataFrame({"printed": [text, "word"]})))
    (line, _) = path.read_text().splitlines()[1:]
    assert line == (text if text[0] in "+-1" and "+1" not in text else f"'{text}")
    assert list(from_csv(path)["printed"]) == [text, "word"]


def test_a_user_without_a_home_has_nothing_to_hide(monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    assert without_home("/srv/data") == "/srv/data"


@given(st.lists(st.text(alphabet="=+-@'\t\r\n,\"ab1", min_size=1), min_size=1, max_size=5))
def test_no_cell_is_a_formula_and_none_is_changed_by_that(texts):
    frame = pd.DataFrame({"text": texts, "number": range(len(texts))}).astype({"text": object})
    cells = list(csv.reader(io.StringIO(as_csv(frame))))[1:]
    for (shown, _), text in zip(cells, texts, strict=True):
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        assert shown in (lines, f"'{lines}")
        assert not shown.startswith(("=", "@", "\t")), "what a spreadsheet computes"


def test_a_table_is_read_as_it_was_written(tmp_path):
    frame = pd.DataFrame({"=a": ["=1+1", "'=x", "@b", "plain", None], "b": [-1.5, 2, 3, 4, 5]})
    path = tmp_path / "table.csv"
    path.write_text(as_csv(frame))
    assert from_csv(path).equals(frame)


@pytest.mark.parametrize("word", ["None", "NA", "N/A", "null", "nan", "NaN", "<NA>"])
def test_a_word_for_nothing_is_a_level_as_any(tmp_path, word):
    levels = {"level": [word, "int8", None], "same": [word] * 3}
    others = {"kwh": [0.01, None, 2], "fits": [True, False, True], "known": [True, None, False]}
    frame = pd.DataFrame(levels | others)
    path = tmp_path / "table.csv"
    path.write_text(as_csv(frame))
    assert from_csv(path).equals(frame)
