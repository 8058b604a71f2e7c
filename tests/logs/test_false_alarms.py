"""Sound rows of CodeCarbon, by version and machine: no doubt about them but those that are true.

Columns are those that each version writes: 1.x and 2.x as in `field_cases/`, 3.x by its source
(codecarbon/output_methods/emissions_data.py of 3.3.2; 3.0 has no utilisation and no water).
"""

import random
from datetime import datetime, timedelta

import numpy as np
import pytest

from lib import records
from lib.analysis.audit import DOUBT, FAULT, audit
from lib.paper import published


def _columns(head):
    return head.split(",")


VERSION_1 = _columns(
    "timestamp,experiment_id,project_name,duration,emissions,energy_consumed,country_name,"
    "country_iso_code,region,on_cloud,cloud_provider,cloud_region"
)
VERSION_2 = _columns(
    "timestamp,project_name,run_id,duration,emissions,emissions_rate,cpu_power,gpu_power,"
    "ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,"
    "region,cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,"
    "gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,on_cloud,pue"
)
VERSION_3_0 = [*VERSION_2[:3], "experiment_id", *VERSION_2[3:]]
VERSION_3_3 = [
    *VERSION_3_0[:14],
    "water_consumed",
    *VERSION_3_0[14:30],
    *("cpu_utilization_percent", "gpu_utilization_percent", "ram_utilization_percent"),
    *("ram_used_gb", "on_cloud", "pue", "wue"),
]
VERSIONS = {"1.2.0": VERSION_1, "2.3.4": VERSION_2, "3.0.4": VERSION_3_0, "3.3.2": VERSION_3_3}
NONE = {"gpu_count": "", "gpu_model": ""}
MACHINES = {
    "CPU only": (NONE, 45.0, 0.0),
    "RAPL": (NONE | {"cpu_model": "Intel(R) Xeon(R) Gold 6226R"}, 71.0, 0.0),
    "GPU": ({"gpu_count": 1, "gpu_model": "1 x Tesla V100-SXM2-32GB"}, 45.0, 180.0),
    "GPU at full load": ({"gpu_count": 1, "gpu_model": "1 x NVIDIA RTX 3090"}, 45.0, 340.0),
    "Mac": ({"gpu_count": 1, "gpu_model": "Apple M2", "cpu_model": "Apple M2"}, 9.0, 14.0),
}
SIDECAR = "file,row,architecture,dataset,repetition"
RUNS = [(architecture, n) for n in range(1, 5) for architecture in ("A", "B", "C")]
TRUE = {"RAM power was measured"}
"""It never is; and of CodeCarbon 1 nothing is known of components."""


def row(number, version, machine):
    """A run of ten minutes whose power scatters from run to run and from sample to sample.

    Each machine has a day of its own: CodeCarbon 1 does not tell them apart.
    """
    said, cpu, gpu = MACHINES[machine]
    day = 1 + list(MACHINES).index(machine)
    rng = random.Random(number)
    seconds = 600 * rng.uniform(0.98, 1.02)
    cpu, gpu, ram = cpu * rng.uniform(0.97, 1.03), gpu * rng.uniform(0.97, 1.03), 11.7
    last = 0.0 if version == "3.3.2" else (0.002 if "full load" in machine else 0.1)
    kwh = {"cpu": cpu, "gpu": gpu, "ram": ram}
    kwh = {name: watts * seconds / 3.6e6 for name, watts in kwh.items()}
    energy = sum(kwh.values())
    end = datetime(2024, 5, day) + timedelta(minutes=15 * number, seconds=seconds)
    return {
        "timestamp": f"{end:%Y-%m-%dT%H:%M:%S}",
        "project_name": "codecarbon",
        "run_id": f"run-{day}-{number}",
        "experiment_id": f"run-{day}-{number}" if version == "1.2.0" else "5b0fa12a",
        "duration": seconds,
        "emissions": 0.2 * energy,
        "emissions_rate": 0.2 * energy / seconds,
        "cpu_power": cpu * (1 + last * rng.uniform(-1, 1)),
        "gpu_power": gpu * (1 + last * rng.uniform(-1, 1)),
        "ram_power": ram,
        **{f"{name}_energy": value for name, value in kwh.items()},
        "energy_consumed": energy,
        "water_consumed": 0.0,
        "country_name": "Spain",
        "country_iso_code": "ESP",
        "region": "galicia",
        "os": "Linux-5.15",
        "python_version": "3.10.6",
        "codecarbon_version": version,
        "cpu_count": 16,
        "cpu_model": "AMD Ryzen 9 5950X",
        "longitude": -8.4,
        "latitude": 43.3,
        "ram_total_size": 31.2,
        "tracking_mode": "machine",
        "on_cloud": "N",
        "pue": 1.0,
        "wue": 0.0,
        **said,
    }


@pytest.fixture(scope="module", params=VERSIONS)
def imported(request, tmp_path_factory):
    """A version, and what an import finds of runs in a shuffled order, each row a run of its own:
    those of every machine, by its name.
    """
    version, folder = request.param, tmp_path_factory.mktemp("imported")
    order = RUNS.copy()
    random.Random(5).shuffle(order)
    lines, table = [",".join(VERSIONS[version])], [SIDECAR + ",accuracy"]
    for machine in MACHINES:
        for number, (architecture, repetition) in enumerate(order):
            one = row(number, version, machine)
            named = f"{architecture},cifar10,{repetition},0.{60 + number}"
            table.append(f"emissions.csv,{len(lines) - 1},{named}")
            lines.append(",".join(str(one.get(name, "")) for name in VERSIONS[version]))
    (folder / "emissions.csv").write_text("\n".join(lines) + "\n")
    (folder / "runs.csv").write_text("\n".join(table) + "\n")
    found = published.read_package(folder)
    assert not found.skipped
    results = found.results.sort_values("source_row")
    parts = np.split(np.arange(len(results)), len(MACHINES))
    return version, {name: results.iloc[rows] for name, rows in zip(MACHINES, parts, strict=True)}


@pytest.mark.parametrize("machine", MACHINES)
def test_sound_rows_are_accused_of_nothing(imported, machine):
    version, results = imported[0], imported[1][machine]
    assert [float(kwh) for kwh in results["energy_consumed"]] == (
        pytest.approx([row(n, version, machine)["energy_consumed"] for n in range(len(RUNS))])
    )
    assert "doubts" not in results
    assert "reasons" not in results
    table = records.table(records.from_row(one) for one in results.to_dict("records"))
    accused = {one.name: one.what for one in audit(table) if one.severity in (FAULT, DOUBT)}
    assert not {name: what for name, what in accused.items() if name not in TRUE}


def test_any_number_of_architectures_is_audited(tmp_path):
    rows = [row(number, "2.3.4", "CPU only") for number in range(180)]
    lines = [",".join(str(one.get(name, "")) for name in VERSION_2) for one in rows]
    (tmp_path / "emissions.csv").write_text("\n".join([",".join(VERSION_2), *lines]))
    named = [f"emissions.csv,{number},Net{number},cifar10,1" for number in range(180)]
    (tmp_path / "runs.csv").write_text("\n".join([SIDECAR, *named]))
    results = published.read_package(tmp_path).results
    table = records.table(records.from_row(one) for one in results.to_dict("records"))
    assert len(table) == 180
    assert FAULT not in {one.severity for one in audit(table)}
