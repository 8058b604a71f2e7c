"""Where a run begins: in a study's notebook, or around any code of a script."""

import atexit
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lib import program
from lib.experiment.protocol import Run
from lib.experiment.results import RunError
from lib.study import notebook as notebooks
from lib.study.errors import StudyError
from lib.study.folder import StudyFolder


def begin(notebook: str, variables: Mapping[str, Any]) -> Run:
    """Begin the run that a notebook's parameters describe.

    The names in the cell `parameters` of the notebook's own file, e.g. `language_model.ipynb`, are
    the fields of the run; their values are among the `variables`: `globals()`.

    Raises:
        StudyError: If there is no such notebook, or a value that a parameter may not have.
        RunError: If the cell `parameters` was not executed.
    """
    fields = notebooks.fields_of(_found(notebook))
    if missing := [name for name in fields.own() if name not in variables]:
        raise RunError(f"begin: '{missing[0]}' has no value; execute the parameters cell first")
    given = {name: variables[name] for name in fields.model_fields if name in variables}
    # Python looks for garbage in all that a framework has made once more when it ends, which takes
    # TensorFlow two seconds; after so long a kernel is killed, and the next run has waited for it.
    atexit.register(gc.freeze)
    return Run(notebooks.checked(fields, given, notebook))


@contextmanager
def measured(
    folder: str | Path,
    *,
    warm_up: Callable[[], object] | None = None,
    protocol: Mapping[str, float] | None = None,
    location: str | None = None,
    meter: str | None = None,
    **fields: Any,
) -> Iterator[Run]:
    """Measure what a script does inside the `with`, as one run of the study in `folder`.

    Executed again, it is a further repetition. A block that raises leaves nothing. Of the run,
    `run.results(accuracy=...)` notes what came out, `run.epoch(loss=...)` an epoch.

    Args:
        folder: The study's; it is made where there is none.
        warm_up: As `Run.measured` takes it.
        protocol: Seconds around the training: idle_seconds, warmup_seconds, cooldown_seconds.
        location: ISO code, or CODE/region, for the carbon intensity.
        meter: A file that describes a wattmeter.
        **fields: What tells this run from others, e.g. `optimizer="adam"`; `seed` as well.
    """
    study = StudyFolder(Path(folder).expanduser())
    own = notebooks.fields_from(fields, Path(sys.argv[0] or "script.py"))
    around = {**(protocol or {}), "location": location, "meter": meter}
    config = notebooks.checked(own, {**fields, **around}, "measured").going_to(study)
    files = [path for path in (study.path, *study.path.parents) if path.is_file()]
    if problems := config.missing() + [f"{one} is a file, not a folder" for one in files]:
        raise StudyError(problems, "measured")
    while study.run(config.run_id).exists():
        config = config.model_copy(update={"repetition": config.repetition + 1})
    place = study.unfinished.run(config.run_id)
    shutil.rmtree(place, ignore_errors=True)
    run = Run(config, place)
    try:
        with run.measured(warm_up):
            yield run
        run.finish()
        study.runs.mkdir(parents=True, exist_ok=True)
        place.rename(config.run_dir)
        print(f"The run is complete: {config.run_dir}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
        for emptied in (place.parent, study.unfinished.path):
            with suppress(OSError):  # another run is under way in there
                emptied.rmdir()


def _found(notebook: str) -> Path:
    """The notebook's file: where the runner says, or beside the kernel, or in the program."""
    given = os.environ.get(notebooks.VARIABLE)
    places = [Path(given)] if given else []
    places += [Path(notebook), Path(Path(notebook).name), program.ROOT / "notebooks" / notebook]
    return next((place for place in places if place.is_file()), Path(notebook))
