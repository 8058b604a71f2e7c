"""A study as one file that others can check: `--package FILE.zip`.

It is an RO-Crate (1.1) of the profile Process Run Crate (0.5): one action a run, failed ones too,
with the study, its report, the program, the versions of what was installed, and checksums.
"""

import hashlib
import importlib.metadata
import os
import re
import socket
import zipfile
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

import lib
from lib import program, records
from lib.analysis import results
from lib.execution import bundle
from lib.files import as_json, without_home, write_atomically
from lib.records import Record
from lib.report import exports
from lib.study import own_network
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.study.notebook import digest
from lib.study.study import Study, read_back
from lib.text import readable

STUDY = "study"
PROGRAM = "program"
CHECKSUMS = "checksums.sha256"
METADATA = "ro-crate-metadata.json"
LEFT_OUT = "left-out.txt"
NAMES = {CHECKSUMS, METADATA, f"{STUDY}/results.csv"}
"""Files that every package holds, by which it is told from other archives."""

_OF_RUNS = (
    *("run.json", "run.html", "emissions.csv", "power.csv", "history.csv", "wattmeter.csv"),
    "*.ipynb",
)
_OF_STUDY = (
    *("study.yaml", "plan.csv", "results.csv", "report.html", "analysis.ipynb"),
    *("tables/*", "figures/*", "exports/**/*", "calibration.yaml"),
)
_OF_PROGRAM = (
    *("run_all.py", "requirements.txt", "LICENSE", "CITATION.cff", "README.md"),
    *("notebooks/*.ipynb", "params/*.yaml", "params/published/*"),
)

_CONTEXT = "https://w3id.org/ro/crate/1.1/context"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_STATUS = "http://schema.org/{}ActionStatus"
_ZENODO = {
    "upload_type": "dataset",
    "description": "Replication package: records, notebooks, tables and report of a study of "
    "the energy that training neural networks takes.",
    "creators": [{"name": "Family name, Given name"}],
    "keywords": ["energy", "neural networks", "training", "replication package"],
    "access_right": "open",
}


def hand_over(study_dir: Path, export: str | None, target: Path | None, console: Console) -> bool:
    """Write a finished study in a format of others, pack it, or both, and say what was written.

    Exports come first, so that a package holds them.

    Raises:
        UserError: If there is no finished study.
    """
    if target is not None:
        _check(target)
    if export is not None:
        paths = exports.write(results.load(study_dir), export)
        console.print(f"{len(paths)} files of {export} in {study_dir / 'exports'}", soft_wrap=True)
    if target is not None:
        files, left_out = package(study_dir, target)
        size = target.stat().st_size / 1e6
        console.print(f"{target}: {files} files, {size:.1f} MB", soft_wrap=True)
        for name, why in left_out.items():
            console.print(f"Left out: {readable(name)}, which {why}", soft_wrap=True)
    return True


def _check(target: Path) -> None:
    """Refuse to write over what is no package, and into what is no folder.

    Raises:
        StudyError: If there is such a thing.
    """
    if os.path.lexists(target) and not _is_package(target):
        raise StudyError([f"{target} is there, and is no package; name another file"], "--package")
    above = next(folder for folder in target.absolute().parents if os.path.lexists(folder))
    if not above.is_dir():
        raise StudyError([f"{target} can't be written: {above} is no folder"], "--package")


def _is_package(path: Path) -> bool:
    """Whether a file is what `package` writes, by the names of what it holds."""
    if not path.is_file():
        return False
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return {*archive.namelist()} >= NAMES
    return False


def package(study_dir: Path, target: Path) -> tuple[int, dict[str, str]]:
    """Write the package of a study: how many files it holds, and why others were left out, by name.

    The same study gives the same file, but for its date.

    Raises:
        StudyError: If there is no complete study to be packed.
    """
    folder = StudyFolder(study_dir)
    if not folder.results.is_file() or not folder.report.is_file():
        raise StudyError([f"{study_dir} holds no study with a report; run it first"], "--package")
    inside, left_out = _of_study(folder)
    found, study = records.merge(study_dir).records, read_back(folder)
    ours = _program()
    own, not_there = _own_code(study, found, ours.keys())
    inside |= {f"{PROGRAM}/{name}": content for name, content in (ours | own).items()}
    left_out |= not_there
    named = (one for one in importlib.metadata.distributions() if one.metadata["Name"])
    versions = {f"{one.metadata['Name']}=={one.version}\n" for one in named}
    inside["installed.txt"] = "".join(sorted(versions, key=str.lower)).encode()
    inside["LICENSE"] = (program.ROOT / "LICENSE").read_bytes()
    title = study.title if study else folder.name
    date = max((record.ended_at or "" for record in found), default="")[:10]
    date = date or datetime.now(UTC).date().isoformat()
    inside["README.md"] = _readme(title, found, left_out, study).encode()
    inside["CITATION.cff"] = _citation(title, date).encode()
    inside[".zenodo.json"] = as_json({"title": title, **_ZENODO}).encode()
    inside[LEFT_OUT] = "".join(f"{name}: {why}\n" for name, why in left_out.items()).encode()
    inside[METADATA] = as_json(_crate(title, date, found, inside, study)).encode()
    sums = (f"{hashlib.sha256(inside[name]).hexdigest()}  {name}\n" for name in sorted(inside))
    inside[CHECKSUMS] = "".join(sums).encode()
    write_atomically(target, bundle.zipped(inside))
    return len(inside), left_out


def _of_study(folder: StudyFolder) -> tuple[dict[str, bytes], dict[str, str]]:
    """The files of a study by their names in the package, and those that stay behind."""
    wanted = {path for pattern in _OF_STUDY for path in folder.path.glob(pattern)}
    for run_id in folder.run_ids():
        wanted |= {path for name in _OF_RUNS for path in folder.run(run_id).glob(name)}
    inside, left_out = {}, {}
    outputs = str(folder.path.resolve().parent)  # which executed notebooks name
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path).as_posix()
        if path.is_dir():
            continue
        if path not in wanted or path.is_symlink():
            left_out[name] = "is no result" if not path.is_symlink() else "is a link"
            continue
        content = path.read_bytes().replace(f"{outputs}/".encode(), b"outputs/")
        if private := _private(content):
            left_out[name] = private
        else:
            inside[f"{STUDY}/{name}"] = content
    return inside, left_out


def _private(content: bytes) -> str | None:
    text = content.decode("utf-8", errors="replace")
    if without_home(text) != text:
        return "names the home folder"
    host = socket.gethostname()
    if len(host) > 3 and re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", text):
        return "names this machine"
    return None


def _program() -> dict[str, bytes]:
    found = program.files()
    for pattern in _OF_PROGRAM:
        for path in program.ROOT.glob(pattern):
            if path.is_file() and not path.is_symlink():
                found[path.relative_to(program.ROOT).as_posix()] = path.read_bytes()
    return found


def _own_code(
    study: Study | None, found: Sequence[Record], ours: Set[str]
) -> tuple[dict[str, bytes], dict[str, str]]:
    """What runs executed besides our program, as its own files: a notebook or script, and files of
    networks; and why others stay behind.
    """
    notebooks = {study.notebook} if study and not study.imported else set()
    own = (own_network.parse(str(record.config.get("architecture"))) for record in found)
    names = notebooks | {network.file for network in own if network}
    made_by = {record.versions.get("notebook") for record in found} - {None}
    inside, left_out = {}, {}
    for name in sorted(names - ours):
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            left_out[path.name] = "lies outside of the folder where the program was called"
        elif not path.is_file():
            left_out[name] = "is not in the folder where the program was called"
        elif private := _private(path.read_bytes()):
            left_out[name] = private
        elif name in notebooks and made_by and digest(path) not in made_by:
            left_out[name] = "was changed since"
        else:
            inside[name] = path.read_bytes()
    return inside, left_out


def _again(study: Study | None) -> str:
    if study and study.imported:
        return (
            "The measurements were read from the logs of others: nothing in here makes them again."
        )
    if study and study.notebook.endswith(".py"):
        return f"Execute `{study.notebook}` in `{PROGRAM}/`, which made the runs."
    return f"    python run_all.py ../{STUDY}/study.yaml --outputs again"


def _readme(
    title: str, found: Sequence[Record], left_out: Mapping[str, str], study: Study | None
) -> str:
    done = sum(record.status == "completed" for record in found)
    return f"""# {title}

A replication package of {done} completed and {len(found) - done} failed runs, made by
training-energy-study {lib.__version__} (program {program.digest()}).

- `{STUDY}/report.html`: the report; open it in a browser.
- `{STUDY}/study.yaml`, `plan.csv`: what was run, in which order.
- `{STUDY}/runs/`: a folder a run, with its record (`run.json`) and executed notebook.
- `{STUDY}/results.csv`: one row a run. `{STUDY}/tables/`: every table of the report.
- `{PROGRAM}/`: the program. `installed.txt`: everything that was installed, with its version.
- `{METADATA}`: an RO-Crate of the profile Process Run Crate.

## Check it first

    cd {PROGRAM} && pip install -r requirements.txt
    python run_all.py --verify PATH/TO/THIS.zip

This checks the sums, makes results and tables anew from the records, and compares every number.

## Make each table anew

    python run_all.py --report ../{STUDY}     # results.csv, tables/, report.html from runs/

## Measure again

{_again(study)}

## What is not in it

{len(left_out)} files, listed with the reason in `{LEFT_OUT}`. Data sets and weights are not in it;
each record has the fingerprint of its data.

## Licence

That of the program is in `LICENSE`. Choose one for the results before you publish them.
"""


def _citation(title: str, date: str) -> str:
    program_cff = yaml.safe_load((program.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    kept = {key: program_cff[key] for key in ("title", "version", "authors") if key in program_cff}
    said = {
        "cff-version": "1.2.0",
        "message": "Please cite this data set, and the program that made it.",
        "title": title,
        "type": "dataset",
        "date-released": date,
        "authors": [{"name": "The authors of this study"}],
        "references": [{"type": "software", **kept}],
    }
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)


def _crate(
    title: str,
    date: str,
    found: Sequence[Record],
    inside: Mapping[str, bytes],
    study: Study | None,
) -> dict[str, Any]:
    instrument = _instrument(study, inside)
    files = {name: _entity(name, "File", name=name) for name in sorted(inside)}
    actions = [_action(record, instrument["@id"], inside) for record in found]
    whole = {
        "name": title,
        "description": f"{len(found)} trainings, each with its energy, and their analysis.",
        "datePublished": date,
        "license": {"@id": "LICENSE"},
        "conformsTo": {"@id": _PROFILE},
        "hasPart": [{"@id": name} for name in files],
        "mentions": [{"@id": action["@id"]} for action in actions],
    }
    itself = {"about": {"@id": "./"}, "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}}
    graph = [
        _entity(METADATA, "CreativeWork", **itself),
        _entity("./", "Dataset", **whole),
        _entity(_PROFILE, "CreativeWork", name="Process Run Crate", version="0.5"),
    ]
    entities = files | {instrument["@id"]: instrument}
    return {"@context": _CONTEXT, "@graph": [*graph, *entities.values(), *actions]}


def _instrument(study: Study | None, inside: Mapping[str, bytes]) -> dict[str, Any]:
    """What made the runs: a file of the package, or what is only named."""
    if study and study.imported:
        name = "what made the imported measurements"
        return _entity("#instrument", "SoftwareApplication", name=name)
    notebook = Path(study.notebook if study else Study.model_fields["notebook"].default)
    name = f"{PROGRAM}/{notebook.as_posix()}"
    if name in inside:
        return _entity(name, ["File", "SoftwareSourceCode"], name=name)
    return _entity("#instrument", "SoftwareApplication", name=notebook.name)


def _action(record: Record, instrument: str, inside: Mapping[str, bytes]) -> dict[str, Any]:
    prefix = f"{STUDY}/runs/{record.run_id}/"
    failed = record.status == "failed"
    said = {
        "name": record.run_id,
        "instrument": {"@id": instrument},
        "object": [{"@id": f"{STUDY}/study.yaml"}],
        "result": [{"@id": name} for name in sorted(inside) if name.startswith(prefix)],
        "actionStatus": {"@id": _STATUS.format("Failed" if failed else "Completed")},
    }
    found = {"startTime": record.started_at, "endTime": record.ended_at, "error": record.error}
    said |= {name: value for name, value in found.items() if value}
    return _entity(f"#run-{record.run_id}", "CreateAction", **said)


def _entity(name: str, kind: Any, /, **said: Any) -> dict[str, Any]:
    return {"@id": name, "@type": kind, **said}
