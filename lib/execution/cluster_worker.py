"""What a worker of a cluster does, in a process of its own.

Executed from the folder that `cluster_admission` unpacked: program and notebook are those that
travelled, and a run is executed by the same code as on one machine.
"""

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from lib.execution import bundle, local, lock
from lib.execution.run_process import end_with_parent
from lib.instruments import machine
from lib.study.config import RunFields
from lib.study.folder import StudyFolder
from lib.study.notebook import fields_of

STUDY = Path("study")
RESULT = Path("run.zip")


def main() -> None:
    """Answer one request, a JSON object on standard input, on standard output."""
    task = json.load(sys.stdin)
    end_with_parent(task["parent"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by its Dask worker"))
    (notebook,) = Path("notebooks").glob("*.ipynb")
    run_of = fields_of(notebook)
    if "parameters" in task:
        measure(run_of(**task["parameters"]), task["timeout"])
    else:
        json.dump(describe([run_of(**fields) for fields in task["runs"]]), sys.stdout)


def describe(runs: list[RunFields]) -> dict[str, Any]:
    """This machine's anonymous id, its versions, and what `runs` would miss here."""
    missing = [*dict.fromkeys(line for run in runs for line in run.missing())]
    return {"machine": machine.machine_id(), "versions": machine.versions(), "missing": missing}


def measure(config: RunFields, timeout: float | None) -> None:
    """Execute one run as soon as nothing else is measured here; its folder goes into `RESULT`."""
    RESULT.unlink(missing_ok=True)
    shutil.rmtree(STUDY, ignore_errors=True)
    config = config.going_to(StudyFolder(STUDY))
    with lock.alone_on_this_machine(f"run {config.run_id} of a cluster", wait=True):
        for _ in local.execute_all([config], STUDY, local.Watcher(), timeout):
            pass
    RESULT.write_bytes(bundle.pack_run(config.run_dir))


if __name__ == "__main__":
    main()
