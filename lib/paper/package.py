"""The authors' replication package, read wherever a user has put it.

Its layout: `kaggle/emissions_*.csv` with `kaggle/accuracy.csv` as the sidecar (45 runs of Tables 3
to 6), and `grilla/results_summary/out_code_carbon_<DATASET>_<ARCHITECTURE>_<repetition>/` with
CodeCarbon's log, the wattmeter's summary and the course of accuracy (18 runs of Table 7).
The package is at https://zenodo.org/badge/latestdoi/503292169 (MIT licence).
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from lib.files import plain
from lib.logs import codecarbon, summaries
from lib.logs.codecarbon import LogError
from lib.logs.folder import HISTORY, Imported, as_results, read_folder
from lib.units import JOULES_PER_KWH

KAGGLE = "kaggle"
WATTMETER = "wattmeter"

CONSTANT_CPU = "constant (42.5 W, half of the 85 W that CodeCarbon assumes of an unknown CPU)"
RAPL = "measured counter (RAPL)"
SAMPLED_GPU = "NVML power, sampled"
ONE_READING_GPU = "NVML power, one reading for the whole run"
RAM_MODEL = "model (0.375 W per GB of the machine)"

_PARTS = ("kaggle", "grilla", "processed")
_LOGS = Path("kaggle", "accuracy.csv")
_WATTMETER_RUNS = Path("grilla", "results_summary")
_RUN_FOLDER = re.compile(r"out_code_carbon_(?P<dataset>[^_]+)_(?P<architecture>[^_]+)_(?P<rep>\d+)")


def find_root(folder: Path) -> Path | None:
    """Find the package in `folder`, in one of its folders, or around it; None if it isn't there."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    full = folder.resolve()
    around = [up for up in full.parents if full.relative_to(up).parts[0] in _PARTS]
    for candidate in (folder, *inside, *around):
        if (candidate / _LOGS).is_file() and (candidate / _WATTMETER_RUNS).is_dir():
            return candidate
    return None


def read(root: Path) -> Imported:
    """Read all 63 runs in the folder that holds `kaggle/` and `grilla/`.

    Returns:
        Results with the columns of `lib.logs.folder.as_results` and besides `campaign` (kaggle or
        wattmeter), the methods, the wattmeter's figures, `loss` and `epochs`; and histories.

    Raises:
        LogError: A file is missing or damaged; names it.
    """
    logs = read_folder(root / KAGGLE)
    files = f"{KAGGLE}/" + logs.results["source_file"]
    kaggle = logs.results.assign(campaign=KAGGLE, source_file=files, cpu_method=CONSTANT_CPU)
    runs = _read_wattmeter(root)
    wattmeter = runs.results.assign(campaign=WATTMETER, cpu_method=RAPL)
    results = pd.concat([kaggle, wattmeter], ignore_index=True)
    results = results.assign(
        gpu_method=np.where(codecarbon.one_gpu_reading(results), ONE_READING_GPU, SAMPLED_GPU),
        ram_method=RAM_MODEL,
    )
    return Imported(results, logs.skipped + runs.skipped, logs.notes + runs.notes, runs.histories)


def _read_wattmeter(root: Path) -> Imported:
    folders = [
        (path, named)
        for path in sorted((root / _WATTMETER_RUNS).iterdir())
        if path.is_dir() and (named := _RUN_FOLDER.fullmatch(path.name))
    ]
    if not folders:
        raise LogError(
            f"'{root / _WATTMETER_RUNS}' has no folder out_code_carbon_<DATASET>_<ARCHITECTURE>_<n>"
        )
    files = [(path / "emissions.csv").relative_to(root).as_posix() for path, _ in folders]
    log = codecarbon.own_counters([codecarbon.read(root / name, name) for name in files])
    for name in files:
        if (count := (log.rows["file"] == name).sum()) != 1:
            raise LogError(f"{name} has {count} readable rows; expected the one of its run")
    histories = [_read_history(path / "accuracy.txt", root) for path, _ in folders]
    rows = [
        {
            "file": name,
            "architecture": named["architecture"],
            "dataset": named["dataset"],
            "repetition": int(named["rep"]),
            "accuracy": history["val_accuracy"].iloc[-1],
            "loss": history["val_loss"].iloc[-1],
            "epochs": len(history),
            **_read_summary(path, root),
        }
        for (path, named), name, history in zip(folders, files, histories, strict=True)
    ]
    results = as_results(log.rows.merge(pd.DataFrame(rows), on="file"))
    ids = results.set_index("source_file")["run_id"]
    told = [one.assign(run_id=ids[name]) for name, one in zip(files, histories, strict=True)]
    history = pd.concat(told, ignore_index=True)[list(HISTORY)]
    return Imported(results, log.skipped, log.notes, history)


def _read_summary(folder: Path, root: Path) -> dict[str, float]:
    """The wattmeter's own figures: kWh, seconds and the number of samples."""
    paths = sorted(folder.glob("summary_*.json"))
    where = folder.relative_to(root).as_posix()
    if len(paths) != 1:
        raise LogError(f"{where} has {len(paths)} files summary_*.json; expected one")
    try:
        joules, seconds, samples = summaries.content(paths[0]).values()
    except summaries.SummaryError as error:
        raise LogError(f"{where}/{error}") from None
    return {
        "wattmeter_energy": joules / JOULES_PER_KWH,
        "wattmeter_duration": seconds,
        "wattmeter_samples": samples,
    }


def _read_history(path: Path, root: Path) -> pd.DataFrame:
    """Validation accuracy (`acf`) and loss (`loss_val`) of each epoch."""
    where = path.relative_to(root).as_posix()
    try:
        text = plain(path).read_text("utf-8")
        lines = dict(line.split(":", 1) for line in text.splitlines() if line)
        accuracy, loss = json.loads(lines["acf"]), json.loads(lines["loss_val"])
        history = pd.DataFrame({"val_accuracy": accuracy, "val_loss": loss}, dtype=float)
    except OSError as error:
        raise LogError(f"{where} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise LogError(
            f"{where}: expected the lines acf and loss_val, a figure an epoch each ({error!r})"
        ) from None
    if history.empty:
        raise LogError(f"{where} has no epoch")
    return history.assign(epoch=range(1, len(history) + 1))
