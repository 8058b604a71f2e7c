import json
import shutil

import pandas as pd
import pytest

from lib import records
from lib.analysis import papers_tests, results
from lib.study.folder import StudyFolder
from lib.study.study import read_back
from tests import needs, small_study


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study that nobody changes."""
    return small_study.make(tmp_path_factory.mktemp("studies") / "small")


@pytest.fixture(scope="module")
def study(made):
    return results.load(made)


@pytest.fixture
def folder(made, tmp_path):
    """A study to be changed."""
    return shutil.copytree(made, tmp_path / "small")


def test_a_study_is_read_with_its_plan_and_title(study):
    assert study.title == "Three networks on two datasets"
    assert len(study.completed) == len(study.planned) == 18
    assert list(study.treatments) == ["measured"]
    assert "treatment" not in study.runs
    assert study.missing == ()
    assert len(study.histories) == 18
    assert len(study.trace) == 5
    assert study.traced_run in set(study.completed["run_id"])


def test_power_is_energy_over_duration(study):
    expected = study.runs["energy_consumed"] * 3.6e6 / 40
    pd.testing.assert_series_equal(study.runs["power"], expected, check_names=False)


def test_failed_and_missing_runs_are_told_apart(tmp_path):
    failed = results.load(small_study.make(tmp_path / "a", failed="out of memory"))
    assert (len(failed.results), len(failed.completed), failed.missing) == (18, 17, ())
    partial = results.load(small_study.make(tmp_path / "b", unfinished=True))
    assert (len(partial.results), len(partial.missing)) == (17, 1)


def test_a_damaged_record_is_named_and_the_others_are_read(folder):
    victim = sorted((folder / "runs").glob("*/run.json"))[0]
    victim.write_text(victim.read_text()[:100])
    study = results.load(folder)
    assert len(study.completed) == 17
    assert victim.parent.name in study.damaged[0]


@pytest.mark.parametrize("text", ["", "time,power\n1,2\n", "\udcff"])
def test_a_damaged_trace_is_named_and_the_next_one_shown(folder, study, text):
    first = study.traced_run
    trace = folder / "runs" / first / "power.csv"
    trace.write_bytes(text.encode(errors="surrogateescape"))
    study = results.load(folder)
    assert study.traced_run != first
    assert len(study.trace) == 5
    assert study.unusable[0].startswith(f"{first}/power.csv: can't be read")


def test_a_column_of_the_authors_package_makes_no_study_theirs(folder):
    path = sorted((folder / "runs").glob("*/run.json"))[0]
    record = records.read(path)
    record.model_copy(update={"extra": {"campaign": 3}}).write(path.parent)
    assert not results.load(folder).is_the_papers


def test_results_without_records_are_read_too(study, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    records.write_results(study.results, other)
    study = results.load(other)
    assert (len(study.completed), study.planned, study.title) == (18, (), "other")


@pytest.mark.parametrize("make", [False, True])
def test_nothing_to_read_says_what_to_run(tmp_path, make):
    folder = tmp_path / "none"
    if make:
        folder.mkdir()
    with pytest.raises(results.NoResultsError, match=r"python run_all\.py") as error:
        results.load(folder)
    assert "\n" not in str(error.value)
    assert error.value._render_traceback_() == [f"NoResultsError: {error.value}"]


@pytest.mark.parametrize("text", ["", "- a\n- b", "title: [", "no: title"])
def test_a_study_without_a_title_has_the_name_of_its_folder(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    study = read_back(StudyFolder(tmp_path))
    assert study is None or study.title == tmp_path.name


VARIANTS = ({}, {"features": "cached"}, {"head": "linear", "features": "cached"})


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies") / "varied"
    return results.load(small_study.make(folder, datasets=("digits",), variants=VARIANTS))


def test_runs_of_several_variants_are_kept_apart(varied):
    assert varied.configuration == ["architecture", "dataset", "variant"]
    names = {"reference", "features: cached", "head: linear, features: cached"}
    assert set(varied.completed["variant"]) == names
    assert set(varied.completed.groupby(varied.configuration).size()) == {3}
    for table in (varied.ranked, varied.best_compared, varied.configurations):
        assert len(table) == 9
        assert set(table["variant"]) == names
    # The frugal ones reach less; the front has both.
    best = varied.best_compared[varied.best_compared["pareto"]]
    assert set(best["variant"]) == names


def test_the_papers_tests_are_made_within_a_variant(varied):
    tests = varied.tests
    of_energy = tests[tests["response"] == "energy_consumed"]
    overall = of_energy[(of_energy["test"] == "Kruskal-Wallis") & (of_energy["within"] == "")]
    architectures = overall[overall["factor"] == "architecture"]
    assert set(architectures["variant"]) == set(varied.completed["variant"])
    assert set(architectures["n"]) == {"3, 3, 3"}


def test_a_result_that_some_runs_call_variant_is_none(tmp_path):
    folder = small_study.make(tmp_path / "s", datasets=("digits",))
    path = next((folder / "runs").glob("*/run.json"))
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"extra": record["extra"] | {"variant": "mine"}}))
    assert "variant" not in results.load(folder).configuration


def test_an_ordinary_study_has_no_variants(tmp_path):
    study = results.load(small_study.make(tmp_path / "s", datasets=("digits",)))
    assert study.configuration == ["architecture", "dataset"]
    for table in (study.results, study.tests, study.ranked, study.best_compared):
        assert "variant" not in table
    assert study.saved.empty


def test_flops_come_from_a_run_that_could_count_them(tmp_path):
    folder = small_study.make(
        tmp_path / "s", datasets=("digits",), variants=({}, {"head": "linear"}, {"backend": "jax"})
    )
    for path in folder.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        if record["config"]["backend"] == "jax" or record["config"]["head"] == "linear":
            record |= {"flops": None, "flops_head": None, "flops_training": None}
            path.write_text(json.dumps(record))
    flops = results.load(folder).completed.groupby("variant")["flops"]
    assert set(flops.get_group("backend: jax")) == set(small_study.FLOPS.values())
    assert flops.get_group("head: linear").isna().all()


@needs.replication
def test_the_papers_data_have_two_readings_of_the_kaggle_runs(authors, tmp_path):
    records.write_results(authors.results, tmp_path)
    study = results.load(tmp_path)
    assert study.is_the_papers
    assert {name: len(runs) for name, runs in study.treatments.items()} == {
        "as published": 45,
        "corrected": 45,
    }
    assert len(study.metered) == 18
    assert len(study.configurations) == 6
    assert study.variants.names.nunique() == 1
    assert list(dict.fromkeys(study.ranked["treatment"])) == ["as published", "corrected"]


def test_the_papers_tests_are_made_within_the_first_of_very_many_variants(monkeypatch):
    """Within hundreds they would take minutes, and nobody reads them."""
    asked = []
    monkeypatch.setattr(
        papers_tests, "study_tests", lambda runs: asked.append(set(runs["variant"])) or []
    )
    count = 3 * papers_tests.MOST_TESTED
    runs = pd.DataFrame({"variant": [f"batch_size: {n}" for n in range(count)]})
    papers_tests.table(runs)
    assert len(asked) == papers_tests.MOST_TESTED
    assert len(papers_tests.tested_variants(runs)) == papers_tests.MOST_TESTED
