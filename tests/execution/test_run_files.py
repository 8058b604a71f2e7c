import io
import os
import zipfile

import pytest

from lib.execution import bundle, run_files


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
    run_files.unpack(bundle.pack_run(run), tmp_path / "back")
    assert (tmp_path / "back" / "run.json").read_text() == "{}"
    assert (tmp_path / "back" / "power.csv").read_bytes() == bytes(range(256))


def test_only_what_a_run_leaves_is_unpacked(tmp_path):
    content = packed(**{"run.json": "{}", "../out.txt": "x", "/etc/x": "x", "plotly.py": "x"})
    run_files.unpack(content, tmp_path / "back")
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["run.json"]
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", packed(**{"run.json": "x"})[:-9]])
def test_what_is_no_archive_is_refused(tmp_path, content):
    with pytest.raises(run_files.RefusedError, match="no archive"):
        run_files.unpack(content, tmp_path / "back")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(run_files, "LARGEST", 1000)
    with pytest.raises(run_files.RefusedError, match="larger than"):
        run_files.unpack(packed(**{"run.json": bytes(10**7)}), tmp_path / "back")
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
    run_files.copy_run(source, tmp_path / "copy", downloads)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["run.json"]


def test_a_folder_behind_a_link_is_outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "run").symlink_to(outside)
    assert not run_files.is_plain(downloads / "run" / "run.json", downloads)
    assert run_files.is_plain(outside / "run.json", outside)
