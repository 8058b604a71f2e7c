"""Locks that keep two measurements, or two calls, out of each other's way.

A lock is the operating system's, on an open file: it goes when its holder dies, so it can't become
stale. A study's lies beside the study, so that it holds in two containers, or on two hosts that
share a disk. The machine's lies where every user of the machine looks, whatever TMPDIR says.
"""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import lock_descriptor

from lib.study.errors import StudyError, UserError

FOLDER = "TRAINING_ENERGY_LOCKS"
"""Names, in the environment, another folder for the machine's lock: one that containers share."""

_NAME = "training-energy-study.lock"
_SHARED = ("/run/lock", "/dev/shm", "/var/tmp", "/tmp")
"""Where every user of a machine may write, the first of which is there: Debian, others, macOS."""


class BusyError(UserError):
    """Another process measures here, or works on the same study."""

    exit_status = 3


@contextmanager
def alone_on_this_machine(what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the machine's measurement lock; two measurements would spoil each other.

    `what` is said to whom the lock is refused.

    Raises:
        BusyError: If another process holds it; says which, and since when.
        StudyError: If there can't be a lock.
    """
    path = _of_this_machine() / _NAME
    trouble = f"{path}: there can be no lock"
    with _held(path, "another measurement is under way on this machine", what, trouble, wait):
        yield


@contextmanager
def alone_in_study(study_dir: Path) -> Iterator[None]:
    """Hold the lock of a study's folder, which lies beside it as `.<study>.lock`.

    Raises:
        BusyError: If another process holds it; says which, and since when.
        StudyError: If there can't be a lock.
    """
    folder = study_dir.resolve()
    path = folder.with_name(f".{folder.name}.lock")
    refusal = f"another call works on {study_dir}"
    trouble = f"{study_dir}: results can't be written"
    with _held(path, refusal, f"study {study_dir.name}", trouble):
        yield


def _of_this_machine() -> Path:
    if named := os.environ.get(FOLDER):
        return Path(named)
    for path in map(Path, _SHARED):
        shared = stat.S_ISVTX | stat.S_IWOTH  # sticky: nobody takes away the file of another
        if path.is_dir() and path.stat().st_mode & shared == shared:
            return path
    return Path(tempfile.gettempdir())


@contextmanager
def _held(path: Path, refusal: str, what: str, trouble: str, wait: bool = False) -> Iterator[None]:
    file = _locked(path, trouble, wait)
    if file is None:
        raise BusyError(f"{refusal}: {_holder(path)}")
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        _write(file, json.dumps({"pid": os.getpid(), "since": since, "what": what}))
        yield
    finally:
        with suppress(OSError):  # of another user
            path.unlink()
        os.close(file)  # which gives the lock back


def _locked(path: Path, trouble: str, wait: bool) -> int | None:
    """The lock's file, opened and locked; None where another process holds it."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _opened(path)
        except OSError as error:
            raise StudyError([f"{trouble}: {error.strerror or error}"]) from None
        try:
            taken = lock_descriptor(file, blocking=wait)
        except OSError as error:
            os.close(file)
            problem = f"{path}: this file system has no locks ({error.strerror})"
            raise StudyError([f"{problem}; put --outputs on one that has"]) from None
        if taken and _is_still_there(file, path):
            return file
        os.close(file)
        if not taken:
            return None


def _opened(path: Path) -> int:
    """A plain file, be it of another user; nothing that somebody put there to be followed."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO would wait for its other end
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o666)
        with suppress(OSError):
            os.fchmod(file, 0o666)  # whatever the umask: other users are to take it, too
        return file
    except (FileExistsError, PermissionError):
        if path.is_symlink() or path.is_dir():
            raise OSError(f"{path} is no plain file; take it away") from None
    try:
        file = os.open(path, os.O_RDWR | flags)
    except PermissionError:
        file = os.open(path, os.O_RDONLY | flags)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{path} is no plain file; take it away")
    return file


def _is_still_there(file: int, path: Path) -> bool:
    """Whether a file was not taken away, or replaced, before it was locked."""
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(file), there)


def _write(file: int, said: str) -> None:
    """Say in the lock's file who holds it; what somebody put there stays."""
    with suppress(OSError):
        if os.pread(file, 1, 0) in (b"", b"{") and os.fstat(file).st_nlink == 1:
            os.ftruncate(file, 0)
            os.pwrite(file, said.encode(), 0)


def _holder(path: Path) -> str:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return f"process {said['pid']} ({said['what']}) since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"the process that holds {path}"
