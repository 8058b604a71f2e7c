"""Files that are either whole or not there, and that don't name a person: they are handed round."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = tuple("=+-@\t\r")  # with what text begins that a spreadsheet computes

_MISSING = ("", *("NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "null", "NULL"))
"""What stands for no value in tables of others. Python's None may be a level, as of a quantisation:
MLflow writes it as text, which pandas would take for no value."""

CSV_OF_OTHERS: dict[str, Any] = {
    "encoding": "utf-8-sig",
    "skipinitialspace": True,
    "keep_default_na": False,
    "na_values": _MISSING,
    "low_memory": False,  # in parts, a column may be text in one and numbers in another
}
"""How pandas is to read tables of others."""

_NUMBER = re.compile(r"[+-]?\d+([.]\d+)?(e[+-]?\d+)?", re.IGNORECASE)
"""What begins like a formula and is none: a table that was printed holds its numbers as text."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` so that a reader, or a crash, finds the old file or the new one.

    Raises:
        OSError: If the folder can't be written to or the disk is full; `path` is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; results are to be read by others as the umask allows.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def as_json(content: Any, **how: Any) -> str:
    """JSON as the program's files have it: for people to read, too."""
    return json.dumps(content, indent=1, ensure_ascii=False, **how) + "\n"


def remove_unfinished(folder: Path) -> None:
    """Remove what writes have left in `folder` that were killed; nobody may be writing there."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def as_csv(frame: pd.DataFrame) -> str:
    """A table as CSV that may be opened in a spreadsheet.

    Text that one would take for a formula gets an apostrophe before it; `from_csv` takes it away.
    """
    texts = {name: frame[name].map(_no_formula) for name in frame.select_dtypes(["object", "str"])}
    return frame.assign(**texts).rename(columns=_no_formula).to_csv(index=False)


def from_csv(path: Path) -> pd.DataFrame:
    """Read what `as_csv` wrote, which is empty where there is no value."""
    import pandas as pd

    frame = pd.read_csv(plain(path), low_memory=False, keep_default_na=False, na_values=[""])
    texts = {name: frame[name].map(_as_it_was) for name in frame.select_dtypes(["object", "str"])}
    return frame.assign(**texts).rename(columns=_as_it_was)


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")  # pandas would let it end the row
    if not value.lstrip("'").startswith(_FORMULA):
        return value
    return value if _NUMBER.fullmatch(value) else f"'{value}"


def _as_it_was(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("'"):
        return value
    return value[1:] if value.lstrip("'").startswith(_FORMULA) else value


def plain(path: Path) -> Path:
    """The path of a file, unless it is one that may be waited for without end, as a pipe.

    Raises:
        OSError: If it is such a one.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "is no plain file", str(path))
    return path


def sync(path: Path) -> None:
    """See to it that a file, or what a folder lists, is on the disk and not only on its way."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:  # some file systems have no such thing for folders
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(file)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


NOBODY = "there is no user of this name, so no home folder"
"""What is wrong with `~NAME/…` where `Path.expanduser` raises RuntimeError."""


def without_home(text: str) -> str:
    """Write the home folder as `~`, be it named as HOME does or as it is behind symbolic links.

    It may be any text with paths in it, JSON too. Folders whose path only begins or ends like that
    of the home folder stay.
    """
    try:
        home_folder = Path.home()
    except RuntimeError:  # of a user that the system does not know
        return text
    for home in _homes(home_folder):
        text = home.sub("~", text)
    return text


@functools.cache
def _homes(home: Path) -> tuple[re.Pattern[str], ...]:
    """What finds the home folder by each of its names, the longest first.

    The disk is asked once: every path of every run is looked through.
    """
    names = {str(path).rstrip("/") for path in (home, home.resolve())} - {""}
    # In JSON a line break is \n, and no letter of a path.
    start, end = r"(?:(?<![\w.-])|(?<=\\[nrt]))", r"(?![\w-]|\.\w)"
    return tuple(
        re.compile(f"{start}{re.escape(name)}{end}")
        for name in sorted(names, key=len, reverse=True)
    )
