"""What it takes to read long logs: rows of power, and rows of CodeCarbon.

    python benchmarks/log_scale.py [--power 10000000] [--codecarbon 100000]

Prints seconds of the processor, the most memory, and the ratio to what `pandas.read_csv` alone
takes for the same file. Each in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from lib.logs import codecarbon, folder, wattmeter
from lib.study.wattmeter_log import WattmeterLog

HEADER = (
    "timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,region,"
    "cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,"
    "gpu_model,longitude,latitude,ram_total_size,tracking_mode,on_cloud,pue"
)


def write_power(path: Path, rows: int) -> None:
    """Ten samples a second, times in ms and power in mW."""
    block = "".join(f"@{i:04d},{90_000 + i * 3}\n" for i in range(10_000)).encode()
    with path.open("wb") as file:
        file.write(b"time,power\n")
        for part in range(rows // 10_000):
            file.write(block.replace(b"@", b"%d" % (170_000_000 + part)))


def write_codecarbon(path: Path, rows: int) -> None:
    """Trackers that were started ten times each, so that their counters grow."""
    begin = pd.Timestamp("2024-01-01")
    lines, named = [HEADER], ["file,row,architecture,dataset,repetition,accuracy"]
    for row in range(rows):
        n = row % 10 + 1
        ended = begin + pd.Timedelta(row * 100, "s")
        lines.append(
            f"{ended:%Y-%m-%dT%H:%M:%S},x,t{row // 10},{n * 100},{n * 0.001},1e-5,60,160,12,"
            f"{n * 0.01},{n * 0.02},{n * 0.002},{n * 0.032},Germany,DEU,bavaria,,,Linux,3.11,"
            "2.4.2,16,AMD,1,1 x GPU,11.5,48.1,32,machine,N,1.0"
        )
        named.append(f"{path.name},{row},VGG16,d,{row + 1},0.9")
    path.write_text("\n".join(lines))
    (path.parent / "runs.csv").write_text("\n".join(named))


def power(path: Path) -> int:
    """Read the whole log, and keep ten minutes of it."""
    mapping = WattmeterLog(time_format="ms", power="power", unit="mW")
    return wattmeter.read(path, mapping, [(1_700_000_100, 1_700_000_700)]).rows


def own_counters(path: Path) -> int:
    """Read a log and tell its trackers apart."""
    return len(codecarbon.own_counters([codecarbon.read(path)]).rows)


def whole_import(path: Path) -> int:
    """The same, and a results table of it."""
    return len(folder.read_folder(path.parent).results)


def pandas_alone(path: Path) -> int:
    """What nobody can do without."""
    return len(pd.read_csv(path))


def measured(work: Callable[[Path], int], path: Path, found: multiprocessing.Queue) -> None:
    """Seconds of the processor and MB that some work takes, beside the number of rows."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    rows = work(path)
    seconds = time.process_time() - begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found.put((rows, seconds, (most - before) / 1024))


def main() -> None:
    """Write the logs, read them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--power", type=int, default=10_000_000, help="rows of power")
    parser.add_argument("--codecarbon", type=int, default=100_000, help="rows of CodeCarbon")
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    print(f"{'what':<32}{'rows':>12}{'s':>8}{'MB':>8}{'pandas alone':>14}")
    with tempfile.TemporaryDirectory() as place:
        for write, rows, works in (
            (write_power, arguments.power, (power,)),
            (write_codecarbon, arguments.codecarbon, (own_counters, whole_import)),
        ):
            path = Path(place) / write.__name__ / "emissions.csv"
            path.parent.mkdir()
            write(path, rows)
            alone = None
            for work in (pandas_alone, *works):
                queue = spawn.Queue()
                process = spawn.Process(target=measured, args=(work, path, queue))
                process.start()
                count, seconds, megabytes = queue.get()
                process.join()
                alone = alone or seconds
                name = f"{write.__name__.removeprefix('write_')}: {work.__name__}"
                ratio = f"{seconds / alone:.1f}x"
                print(f"{name:<32}{count:>12,}{seconds:>8.1f}{megabytes:>8.0f}{ratio:>14}")
            path.unlink()


if __name__ == "__main__":
    main()
