"""Locks that keep two measurements, or two batches, out of each other's way."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "training-energy-study"


class BusyError(RuntimeError):
    """Another process measures here, or works on the same study."""


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
    lock = FileLock(path, timeout=-1 if wait else 0, mode=0o666)
    try:
        lock.acquire()
    except Timeout:
        try:
            said = json.loads(holder.read_text(encoding="utf-8"))
            who = f"process {said['pid']} ({said['what']}) since {said['since']}"
        except (OSError, ValueError, KeyError):
            who = f"the process that holds {path}"
        raise BusyError(f"{refusal}: {who}") from None
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        said = {"pid": os.getpid(), "since": since, "what": what}
        holder.write_text(json.dumps(said), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
