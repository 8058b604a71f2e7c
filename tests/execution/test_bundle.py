from lib.execution import bundle
from lib.instruments import machine
from lib.study.config import RunConfig
from tests.conftest import ROOT


def test_the_same_program_is_the_same_bytes(tmp_path):
    notebook = ROOT / "notebooks" / "train.ipynb"
    first = bundle.program([RunConfig()])
    assert bundle.program([RunConfig(epochs=9)]) == first
    bundle.unpack(first, tmp_path)
    assert (tmp_path / "notebooks" / "train.ipynb").read_bytes() == notebook.read_bytes()
    ours = {p.relative_to(ROOT) for p in (ROOT / "lib").rglob("*.py")}
    assert {p.relative_to(tmp_path) for p in (tmp_path / "lib").rglob("*.py")} == ours
    assert (tmp_path / machine.COMMIT_FILE).read_text() == machine.commit()


def test_a_folder_comes_back_as_it_was(tmp_path):
    (tmp_path / "run" / "inner").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / "inner" / "raw").write_bytes(bytes(range(256)))
    bundle.unpack(bundle.folder(tmp_path / "run"), tmp_path / "back")
    assert (tmp_path / "back" / "run.json").read_text() == "{}"
    assert (tmp_path / "back" / "inner" / "raw").read_bytes() == bytes(range(256))
