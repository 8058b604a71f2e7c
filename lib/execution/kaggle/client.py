"""Kaggle through its own client, whose answers and errors become ours."""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lib.execution.kaggle import KaggleError

QUEUED, RUNNING, COMPLETE, FAILED = "queued", "running", "complete", "failed"
UNDER_WAY = (QUEUED, RUNNING)

_STATES = {
    "QUEUED": QUEUED,
    "NEW_SCRIPT": QUEUED,
    "RUNNING": RUNNING,
    "CANCEL_REQUESTED": RUNNING,
    "COMPLETE": COMPLETE,
    "ERROR": FAILED,
    "CANCEL_ACKNOWLEDGED": FAILED,
}
# "Maximum batch GPU session count of 2 reached."
_CAPACITY = re.compile(r"session count|concurrent|too many (active|running)", re.I)
_QUOTA = re.compile(r"quota", re.I)
_WANTED_FILES = r"^outputs/|^__notebook__\.ipynb$"
_NO_CLIENT = "Kaggle's client is not installed; install the extra: pip install kaggle six"
_NO_CREDENTIALS = (
    "Kaggle's client finds no credentials, or Kaggle refuses them; docs/kaggle.md says how to get "
    "a token and where the client looks for it"
)


class TransientError(KaggleError):
    """Kaggle did not answer properly; the same call may succeed later."""


class CapacityError(KaggleError):
    """As many sessions run as Kaggle allows at once."""


class QuotaError(KaggleError):
    """The weekly quota is used up."""


class RejectedError(KaggleError):
    """Kaggle does not take this kernel."""


@dataclass(frozen=True)
class Status:
    """How a kernel's newest session is doing: a state above, and Kaggle's words if it failed."""

    state: str
    message: str = ""


class Client:
    """The calls that a study needs.

    Raises:
        KaggleError: If the client is not installed or finds no credentials.
    """

    def __init__(self) -> None:
        said = io.StringIO()  # it prints advice on credentials before it exits
        try:
            with contextlib.redirect_stdout(said):
                from kaggle.api.kaggle_api_extended import KaggleApi

                self._api = KaggleApi()
                with _our_errors():
                    self._api.authenticate()
        except ModuleNotFoundError as error:
            raise KaggleError(f"{_NO_CLIENT} ({error})") from None
        except SystemExit:
            raise KaggleError(_NO_CREDENTIALS) from None
        self.user: str | None = self._api.get_config_value("username")

    def status(self, kernel: str) -> Status | None:
        """How `owner/slug` is doing; None if the user has no such kernel.

        Raises:
            TransientError: If Kaggle does not answer properly.
        """
        try:
            with _our_errors():
                answer = self._api.kernels_status(kernel)
        except _NotThereError:
            return None
        return Status(_STATES.get(answer.status.name, RUNNING), answer.failure_message or "")

    def push(self, folder: Path) -> int:
        """Upload a kernel and start it; its new version number.

        Raises:
            CapacityError, QuotaError, RejectedError: If Kaggle does not take it now, or at all.
            TransientError: If Kaggle does not answer properly. It may have taken the kernel.
        """
        try:
            with _our_errors():
                answer = self._api.kernels_push(str(folder))
        except _NotThereError as error:
            raise RejectedError(str(error)) from None
        if answer.error:
            raise _refusal(answer.error)
        if answer.invalid_dataset_sources:
            unknown = ", ".join(answer.invalid_dataset_sources)
            raise RejectedError(f"Kaggle knows no dataset {unknown}, or the user may not read it")
        return answer.version_number

    def download(self, kernel: str, folder: Path) -> None:
        """Fetch the results of `owner/slug`, its executed notebook and its log.

        Raises:
            TransientError: If Kaggle does not answer properly.
            KaggleError: If the kernel is not there.
        """
        with _our_errors():
            self._api.kernels_output(kernel, str(folder), file_pattern=_WANTED_FILES, force=True)


class _NotThereError(KaggleError):
    """404, or 403, which is what Kaggle says of a private kernel that does not exist."""


def _refusal(message: str) -> KaggleError:
    if _CAPACITY.search(message):
        return CapacityError(message)
    return QuotaError(message) if _QUOTA.search(message) else RejectedError(message)


@contextlib.contextmanager
def _our_errors() -> Iterator[None]:
    """Errors of the client as ours. Their texts have neither credentials nor request bodies."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        code = 0 if error.response is None else error.response.status_code
        if code == 401:
            raise KaggleError(_NO_CREDENTIALS) from None
        if code in (403, 404):
            raise _NotThereError(str(error)) from None
        if code == 429 or code >= 500:
            raise TransientError(f"Kaggle answers with status {code}") from None
        raise _refusal(str(error)) from None
    except (requests.ConnectionError, requests.Timeout) as error:
        raise TransientError(f"Kaggle can't be reached ({type(error).__name__})") from None
    except requests.JSONDecodeError:
        raise TransientError("Kaggle's answer is cut off or no JSON") from None
    except ValueError as error:
        if "Cannot access kernel" in str(error):  # what the client makes of 401 and 403
            raise _NotThereError(str(error)) from None
        raise RejectedError(str(error)) from None
