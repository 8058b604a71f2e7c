"""Checking a package on another machine, offline: `--verify FILE.zip`.

Sums are compared, then results and tables are made anew from the records, and every number with
what the package says.
"""

import math
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd
from rich.console import Console

from lib import records
from lib.execution.package import CHECKSUMS, NAMES, STUDY
from lib.files import from_csv, sha256
from lib.report import build
from lib.study import plan
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder
from lib.text import first, readable

LARGEST = 4 * 1024**3  # bytes that a package may unpack to
TOLERANCE = 1e-9  # relative: what another processor's last digits may differ by

MOST_NAMED = 20


def verify(path: Path, console: Console) -> bool:
    """Check a package, and say what differs; whether nothing does.

    Raises:
        StudyError: If the file is no package.
    """
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        _unpack(path, root)
        checks = {
            "Checksums": _sums(root),
            "Results from the records": _results(StudyFolder(root / STUDY)),
            "Tables from the records": _tables(StudyFolder(root / STUDY)),
        }
        total = 0
        for name, check in checks.items():
            found = list(check)
            total += len(found)
            said = readable(first(found, "; ", MOST_NAMED)) if found else "no difference."
            console.print(f"{name}: {said}", soft_wrap=True)
    console.print(f"{total} differences." if total != 1 else "1 difference.")
    return total == 0


def _unpack(path: Path, root: Path) -> None:
    if not path.is_file():
        raise StudyError([f"no file '{path}'"], "--verify")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            names = [PurePosixPath(one.filename) for one in members]
            if any(name.is_absolute() or ".." in name.parts for name in names):
                raise StudyError([f"{path.name} names files outside of itself"], "--verify")
            if not {*map(str, names)} >= NAMES:
                raise StudyError([f"{path.name} is no package of --package"], "--verify")
            if sum(one.file_size for one in members) > LARGEST:
                raise StudyError([f"{path.name} unpacks to more than 4 GB"], "--verify")
            archive.extractall(root)
    except zipfile.BadZipFile:
        raise StudyError([f"{path.name} is no zip file, or damaged"], "--verify") from None


def _sums(root: Path) -> Iterator[str]:
    lines = (root / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = (path for path in root.rglob("*") if path.is_file())
    there = {path.relative_to(root).as_posix() for path in files} - {CHECKSUMS}
    yield from (f"{name} is missing" for name in sorted(listed.keys() - there))
    yield from (f"{name} is in no list" for name in sorted(there - listed.keys()))
    for name in sorted(there & listed.keys()):
        if sha256(root / name) != listed[name]:
            yield f"{name} was changed"


def _results(folder: StudyFolder) -> Iterator[str]:
    said = from_csv(folder.results)
    merged = records.merge(folder.path, plan.read(folder.path) or None)
    yield from merged.damaged
    with tempfile.TemporaryDirectory() as place:
        records.write_results(merged.results, Path(place))
        anew = from_csv(StudyFolder(Path(place)).results)
    yield from _differences("results.csv", said, anew, "run_id")


def _tables(folder: StudyFolder) -> Iterator[str]:
    said = {path.name: from_csv(path) for path in sorted(folder.tables.glob("*.csv"))}
    for path in folder.tables.glob("*"):
        path.unlink()
    build.build(folder.path)
    anew = {path.name: from_csv(path) for path in sorted(folder.tables.glob("*.csv"))}
    yield from (f"tables/{name} is not made" for name in said.keys() - anew.keys())
    yield from (f"tables/{name} is new" for name in anew.keys() - said.keys())
    for name in sorted(said.keys() & anew.keys()):
        yield from _differences(f"tables/{name}", said[name], anew[name])


def _differences(
    name: str, said: pd.DataFrame, anew: pd.DataFrame, key: str | None = None
) -> Iterator[str]:
    if [*said] != [*anew]:
        other = set(said) ^ set(anew)
        yield f"{name}: other columns ({first(sorted(map(str, other)))})"
        return
    if key is not None:
        said, anew = (frame.set_index(key, drop=False).sort_index() for frame in (said, anew))
    if [*said.index] != [*anew.index]:
        yield f"{name}: {len(said)} rows, {len(anew)} from the records"
        return
    for column in said:
        for row, one, other in zip(said.index, said[column], anew[column], strict=True):
            if not _same(one, other):
                yield f"{name}, {column} of {row}: {one}, from the records {other}"


def _same(one: object, other: object) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        both_missing = math.isnan(one) and math.isnan(other)
        return both_missing or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=0)
    return bool(pd.isna(one) and pd.isna(other)) or str(one) == str(other)
