"""What kernels leave, made up: to finish sessions without executing them."""

from lib import __version__
from lib.execution.kaggle import kernels
from lib.records import Record
from lib.study.config import RunConfig


def files(study_dir, run_id, **changes):
    """The output files of a run's kernel, by name; `changes` to its record."""
    manifest = kernels.read_manifest(study_dir)
    kernel = next(kernel for kernel in manifest.kernels if kernel.run_id == run_id)
    config = RunConfig(**kernel.parameters)
    fields = {
        "run_id": run_id,
        "status": "completed",
        "accuracy": 0.5,
        "git_commit": manifest.commit,
        "versions": {"program": __version__},
        "config": config.recorded,
    }
    rows = [f"{epoch},0.5" for epoch in range(1, config.epochs + 1)]
    history = "\n".join(["epoch,val_accuracy", *rows, ""])
    folder = f"outputs/{study_dir.name}/runs/{run_id}"
    return {
        f"{folder}/run.json": Record(**fields | changes).model_dump_json().encode(),
        f"{folder}/history.csv": history.encode(),
        f"{folder}/power.csv": b"time\n",
        "__notebook__.ipynb": b"{}",
    }


def finish(fake, study_dir, run_id, **changes):
    """End the session of a run as complete."""
    session = session_of(fake, study_dir, run_id)
    session.files = files(study_dir, run_id, **changes)
    session.log = "all is well"
    session.state = "COMPLETE"


def fail(fake, study_dir, run_id, message):
    """End the session of a run in an error."""
    session = session_of(fake, study_dir, run_id)
    session.log = "Traceback: an unlucky batch"
    session.message = message
    session.state = "ERROR"


def session_of(fake, study_dir, run_id):
    """The newest session of a run's kernel."""
    return fake.kernels[reference(study_dir, run_id)]


def reference(study_dir, run_id):
    """`owner/slug` of a run's kernel."""
    manifest = kernels.read_manifest(study_dir)
    return next(f"somebody/{k.slug}" for k in manifest.kernels if k.run_id == run_id)
