"""One run in a process of its own: `python -m lib.execute`, the runner's child.

Reads a JSON object from standard input (`notebook`, `parameters`), executes the notebook with
papermill into the run's folder, and leaves a `run.json` there in any case it lives to see.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil

from lib.files import write_atomically
from lib.records import FILE_NAME, Record
from lib.study import RunConfig

KERNEL_START_SECONDS = 60


def main() -> int:
    """Execute one notebook; 0 if it left a record of a completed run."""
    task = json.load(sys.stdin)
    config = RunConfig(**task["parameters"])
    _end_with_parent()
    error = execute(Path(task["notebook"]), config)
    if error is not None:
        print(error, file=sys.stderr)
        failed_record(config, error).write(config.run_dir)
    return 0 if error is None else 1


def execute(notebook: Path, config: RunConfig) -> str | None:
    """Execute `notebook` with `config` as its parameters; what went wrong, in one line, or None."""
    import papermill
    from nbclient.exceptions import DeadKernelError

    folder = config.run_dir
    folder.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            notebook,
            folder / "train.ipynb",
            parameters=config.model_dump(mode="json"),
            kernel_name="python3",
            cwd=Path.cwd(),
            progress_bar=False,
            start_timeout=KERNEL_START_SECONDS,
        )
    except papermill.PapermillExecutionError as error:
        return one_line(f"{error.ename}: {error.evalue}")
    except DeadKernelError:
        return "the kernel died; the last lines of log.txt may say why"
    except Exception as error:  # whatever papermill raises, the run must be recorded as failed
        return one_line(f"{type(error).__name__}: {error}")
    finally:
        _leave_out_private_paths(folder / "train.ipynb")
    # After a killed kernel the notebook can look complete; only the record proves that it was.
    if not (folder / FILE_NAME).is_file():
        return "the notebook ended without leaving a record"
    return None


def _leave_out_private_paths(notebook: Path) -> None:
    """Take from an executed notebook where on this machine it was read and written."""
    if not notebook.is_file():
        return
    content = json.loads(without_home(notebook.read_text(encoding="utf-8")))
    for name in ("input_path", "output_path"):
        content["metadata"].get("papermill", {}).pop(name, None)
    write_atomically(notebook, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def without_home(text: str) -> str:
    """`text` with the home folder as `~`, for it names a person."""
    home = str(Path.home())
    return text if home == "/" else text.replace(home, "~")


def one_line(text: str) -> str:
    """`text` without line breaks or the home folder."""
    return " ".join(without_home(text).split())


def failed_record(config: RunConfig, error: str) -> Record:
    """The record of a run that did not end well."""
    return Record(
        run_id=config.run_id,
        status="failed",
        error=error,
        config=config.model_dump(mode="json", exclude={"output_dir"}),
    )


def _end_with_parent() -> None:
    """Take the kernel along if the runner is killed, so that nothing goes on measuring unseen."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        for process in psutil.Process().children(recursive=True):
            process.kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
