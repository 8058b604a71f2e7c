"""A study of a notebook of its own, as `run_all.py` leaves it, made up."""

from pathlib import Path

import pandas as pd

from lib.files import write_atomically
from lib.records import HISTORY_NAME, Phase, Record
from lib.study import plan
from lib.study.folder import StudyFolder
from lib.study.study import Study
from tests.study.test_notebook import written

ENERGY = {"gru": 0.002, "transformer": 0.003}
BITS = {"gru": 3.2, "transformer": 2.9}
CELL = 'kind = "gru"\nwidth = 32\nepochs = 2\nseed = 1'


def make(
    folder: Path,
    quality: str = "bits_per_character",
    better: str = "lower",
    factors: dict | None = None,
    repetitions: int = 3,
    told: str | None = None,
    variants: tuple[dict, ...] = (),
) -> Path:
    """Write notebook, study.yaml, plan, records and histories; the study's folder.

    `told` is what epochs tell instead of the quality.
    """
    notebook = written(folder.parent, CELL)
    study = Study(
        title="A recurrent network and a transformer",
        notebook=str(notebook),
        factors=factors or {"kind": list(ENERGY), "width": [32, 64]},
        quality={"name": quality, "better": better},
        repetitions=repetitions,
        variants=[*variants],
    )
    runs = study.runs(folder.name, folder.parent)
    plan.freeze(runs, folder)
    write_atomically(StudyFolder(folder).study, study.as_yaml())
    for place, run in enumerate(runs):
        spread = 1 + 0.03 * (run.repetition - 2)
        energy = ENERGY[run.kind] * (1 + (run.width - 32) / 64) * spread
        reached = (BITS[run.kind] - run.width / 200) * spread
        if quality == "accuracy":
            reached = 0.9 - reached / 10
        began = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(minutes=place)
        ended = began + pd.Timedelta(seconds=30)
        times = {"started_at": began.isoformat(), "ended_at": ended.isoformat()}
        record = Record(
            run_id=run.run_id,
            status="completed",
            notebook="own.ipynb",
            config=run.recorded,
            **times,
            duration=30.0,
            energy_consumed=energy,
            cpu_energy=energy / 2,
            ram_energy=energy / 2,
            cpu_method="load model (TDP 8 W, a guess)",
            gpu_method="none",
            ram_method="model (20 W)",
            phases=(Phase(name="training", duration=30.0, **times),),
            accuracy=reached if quality == "accuracy" else None,
            score=reached / energy if quality == "accuracy" else None,
            reasons={} if quality == "accuracy" else {"score": "there is no accuracy"},
            extra={"epochs_trained": 2} | ({} if quality == "accuracy" else {quality: reached}),
        )
        record.write(run.run_dir)
        rows = [
            {"epoch": n, told or quality: reached + (2 - n) / 2, "seconds": 15 * n}
            | {"energy_consumed": energy * n / 2}
            for n in (1, 2)
        ]
        write_atomically(run.run_dir / HISTORY_NAME, pd.DataFrame(rows).to_csv(index=False))
    return folder
