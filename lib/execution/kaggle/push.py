"""Starting built kernels on Kaggle: each run once, however often the call is repeated.

What was pushed is written down before and after every upload, so that a kill loses nothing.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from lib.execution import run_folders
from lib.execution.kaggle import KaggleError
from lib.execution.kaggle import client as kaggle
from lib.execution.kaggle.client import FAILED, QUEUED, UNDER_WAY, Client, TransientError
from lib.execution.kaggle.kernels import METADATA, NOTEBOOK, OWNER, Kernel, folder_of, read_manifest
from lib.files import sha256, write_atomically
from lib.study.config import RunFields, Strict
from lib.study.folder import StudyFolder

AT_ONCE = 2  # sessions with a GPU that Kaggle lets one user run; it rejects a third

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Pace:
    """Seconds to wait."""

    poll: float = 60  # between looks at kernels under way
    busy: float = 300  # after Kaggle said that too many sessions run
    retry: float = 5  # after an answer that makes no sense; twice as long after every further one
    tries: int = 7  # how often a call is made before it is given up


PACE = Pace()

PUSHING, REJECTED = "pushing", "rejected"


class Entry(Strict):
    """What is known of a kernel on Kaggle."""

    kernel: str  # `owner/slug`
    state: str  # `pushing` (whether it arrived is unknown), `rejected`, or a state of `client`
    commit: str | None  # of the program in the kernel, as records have it
    version: int | None = None  # Kaggle's number of the upload; None if it is unknown
    message: str = ""  # what Kaggle said of it


class _File(Strict):
    kernels: dict[str, Entry] = Field({})


class Ledger:
    """`kaggle/pushed.json` of a study: entries by run id; every change is on disk at once.

    Only a push changes it, so others may read it meanwhile.

    Raises:
        KaggleError: If the file is damaged.
    """

    def __init__(self, study_dir: Path):
        self._path = StudyFolder(study_dir).kaggle / "pushed.json"
        try:
            self._kernels = _File.model_validate_json(self._path.read_bytes()).kernels
        except FileNotFoundError:
            self._kernels = {}
        except ValidationError as error:
            raise KaggleError(
                f"{self._path} is damaged ({error.errors()[0]['msg']}); it lists what was pushed. "
                "Take it away, and push asks Kaggle what is there"
            ) from None
        self.get = self._kernels.get

    def under_way(self) -> dict[str, Entry]:
        """Kernels whose sessions had not ended when they were last looked at, by run id."""
        return {k: entry for k, entry in self._kernels.items() if entry.state in UNDER_WAY}

    def put(self, run_id: str, entry: Entry) -> None:
        """Remember."""
        if self.get(run_id) != entry:
            self._kernels[run_id] = entry
            written = _File(kernels=self._kernels).model_dump_json(indent=1)
            write_atomically(self._path, written + "\n")


def push_all(
    runs: Sequence[RunFields],
    study_dir: Path,
    client: Client,
    say: Callable[[str], None],
    *,
    retry_failed: bool = False,
) -> list[Entry]:
    """Upload the kernels of `runs` and start them, `AT_ONCE` at a time, until all were started.

    Those that are complete here are left out; those that failed on Kaggle, too, but for
    `retry_failed`. What is known of all others is returned. `say` is told what happens.

    Raises:
        KaggleError: If something was not built, or Kaggle refuses the user.
        QuotaError, TransientError: If Kaggle takes nothing at the moment; call again later.
    """
    manifest = read_manifest(study_dir)
    built = {kernel.run_id: kernel for kernel in manifest.kernels}
    pending = [config for config in runs if run_folders.look(config).state != run_folders.COMPLETE]
    if absent := [config.run_id for config in pending if config.run_id not in built]:
        raise KaggleError(f"{', '.join(absent)}: not built; call --kaggle build")
    ledger = Ledger(study_dir)
    refresh(ledger, client)
    pushing = _Pushing(client, ledger, say)
    for config in pending:
        run_id = config.run_id
        entry = ledger.get(run_id)
        again = retry_failed and entry is not None and entry.state == FAILED
        if again or entry is None or entry.state in (PUSHING, REJECTED):
            with _upload(built[run_id], study_dir, client) as (reference, folder):
                first = Entry(kernel=reference, state=PUSHING, commit=manifest.commit)
                pushing.start(run_id, folder, first, again)
            if again and config.run_dir.exists():
                run_folders.set_aside(config.run_dir, StudyFolder(study_dir).aside)
        elif entry.state == FAILED:
            say(f"{run_id}: failed on Kaggle; --retry-failed starts it again")
        else:
            say(f"{run_id}: was started before as {entry.kernel} ({entry.state})")
    return [entry for config in pending if (entry := ledger.get(config.run_id)) is not None]


def refresh(ledger: Ledger, client: Client) -> int:
    """Ask Kaggle about the kernels under way; how many still are."""
    for run_id, entry in ledger.under_way().items():
        status = patiently(partial(client.status, entry.kernel))
        found = status or kaggle.Status(REJECTED, "it is not on Kaggle any more")
        ledger.put(run_id, entry.model_copy(update=asdict(found)))
    return len(ledger.under_way())


def patiently(call: Callable[[], Answer]) -> Answer:
    """Make a call that changes nothing until Kaggle answers properly, at most `PACE.tries` times.

    Raises:
        TransientError: If it never did.
    """
    for attempt in range(PACE.tries - 1):
        try:
            return call()
        except TransientError:
            time.sleep(PACE.retry * 2**attempt)
    return call()


@contextmanager
def _upload(kernel: Kernel, study_dir: Path, client: Client) -> Iterator[tuple[str, Path]]:
    """The kernel's `owner/slug`, and a copy of its folder that has the owner filled in."""
    source = folder_of(study_dir, kernel.run_id)
    try:
        metadata = json.loads((source / METADATA).read_text(encoding="utf-8"))
        unchanged = sha256(source / NOTEBOOK) == kernel.notebook_sha256
    except (OSError, ValueError) as error:
        raise KaggleError(f"{source}: {error}; call --kaggle build") from None
    if not unchanged:
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


@dataclass(frozen=True)
class _Pushing:
    client: Client
    ledger: Ledger
    say: Callable[[str], None]

    def start(self, run_id: str, folder: Path, first: Entry, again: bool) -> None:
        """Upload one kernel, as soon as there is a place, unless Kaggle has it already.

        `first` is its entry while it is unknown whether the upload arrived; `again` says that it
        failed there before and is to run again.
        """
        if self._is_there(run_id, first, again):
            return
        while refresh(self.ledger, self.client) >= AT_ONCE:
            time.sleep(PACE.poll)
        self.ledger.put(run_id, first)
        failures = 0
        while True:
            try:
                version = self.client.push(folder)
            except kaggle.CapacityError as error:
                wait = f"trying again in {PACE.busy:g} s"
                self.say(f"{run_id}: Kaggle has no place ({error}); {wait}")
                time.sleep(PACE.busy)
            except kaggle.QuotaError as error:
                self._note(run_id, first, REJECTED, str(error))
                raise
            except kaggle.RejectedError as error:
                self.say(f"{run_id}: Kaggle rejects {first.kernel}: {error}")
                self._note(run_id, first, REJECTED, str(error))
                return
            except TransientError:
                failures += 1
                if failures == PACE.tries:
                    raise
                time.sleep(PACE.retry * 2 ** (failures - 1))
                # The upload may have arrived though its answer did not.
                if self._is_there(run_id, first, again):
                    return
            else:
                self.say(f"{run_id}: started as {first.kernel}, version {version}")
                self._note(run_id, first, QUEUED, version=version)
                return

    def _is_there(self, run_id: str, first: Entry, again: bool) -> bool:
        """Ask whether Kaggle has the kernel, and note its state if so."""
        status = patiently(lambda: self.client.status(first.kernel))
        if status is None or (again and status.state == FAILED):
            return False
        self.say(f"{run_id}: is on Kaggle already as {first.kernel} ({status.state})")
        self._note(run_id, first, status.state, status.message)
        return True

    def _note(
        self, run_id: str, entry: Entry, state: str, message: str = "", version: int | None = None
    ) -> None:
        fields = {"state": state, "message": message, "version": version}
        self.ledger.put(run_id, entry.model_copy(update=fields))
