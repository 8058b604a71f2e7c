import io
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
