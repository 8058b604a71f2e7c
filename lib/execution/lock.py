"""Locks that keep two measurements, or two batches, out of each other's way."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import lock_descriptor

from lib.study.errors import UserError

_PREFIX = "training-energy-study"


class BusyError(UserError):
    """Another process measures here, or works on the same study."""

    exit_status = 3


@contextmanager
def alone_on_this_machine(what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the machine's measurement lock; two measurements would spoil each other.

    The operating system gives the lock back when its holder dies, so it can't become stale.

    Args:
        what: Said to whom the lock is refused.
        wait: Wait for the lock where another process holds it.

    Raises:
        BusyError: If another process holds it; says which, and since when.
    """
    with _held(_PREFIX, "another measurement is under way on this machine", what, wait):
        yield


@contextmanager
def alone_in_study(study_dir: Path) -> Iterator[None]:
    """Hold the lock of a study's folder against other calls on this machine.

    Raises:
        BusyError: If another process holds it; says which, and since when.
    """
    digest = hashlib.sha256(str(study_dir.resolve()).encode()).hexdigest()[:16]
    what = f"study {study_dir.name}"
    with _held(f"{_PREFIX}-{digest}", f"another call works on {study_dir}", what, wait=False):
        yield


@contextmanager
def _held(name: str, refusal: str, what: str, wait: bool) -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"{name}.lock"
    holder = path.with_suffix(".json")
    file = _opened(path)
    try:
        if not lock_descriptor(file, blocking=wait):
            raise BusyError(f"{refusal}: {_who(holder, path)}")
        since = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"pid": os.getpid(), "since": since, "what": what}
        # Another user, killed while holding the lock, may have left one that is not ours to change.
        with suppress(OSError):
            holder.write_text(json.dumps(said), encoding="utf-8")
        try:
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
    finally:
        os.close(file)  # which gives the lock back


def _opened(path: Path) -> int:
    """The lock's file; one that another user of this machine made can at least be read."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _who(holder: Path, path: Path) -> str:
    try:
        said = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {said['pid']} ({said['what']}) since {said['since']}"
    except (OSError, ValueError, KeyError):
        return f"the process that holds {path}"
