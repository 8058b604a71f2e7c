import io
import os
import subprocess
import zipfile

import pytest

from lib import program
from lib.execution import bundle
from lib.instruments import machine
from lib.study.config import RunConfig
from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "train.ipynb"


def unpacked(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_program_is_the_same_bytes():
    first = bundle.pack_program([RunConfig()])
    assert bundle.pack_program([RunConfig()]) == first
    files = unpacked(first)
    assert files["notebooks/train.ipynb"] == NOTEBOOK.read_bytes()
    assert files["lib/program.py"] == (ROOT / "lib" / "program.py").read_bytes()
    assert "lib/report/templates/report/style.css" in files
    assert files[machine.COMMIT_FILE].decode() == machine.commit()


@pytest.mark.parametrize("is_checkout", [True, False])
def test_what_lies_in_the_package_by_chance_stays_at_home(tmp_path, monkeypatch, is_checkout):
    monkeypatch.setattr(program, "ROOT", tmp_path)
    (tmp_path / "lib" / "__pycache__").mkdir(parents=True)
    (tmp_path / "lib" / "good.py").write_text("1")
    (tmp_path / "secret.txt").write_text("password")
    if is_checkout:
        for command in (["init", "-q"], ["add", "lib/good.py"]):
            subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    (tmp_path / "lib" / "meter.yaml").write_text("password: x")
    (tmp_path / "lib" / "__pycache__" / "good.pyc").write_text("1")
    (tmp_path / "lib" / "link.py").symlink_to(tmp_path / "secret.txt")
    assert program.files() == {"lib/good.py": b"1"}


def packed(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_run_comes_back_as_it_was(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    (run / "power.csv").write_bytes(bytes(range(256)))
    bundle.unpack(bundle.pack_run(run), tmp_path / "back")
    assert (tmp_path / "back" / "run.json").read_text() == "{}"
    assert (tmp_path / "back" / "power.csv").read_bytes() == bytes(range(256))


def test_only_what_a_run_leaves_is_unpacked(tmp_path):
    content = packed(**{"run.json": "{}", "../out.txt": "x", "/etc/x": "x", "plotly.py": "x"})
    bundle.unpack(content, tmp_path / "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["run.json"]
    assert not (tmp_path / "out.txt").exists()


# A name of its own each: an archive holds the time, and both processes of the suite make one.
@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"no archive", packed(**{"run.json": "x"})[:-9]],
    ids=["empty", "two letters", "a text", "cut off"],
)
def test_what_is_no_archive_is_refused(tmp_path, content):
    with pytest.raises(bundle.RefusedError, match="no archive"):
        bundle.unpack(content, tmp_path / "back")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "LARGEST", 1000)
    with pytest.raises(bundle.RefusedError, match="larger than"):
        bundle.unpack(packed(**{"run.json": bytes(10**7)}), tmp_path / "back")
    assert not (tmp_path / "back" / "run.json").exists()


def test_links_pipes_and_strangers_are_not_copied(tmp_path):
    private = tmp_path / "private.txt"
    private.write_text("secret")
    downloads = tmp_path / "downloads"
    source = downloads / "run"
    source.mkdir(parents=True)
    (source / "run.json").write_text("{}")
    (source / "history.csv").symlink_to(private)
    os.mkfifo(source / "power.csv")
    (source / "notes.txt").write_text("x")
    bundle.copy_run(source, tmp_path / "copy", downloads)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["run.json"]


def test_a_folder_behind_a_link_is_outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "run").symlink_to(outside)
    assert not bundle.is_plain(downloads / "run" / "run.json", downloads)
    assert bundle.is_plain(outside / "run.json", outside)
