import pandas as pd
import pytest

from lib.logs import treatments
from tests import needs
from tests.paper.test_published import run

pytestmark = needs.replication


@pytest.fixture(scope="module")
def results(authors):
    return authors.results


def test_treatments_differ_in_counters_and_scores_only(results):
    as_published, corrected = treatments.treatments(results).values()
    assert list(as_published.columns) == list(corrected.columns)
    differing = {name for name in as_published if not as_published[name].equals(corrected[name])}
    assert differing == {
        *("duration", "emissions", "energy_consumed", "cpu_energy", "gpu_energy", "ram_energy"),
        *("score", treatments.SCORE_ENERGY),
    }


def test_scores_as_published_take_differences_within_an_architecture(results):
    treated = treatments.treatments(results)[treatments.AS_PUBLISHED]
    row = run(treated, "ResNet50", "cifar10", 1, "USA/oregon")
    assert row[treatments.SCORE_ENERGY] == row["energy_consumed"] == 0.206021548723355
    row = run(treated, "ResNet50", "cifar10", 2, "USA/oregon")
    assert row[treatments.SCORE_ENERGY] == pytest.approx(0.264432938940744 - 0.206021548723355)


def test_a_study_of_our_own_has_one_treatment(results):
    own = results.drop(columns=[name for name in results if name.endswith("_logged")])
    assert treatments.treatments(own).keys() == {treatments.MEASURED}


def test_the_authors_own_intermediate_scores_come_out(results):
    """`processed/scores.csv` is what Table 6 was printed from."""
    theirs = pd.read_csv(needs.REPLICATION / "processed" / "scores.csv")
    treated = treatments.treatments(results)[treatments.AS_PUBLISHED]
    kaggle = treated[treated["campaign"] == "kaggle"]
    means = kaggle.groupby(["location", "dataset", "architecture"])[
        ["accuracy", treatments.SCORE_ENERGY, "score"]
    ].mean()
    for row in theirs.itertuples():
        country = "TWN" if row.region == "taipei city" else "USA"
        ours = means.loc[f"{country}/{row.region}", row.data.lower(), row.architecture]
        assert ours.tolist() == pytest.approx([row.accuracy, row.energy, row.score], rel=1e-9)
