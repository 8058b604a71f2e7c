import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.analysis import papers_tests
from lib.stats import hypotests

# What another test left open may be found, and warned of, in any.
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")

KAGGLE = Path(__file__).resolve().parents[2].parent / "shared" / "replication" / "kaggle"


@pytest.fixture
def study():
    """Two architectures on two datasets, six repetitions, and the FLOPs of each configuration."""
    rng = np.random.default_rng(7)
    rows = [
        (architecture, dataset, "FRA", repetition, energy * rng.uniform(0.9, 1.1), flops)
        for architecture, energy in {"VGG16": 1.0, "VGG19": 1.2, "ResNet50": 3.0}.items()
        for dataset, flops in {"mnist": 2, "cifar10": 1}.items()
        for repetition in range(6)
    ]
    columns = ["architecture", "dataset", "location", "repetition", "energy_consumed", "flops"]
    df = pd.DataFrame(rows, columns=columns)
    return df.assign(flops=df["flops"] + df["architecture"].str.len())


def test_a_study_is_asked_the_papers_questions(study):
    found = hypotests.to_frame(papers_tests.study_tests(study, ["energy_consumed", "accuracy"]))
    energy = found[found["response"] == "energy_consumed"]
    by_architecture = energy[energy["factor"] == "architecture"]
    assert by_architecture["test"].value_counts().to_dict() == {"Dunn": 9, "Kruskal-Wallis": 3}
    assert by_architecture["p_holm"].notna().all()
    largest = by_architecture.query("test == 'Kruskal-Wallis'").set_index("within")["assessment"]
    assert largest["dataset = mnist"] == "significant"
    location = energy[energy["factor"] == "location"]
    assert set(location["reason"]) == {"location has one level only, FRA"}
    accuracy = found[found["response"] == "accuracy"]
    assert set(accuracy["reason"]) == {"the table has no column accuracy"}


def test_flops_count_once_a_configuration(study):
    found = hypotests.to_frame(papers_tests.study_tests(study, ["flops"]))
    assert found.query("test == 'point-biserial'")["n"].item() == "3, 3"
    assert "location" not in set(found["factor"])


def test_machines_are_compared_where_there_are_several(study):
    one = study.assign(machine="a")
    found = hypotests.to_frame(papers_tests.study_tests(one, ["energy_consumed"]))
    assert "machine" not in set(found["factor"])
    slower = study["repetition"] > 2
    two = study.assign(
        machine=np.where(slower, "b", "a"), energy_consumed=study["energy_consumed"] + 9 * slower
    )
    found = hypotests.to_frame(papers_tests.study_tests(two, ["energy_consumed", "flops"]))
    machine = found[found["factor"] == "machine"]
    assert set(machine["response"]) == {"energy_consumed"}
    assert (machine.query("test == 'Kruskal-Wallis'")["p_holm"] < 0.05).all()


@pytest.mark.parametrize("df", [pd.DataFrame(), pd.DataFrame({"energy_consumed": [1.0, 2]})])
def test_a_table_without_a_study_gives_reasons_only(df):
    found = papers_tests.study_tests(df)
    assert found
    assert all(item.reason and math.isnan(item.p) for item in found)


# The paper's tables 3 to 5, from its raw rows as they stand.


@pytest.fixture(scope="module")
def published():
    if not KAGGLE.is_dir():
        pytest.skip("the authors' raw data are not beside this repository")
    logs = [
        pd.read_csv(path).assign(file=path.name, row=lambda log: range(len(log)))
        for path in sorted(KAGGLE.glob("emissions_*.csv"))
    ]
    giga = {"VGG16": (21.268268928, 46.339966848), "VGG19": (26.70493888, 58.57247424),
            "ResNet50": (6.6754944, 16.289166848)}  # fmt: skip
    names = pd.read_csv(KAGGLE / "accuracy.csv")
    df = pd.concat(logs).merge(names, on=["file", "row"], validate="1:1")
    flops = [giga[a][d == "MNIST"] for a, d in zip(df["architecture"], df["dataset"], strict=True)]
    return df.rename(columns={"region": "location"}).assign(flops=flops)


def test_the_papers_tables_3_to_5(published):
    found = hypotests.to_frame(papers_tests.study_tests(published))
    overall = found[found["within"] == ""].set_index(["test", "factor", "response"]).sort_index()
    r = overall.loc[("point-biserial", "dataset"), "statistic"]
    assert r["emissions"] == pytest.approx(-0.0605, abs=1e-4)
    assert r["energy_consumed"] == pytest.approx(-0.4135, abs=1e-4)
    assert r["flops"] == pytest.approx(-0.6233, abs=1e-4)
    p = overall.loc["Kruskal-Wallis", "p"]
    assert p["architecture", "emissions"] < 0.001
    assert p["architecture", "energy_consumed"] < 0.001
    assert round(p["architecture", "flops"], 4) == 0.1561
    assert p["location", "emissions"] < 0.001
    assert round(p["location", "energy_consumed"], 4) == 0.6509
