"""What was pushed: written before and after every upload, so that a kill loses nothing."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lib.execution.kaggle import KaggleError
from lib.execution.kaggle.client import UNDER_WAY
from lib.files import write_atomically
from lib.study.folder import StudyFolder

PUSHING, REJECTED = "pushing", "rejected"


class Entry(BaseModel):
    """What is known of a kernel on Kaggle.

    Attributes:
        kernel: `owner/slug`.
        state: `pushing` (whether it arrived is unknown), `rejected`, or a state of `client`.
        commit: Of the program in the kernel, as records have it.
        version: Kaggle's number of the upload; None if it is unknown.
        message: What Kaggle said of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kernel: str
    state: str
    commit: str | None
    version: int | None = None
    message: str = ""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kernels: dict[str, Entry] = {}


class Ledger:
    """`kaggle/pushed.json` of a study: entries by run id; every change is on disk at once.

    Only a push changes it, so others may read it meanwhile.

    Raises:
        KaggleError: If the file is damaged.
    """

    def __init__(self, study_dir: Path):
        self._path = StudyFolder(study_dir).kaggle / "pushed.json"
        try:
            self._file = _File.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            self._file = _File()
        except ValidationError as error:
            raise KaggleError(
                f"{self._path} is damaged ({error.errors()[0]['msg']}); it lists what was pushed. "
                "Take it away, and push asks Kaggle what is there"
            ) from None

    def get(self, run_id: str) -> Entry | None:
        """What is known of a run's kernel; None if it was never pushed."""
        return self._file.kernels.get(run_id)

    def under_way(self) -> dict[str, Entry]:
        """Kernels whose sessions had not ended when they were last looked at, by run id."""
        return {k: entry for k, entry in self._file.kernels.items() if entry.state in UNDER_WAY}

    def put(self, run_id: str, entry: Entry) -> None:
        """Remember."""
        if self.get(run_id) != entry:
            self._file.kernels[run_id] = entry
            write_atomically(self._path, self._file.model_dump_json(indent=1) + "\n")
