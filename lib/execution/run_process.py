"""One run in a process of its own: `python -m lib.execution.run_process`, the runner's child.

Reads a JSON object from standard input (`notebook`, `parameters`, `parent`), executes the
notebook with papermill into the run's folder, and leaves a `run.json` there in any case it lives
to see.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from lib import program
from lib.files import as_json, without_home, write_atomically
from lib.instruments import machine
from lib.patching import import_nbformat
from lib.records import FILE_NAME, MEASUREMENT_VERSION, Record
from lib.study.config import RunFields
from lib.study.notebook import VARIABLE, fields_of, kernel_of

KERNEL_START_SECONDS = 60
LOG_NAME = "log.txt"
OUT_OF_MEMORY = "out of memory"

_MEMORY_ERRORS = ("MemoryError", "_ArrayMemoryError", "ResourceExhaustedError")
_MEMORY_WORDS = re.compile(rb"std::bad_alloc|Cannot allocate memory|out of memory|OOM", re.I)
_VMSTAT = Path("/proc/vmstat")


def main() -> int:
    """Execute one notebook; 0 if it left a record of a completed run."""
    task = json.load(sys.stdin)
    config = fields_of(Path(task["notebook"]))(**task["parameters"])
    end_with_parent(task["parent"])
    error = execute(config)
    if error is not None:
        print(error, file=sys.stderr)
        failed_record(config, error).write(config.run_dir)
    return 0 if error is None else 1


def execute(config: RunFields) -> str | None:
    """Execute a run's notebook with its parameters; what went wrong, in one line, or None."""
    import_nbformat()
    import papermill
    from nbclient.exceptions import DeadKernelError

    folder = config.run_dir
    folder.mkdir(parents=True, exist_ok=True)
    kills, executed = memory_kills(), folder / config.notebook.name
    os.environ[VARIABLE] = str(config.notebook.resolve())
    try:
        papermill.execute_notebook(
            config.notebook,
            executed,
            parameters=config.model_dump(mode="json"),
            kernel_name=kernel_of(config.notebook),
            language="python",  # of which the notebook itself need not say anything
            cwd=Path.cwd(),
            progress_bar=False,
            start_timeout=KERNEL_START_SECONDS,
            extra_arguments=list(program.KERNEL_ARGUMENTS),
        )
    except papermill.PapermillExecutionError as error:
        what = one_line(f"{error.ename}: {error.evalue}").rstrip(": ")
        return f"{OUT_OF_MEMORY}: {what}" if error.ename in _MEMORY_ERRORS else what
    except DeadKernelError:
        if memory_kills() > kills:
            return f"{OUT_OF_MEMORY}: the system killed the kernel"
        if _MEMORY_WORDS.search(_end_of(folder / LOG_NAME)):
            return f"{OUT_OF_MEMORY}: the kernel died; {LOG_NAME} says where"
        return f"the kernel died; the last lines of {LOG_NAME} may say why"
    except Exception as error:  # whatever papermill raises, the run must be recorded as failed
        return one_line(f"{type(error).__name__}: {error}")
    finally:
        leave_out_private_paths(executed)
    # After a killed kernel the notebook can look complete; only the record proves that it was.
    if not (folder / FILE_NAME).is_file():
        return "the notebook ended without leaving a record; its last call is to be run.finish"
    return None


def _end_of(log: Path) -> bytes:
    """The last bytes of a log, which may be larger than the memory; none where there is no log."""
    if not log.is_file():
        return b""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - 10_000, 0))
        return file.read()


def memory_kills() -> int:
    """Processes that Linux has killed so far for want of memory; 0 where it does not count."""
    try:
        found = re.search(r"^oom_kill (\d+)", _VMSTAT.read_text(), re.M)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def leave_out_private_paths(notebook: Path) -> None:
    """Take from an executed notebook where on this machine it was read and written.

    One that was cut off in the middle, which no program can open, is taken away.
    """
    if not notebook.is_file():
        return
    try:
        content = json.loads(without_home(notebook.read_text(encoding="utf-8")))
    except ValueError:
        notebook.unlink()
        return
    for name in ("input_path", "output_path"):
        content["metadata"].get("papermill", {}).pop(name, None)
    write_atomically(notebook, as_json(content))


def one_line(text: str) -> str:
    """`text` without line breaks or the home folder."""
    return " ".join(without_home(text).split())


def failed_record(config: RunFields, error: str) -> Record:
    """The record of a run that did not end well."""
    versions = machine.versions()
    return Record(
        measurement_version=MEASUREMENT_VERSION,
        run_id=config.run_id,
        status="failed",
        error=error,
        config=config.recorded,
        notebook=config.made_by,
        machine=machine.machine_id(),
        git_commit=versions.pop("commit"),
        versions=versions,
    )


def end_with_parent(parent: int) -> None:
    """From now on, die with process `parent` and take all children along: nothing runs unseen.

    The parent says its own id: if it died before this call, asking the system would be too late.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        kill(psutil.Process().children(recursive=True))
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill processes, of which some may be gone already."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
