"""Starting built kernels on Kaggle: each run once, however often the call is repeated."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lib import runner
from lib.files import write_atomically
from lib.kaggle import KaggleError
from lib.kaggle.client import (
    FAILED,
    QUEUED,
    UNDER_WAY,
    CapacityError,
    Client,
    QuotaError,
    RejectedError,
    TransientError,
)
from lib.kaggle.kernels import METADATA, NOTEBOOK, OWNER, Kernel, folder_of, read_manifest
from lib.kaggle.ledger import PUSHING, REJECTED, Entry, Ledger
from lib.study import RunConfig

AT_ONCE = 2
"""Sessions with a GPU that Kaggle lets one user run; it rejects a third."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Pace:
    """Seconds to wait.

    Attributes:
        poll: Between looks at kernels under way.
        busy: After Kaggle said that too many sessions run.
        retry: After an answer that makes no sense; twice as long after every further one.
        tries: How often a call is made before it is given up.
    """

    poll: float = 60
    busy: float = 300
    retry: float = 5
    tries: int = 7


def push_all(
    runs: Sequence[RunConfig],
    study_dir: Path,
    client: Client,
    say: Callable[[str], None],
    *,
    retry_failed: bool = False,
    pace: Pace = Pace(),
) -> list[Entry]:
    """Upload the kernels of `runs` and start them, `AT_ONCE` at a time, until all were started.

    Args:
        runs: In order. Those that are complete here are left out.
        study_dir: The study's folder.
        client: Kaggle.
        say: Is told what happens, a sentence at a time.
        retry_failed: Whether to start runs again that failed on Kaggle.
        pace: How long to wait for what.

    Returns:
        What is known of every run that is not complete here.

    Raises:
        KaggleError: If something was not built, or Kaggle refuses the user.
        QuotaError, TransientError: If Kaggle takes nothing at the moment; call again later.
    """
    manifest = read_manifest(study_dir)
    built = {kernel.run_id: kernel for kernel in manifest.kernels}
    ledger = Ledger(study_dir)
    known = []
    for config in runs:
        here = runner.look(config).state
        if here == runner.COMPLETE:
            continue
        kernel = built.get(config.run_id)
        if kernel is None:
            raise KaggleError(f"{config.run_id}: not built; call --kaggle build")
        again = retry_failed and (here == runner.FAILED or _failed(ledger, config.run_id))
        entry = ledger.get(config.run_id)
        if again or entry is None or entry.state in (PUSHING, REJECTED):
            while len(refresh(ledger, client, pace)) >= AT_ONCE:
                time.sleep(pace.poll)
            with _upload(kernel, study_dir, client) as (reference, folder):
                first = Entry(kernel=reference, state=PUSHING, commit=manifest.commit)
                entry = _start(folder, first, again, config.run_id, ledger, client, say, pace)
            if again and here == runner.FAILED and entry.state in UNDER_WAY:
                runner.set_aside(config.run_dir, study_dir / runner.ASIDE)
        elif entry.state == FAILED:
            say(f"{config.run_id}: failed on Kaggle; --retry-failed starts it again")
        else:
            say(f"{config.run_id}: was started before as {entry.kernel} ({entry.state})")
        known.append(entry)
    return known


def refresh(ledger: Ledger, client: Client, pace: Pace) -> dict[str, Entry]:
    """Ask Kaggle about the kernels under way; those that still are, by run id."""
    for run_id, entry in ledger.under_way().items():
        status = patiently(lambda kernel=entry.kernel: client.status(kernel), pace)
        if status is None:
            fields = {"state": REJECTED, "message": "it is not on Kaggle any more"}
        else:
            fields = {"state": status.state, "message": status.message}
        ledger.put(run_id, entry.model_copy(update=fields))
    return ledger.under_way()


def patiently(call: Callable[[], Answer], pace: Pace) -> Answer:
    """Make a call that changes nothing until Kaggle answers properly, at most `pace.tries` times.

    Raises:
        TransientError: If it never did.
    """
    for attempt in range(pace.tries - 1):
        try:
            return call()
        except TransientError:
            time.sleep(pace.retry * 2**attempt)
    return call()


def _failed(ledger: Ledger, run_id: str) -> bool:
    entry = ledger.get(run_id)
    return entry is not None and entry.state == FAILED


@contextmanager
def _upload(kernel: Kernel, study_dir: Path, client: Client) -> Iterator[tuple[str, Path]]:
    """The kernel's `owner/slug`, and a copy of its folder that has the owner filled in."""
    source = folder_of(study_dir, kernel.run_id)
    try:
        metadata = json.loads((source / METADATA).read_text(encoding="utf-8"))
        content = (source / NOTEBOOK).read_bytes()
    except (OSError, ValueError) as error:
        raise KaggleError(f"{source}: {error}; call --kaggle build") from None
    if hashlib.sha256(content).hexdigest() != kernel.notebook_sha256:
        raise KaggleError(f"{source / NOTEBOOK} was changed after it was built; build it again")
    owner, _, slug = metadata["id"].partition("/")
    if owner == OWNER:
        if not client.user:
            raise KaggleError("Kaggle's client names no user; set kaggle.owner in the study")
        owner = client.user
    metadata["id"] = f"{owner}/{slug}"
    with tempfile.TemporaryDirectory() as name:
        target = Path(name)
        shutil.copy(source / NOTEBOOK, target)
        write_atomically(target / METADATA, json.dumps(metadata))
        yield metadata["id"], target


def _start(
    folder: Path,
    first: Entry,
    again: bool,
    run_id: str,
    ledger: Ledger,
    client: Client,
    say: Callable[[str], None],
    pace: Pace,
) -> Entry:
    """Upload one kernel unless Kaggle has it already; what is then known of it."""

    def note(**fields: object) -> Entry:
        entry = first.model_copy(update=fields)
        ledger.put(run_id, entry)
        return entry

    def arrived() -> Entry | None:
        status = patiently(lambda: client.status(first.kernel), pace)
        if status is None or (again and status.state == FAILED):
            return None
        say(f"{run_id}: is on Kaggle already as {first.kernel} ({status.state})")
        return note(state=status.state, message=status.message)

    if (entry := arrived()) is not None:
        return entry
    note()
    failures = 0
    while True:
        try:
            version = client.push(folder)
        except CapacityError as error:
            say(f"{run_id}: Kaggle has no place ({error}); trying again in {pace.busy:g} s")
            time.sleep(pace.busy)
        except QuotaError as error:
            note(state=REJECTED, message=str(error))
            raise
        except RejectedError as error:
            say(f"{run_id}: Kaggle rejects {first.kernel}: {error}")
            return note(state=REJECTED, message=str(error))
        except TransientError:
            failures += 1
            if failures == pace.tries:
                raise
            time.sleep(pace.retry * 2 ** (failures - 1))
            # The upload may have arrived though its answer did not.
            if (entry := arrived()) is not None:
                return entry
        else:
            say(f"{run_id}: started as {first.kernel}, version {version}")
            return note(state=QUEUED, version=version)
