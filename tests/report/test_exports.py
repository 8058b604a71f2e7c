import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from lib.analysis import results
from lib.report import exports
from lib.report.exports import boamps, model_card
from tests import small_study

SCHEMAS = Path(exports.__file__).parent / "schemas"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    small_study.make(folder, location="USA/oregon")
    return results.load(folder)


@pytest.fixture(scope="module")
def validator():
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.glob("boamps_*.json")]
    resources = [
        (schema["id"], Resource.from_contents(schema, default_specification=DRAFT4))
        for schema in schemas
    ]
    report = next(schema for schema in schemas if schema["id"].endswith("report_schema.json"))
    return Draft4Validator(report, registry=Registry().with_resources(resources)), schemas


def keys(value):
    if isinstance(value, dict):
        return set(value) | {key for one in value.values() for key in keys(one)}
    return {key for one in value for key in keys(one)} if isinstance(value, list) else set()


def test_every_boamps_report_is_valid_and_has_known_keys_only(study, validator):
    check, schemas = validator
    files = exports.FORMATS["boamps"](study)
    assert len(files) == len(study.completed)
    known = keys([schema["properties"] for schema in schemas])
    for content in files.values():
        report = json.loads(content)
        assert list(check.iter_errors(report)) == []
        assert keys(report) <= known


def test_a_boamps_report_says_kwh_and_how_they_were_obtained(study):
    run = study.completed.iloc[0]
    report = json.loads(exports.FORMATS["boamps"](study)[f"boamps/{run['run_id']}.json"])
    (measure,) = report["measures"]
    assert measure["powerConsumption"] == run["energy_consumed"]
    assert measure["cpuTrackingMode"] == run["cpu_method"]
    assert report["environment"]["country"] == "USA"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.92, 1.05, "high"), (0.8, 1.1, "medium"), (0.5, 1.1, "low"), (None, None, "low")],
)
def test_the_quality_follows_from_the_limits(low, high, word):
    run = {"energy_consumed": 1.0, "energy_consumed_low": low, "energy_consumed_high": high}
    assert boamps.quality(run) == word


def test_a_model_card_has_grams(study):
    cards = exports.FORMATS["model-card"](study)
    assert len(cards) == study.completed.groupby(study.configuration).ngroups
    name, content = next(iter(cards.items()))
    assert name.endswith(".md")
    _, front, body = content.split("---\n", 2)
    found = yaml.safe_load(front)["co2_eq_emissions"]
    keyed = study.completed.groupby(study.configuration, sort=False)["emissions"].mean()
    assert found["emissions"] == pytest.approx(1000 * keyed.iloc[0], rel=1e-3)
    assert found["geographical_location"] == "USA/oregon"
    assert "Annex XI 1(2)(e)" in body


def test_without_a_place_a_card_claims_no_emissions(study):
    runs = study.completed.assign(emissions=None, location=None)
    assert "co2_eq_emissions" not in model_card.metadata(runs)
    assert "**CO₂-eq of the final model**: unknown" in model_card.card(study, runs)


def test_emissions_of_a_part_are_not_those_of_all_experiments(study):
    said = "**CO₂-eq of all experiments**: "
    assert f"{said}unknown" not in model_card.card(study, study.completed)
    intensities = study.completed["carbon_intensity"].where(study.completed.index > 0)
    part = replace(study, results=study.completed.assign(carbon_intensity=intensities))
    assert f"{said}unknown" in model_card.card(part, part.completed)


def test_sci_is_called_what_it_is(study):
    (content,) = exports.FORMATS["sci"](study).values()
    said = json.loads(content)
    assert said["score"] == "O per R"
    for row in said["configurations"]:
        assert row["M_gCO2eq"] is None
        energy, intensity = row["E_kWh"], row["I_gCO2eq_per_kWh"]
        assert row["O_gCO2eq_per_R"] == pytest.approx(energy * intensity)
    assert not pd.isna(said["configurations"][0]["E_kWh_95"]).any()


def test_exports_are_written_into_the_study(study):
    paths = exports.write(study, "sci")
    assert [path.relative_to(study.folder).as_posix() for path in paths] == ["exports/sci.json"]


def test_the_text_for_a_paper_is_computed_from_the_study(study):
    files = exports.FORMATS["paper"](study)
    assert set(files) == {"methods.md", "methods.tex", "references.bib"}
    said = files["methods.md"]
    for word in ("## Methods", "construct", "conclusion", "CPU: load model", "shuffled with seed"):
        assert word in said
    assert "may be off by" in said
    assert "\\section{Methods}" in files["methods.tex"]
    assert " %" not in files["methods.tex"].replace("\\%", "")
