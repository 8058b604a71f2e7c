import hashlib
import io
import json
import shutil
import socket
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from lib import records
from lib.execution import package, verify
from lib.report import build
from lib.study.errors import StudyError
from tests import reports, small_study
from tests.conftest import write_notebook


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study with a failed run and a report."""
    folder = tmp_path_factory.mktemp("studies") / "small"
    small_study.make(folder, repetitions=1, failed="it broke")
    records.write_results(records.merge(folder).results, folder)
    reports.built(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "figures").mkdir()
    (folder / "figures" / "secret.svg").write_text(f"<svg>{Path.home()}/data</svg>")
    (folder / "figures" / "where.svg").write_text(f"<svg>{folder.resolve()}</svg>")
    (folder / "figures" / "host.svg").write_text("<svg>at node-17 of a cluster</svg>")
    return folder


@pytest.fixture(scope="module")
def packed(study, tmp_path_factory):
    target = tmp_path_factory.mktemp("packages") / "small.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "node-17")
        return package.package(study, target), target


def said(path):
    console = Console(file=io.StringIO(), width=500)
    found = verify.verify(path, console)
    return found, console.file.getvalue()


def changed(source, target, name, change):
    """A package of which one file was changed, and its sum with it."""
    with zipfile.ZipFile(source) as archive:
        inside = {one: archive.read(one) for one in archive.namelist()}
    before = hashlib.sha256(inside[name]).hexdigest()
    inside[name] = change(inside[name].decode()).encode()
    sums = inside[package.CHECKSUMS].decode()
    after = hashlib.sha256(inside[name]).hexdigest()
    inside[package.CHECKSUMS] = sums.replace(before, after).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for one, content in inside.items():
            archive.writestr(one, content)
    return target


def test_what_is_no_result_or_private_stays_and_is_named(packed, study):
    (_, left_out), target = packed
    assert left_out["notes.txt"] == "is no result"
    assert left_out["figures/secret.svg"] == "names the home folder"
    assert left_out["figures/host.svg"] == "names this machine"
    with zipfile.ZipFile(target) as archive:
        assert "notes.txt: is no result" in archive.read(package.LEFT_OUT).decode()
        home = str(Path.home()).encode()
        of_study = [name for name in archive.namelist() if name.startswith("study/")]
        assert not [name for name in of_study if home + b"/" in archive.read(name)]
        outputs = str(study.parent.resolve()).encode()
        assert not [name for name in of_study if outputs + b"/" in archive.read(name)]


def test_the_crate_describes_every_file_and_every_run(packed, study):
    _, target = packed
    with zipfile.ZipFile(target) as archive:
        crate = json.loads(archive.read(package.METADATA))
        names = {*archive.namelist()} - {package.METADATA, package.CHECKSUMS}
    graph = {one["@id"]: one for one in crate["@graph"]}
    assert len(graph) == len(crate["@graph"])
    root = graph["./"]
    assert {part["@id"] for part in root["hasPart"]} == names
    actions = [graph[one["@id"]] for one in root["mentions"]]
    assert len(actions) == len(records.merge(study).records)
    assert all(action["instrument"]["@id"] in graph for action in actions)
    (failed,) = [one for one in actions if "Failed" in one["actionStatus"]["@id"]]
    assert failed["error"]
    references = [ref["@id"] for one in actions for ref in (*one["result"], *one["object"])]
    assert {*references} <= {*graph}


def test_a_package_verifies_and_changed_digits_are_named(packed, study, tmp_path, monkeypatch):
    _, target = packed
    monkeypatch.setattr(build, "build", reports.built)
    found, text = said(target)
    assert found, text
    assert "0 differences." in text
    with zipfile.ZipFile(target) as archive:
        (name, *_) = [one for one in archive.namelist() if one.endswith("run.json")]
        record = json.loads(archive.read(name))
    energy = json.dumps(record["energy_consumed"])
    other = energy[:-1] + str((int(energy[-1]) + 1) % 10)
    bad = changed(target, tmp_path / "bad.zip", name, lambda text: text.replace(energy, other, 1))
    table = "study/tables/protocol.csv"
    bad = changed(bad, bad, table, lambda text: text.replace("epochs,2", "epochs,3"))
    # A report like the first is made of it.
    tables = lambda folder: shutil.copytree(study / "tables", folder / "tables", dirs_exist_ok=True)  # noqa: E731
    monkeypatch.setattr(build, "build", tables)
    found, text = said(bad)
    assert not found
    assert "energy_consumed" in text
    assert record["run_id"] in text
    assert "tables/protocol.csv, Value of" in text
    assert ": 3, from the records 2" in text


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "no file"), (b"no zip", "is no zip file"), ("empty", "is no package")],
)
def test_what_is_no_package_is_refused(tmp_path, content, why):
    path = tmp_path / "some.zip"
    if content == "empty":
        zipfile.ZipFile(path, "w").close()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=why):
        said(path)


def test_a_package_that_names_files_outside_is_refused(tmp_path):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (package.CHECKSUMS, package.METADATA, "../outside"):
            archive.writestr(name, "x")
    with pytest.raises(StudyError, match="outside of itself"):
        said(path)
    assert not (tmp_path / "outside").exists()


def test_a_package_without_results_is_refused(packed, tmp_path):
    _, target = packed
    with zipfile.ZipFile(target) as archive, zipfile.ZipFile(tmp_path / "x.zip", "w") as less:
        for name in {*archive.namelist()} - {"study/results.csv"}:
            less.writestr(name, archive.read(name))
    with pytest.raises(StudyError, match="is no package"):
        said(tmp_path / "x.zip")


def test_an_unfinished_study_is_not_packed(tmp_path):
    with pytest.raises(StudyError, match="no study with a report"):
        package.package(tmp_path, tmp_path / "x.zip")


@pytest.fixture
def own_study(tmp_path, monkeypatch):
    """A study whose notebook and networks lie where the program is called: its folder."""
    monkeypatch.chdir(tmp_path)
    folder = small_study.make(tmp_path / "outputs" / "own", repetitions=1)
    for name in ("results.csv", "report.html"):
        (folder / name).write_text("")
    reports.put(folder, "VGG16-*", architecture="nets/mine.py:build")
    reports.put(folder, "VGG19-*", architecture="gone.py:build")
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "mine.py").write_text("def build(): ...")
    write_notebook(tmp_path, "1 + 1").rename(tmp_path / "own.ipynb")
    study = folder / "study.yaml"
    study.write_text(study.read_text() + "notebook: own.ipynb\n")
    return folder


def packed_parts(folder):
    count, left_out = package.package(folder, folder / "x.zip")
    with zipfile.ZipFile(folder / "x.zip") as archive:
        crate = json.loads(archive.read(package.METADATA))
        readme = archive.read("README.md").decode()
        assert len(archive.namelist()) == count
        names = {*archive.namelist()}
    graph = {one["@id"]: one for one in crate["@graph"]}
    (instrument,) = {one["instrument"]["@id"] for one in graph.values() if "instrument" in one}
    return names, left_out, graph[instrument], readme


def test_ones_own_code_is_in_the_package_and_named_as_what_made_the_runs(own_study):
    names, left_out, instrument, readme = packed_parts(own_study)
    assert {"program/own.ipynb", "program/nets/mine.py"} <= names
    assert left_out["gone.py"] == "is not in the folder where the program was called"
    assert instrument["@id"] == "program/own.ipynb"
    assert "SoftwareSourceCode" in instrument["@type"]
    assert "run_all.py ../study/study.yaml" in readme


def test_code_that_was_changed_since_is_not_called_what_made_the_runs(own_study):
    for path in own_study.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        record["versions"]["notebook"] = "0" * 16
        path.write_text(json.dumps(record))
    names, left_out, instrument, _ = packed_parts(own_study)
    assert left_out["own.ipynb"] == "was changed since"
    assert "program/own.ipynb" not in names
    assert instrument == {
        **{"@id": "#instrument", "@type": "SoftwareApplication", "name": "own.ipynb"}
    }


def test_of_what_was_imported_nothing_in_the_package_is_the_instrument(own_study):
    study = own_study / "study.yaml"
    study.write_text("title: s\nimported: {runs: 6}\n")
    _, _, instrument, readme = packed_parts(own_study)
    assert instrument["@type"] == "SoftwareApplication"
    assert "--outputs again" not in readme


def test_only_a_package_is_written_over(packed, study, tmp_path, monkeypatch):
    monkeypatch.setattr(package, "package", lambda folder, target: (1, {}))
    assert package.hand_over(study, None, packed[1], Console(file=io.StringIO()))
    (tmp_path / "mine.yaml").write_text("title: mine")
    zipfile.ZipFile(tmp_path / "images.zip", "w").close()
    for name, why in (
        ("mine.yaml", "is there, and is no package"),
        ("images.zip", "is there, and is no package"),
        (".", "is there, and is no package"),
        ("mine.yaml/x.zip", "mine.yaml is no folder"),
    ):
        with pytest.raises(StudyError, match=why):
            package.hand_over(study, None, tmp_path / name, Console(file=io.StringIO()))
    assert (tmp_path / "mine.yaml").read_text() == "title: mine"
