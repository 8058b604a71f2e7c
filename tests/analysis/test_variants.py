import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.analysis import variants
from lib.analysis.variants import REFERENCE
from lib.study.config import RunConfig, Use, names
from lib.study.study import Study


def runs(**columns):
    return pd.DataFrame({"architecture": "VGG16", "dataset": "digits"} | columns)


def test_a_variant_names_what_differs_from_the_default():
    table = runs(
        head=["paper", "linear", "linear"],
        features=["online", "online", "cached"],
        batch_size=[32, 32, 32],
    )
    found = variants.of(table, None)
    assert list(found.names) == [REFERENCE, "head: linear", "head: linear, features: cached"]
    assert found.reference == {"head": "paper", "features": "online"}
    assert found.others == {"head": ("linear",), "features": ("cached",)}


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ({}, "32"),
        ({"defaults": {"batch_size": 64}}, "64"),
        ({"factors": {"batch_size": [128, 32]}}, "128"),
        ({"defaults": {"batch_size": 64}, "factors": {"batch_size": [128, 64]}}, "64"),
        ({"defaults": {"batch_size": 16}, "factors": {"batch_size": [128, 64]}}, "128"),
    ],
)
def test_the_reference_is_what_the_study_says_first_and_some_run_has(settings, reference):
    found = variants.of(runs(batch_size=[32, 64, 128]), Study(title="s", **settings))
    assert found.reference == {"batch_size": reference}


def test_without_a_run_of_the_default_the_first_variant_is_the_reference():
    settings = Study(title="s", variants=[{"batch_size": 64}, {"batch_size": 16}])
    found = variants.of(runs(batch_size=[16, 64]), settings)
    assert list(found.names) == ["batch_size: 16", REFERENCE]


def test_values_are_compared_as_a_run_has_them():
    settings = Study(title="s", factors={"learning_rate": ["1e-3", 0.01]})
    found = variants.of(runs(learning_rate=[0.001, 0.01]), settings)
    assert list(found.names) == [REFERENCE, "learning_rate: 0.01"]


def test_none_is_a_value_where_a_field_has_it_and_else_unknown():
    table = runs(early_stopping=[None, 3.0, None], epochs=[None, None, 50.0])
    found = variants.of(table, None)
    assert list(found.names) == [REFERENCE, "early_stopping: 3", REFERENCE]


def test_what_tells_runs_apart_anyway_is_no_variant():
    table = runs(repetition=[1, 2], seed=[1, 2], location=["a", "b"], idle_seconds=[0, 5])
    assert variants.of(table, None).names.nunique() == 1
    assert variants.named(table, None) is table


def test_weights_and_sizes_that_belong_to_a_network_or_a_dataset_are_no_variant():
    table = runs(
        architecture=["VGG16", "VGG19", "VGG16"],
        dataset=["digits", "digits", "mnist"],
        weights=["a", "b", "a"],
        image_size=[32, 32, 48],
    )
    assert variants.of(table, None).names.nunique() == 1
    other = table.assign(architecture="VGG16", dataset="digits")
    assert set(variants.of(other, None).reference) == {"weights", "image_size"}


def test_the_first_architecture_is_the_studys():
    table = runs(architecture=["ResNet50", "VGG19", "VGG16"])
    first = variants.first_architecture
    assert first(table, None) == "VGG16"
    assert (
        first(table, Study(title="s", factors={"architecture": ["ResNet50", "VGG19"]}))
        == "ResNet50"
    )
    assert first(table[:2], None) == "VGG19"


def test_the_runs_of_the_reference_are_those_of_the_first_variant():
    table = runs(variant=["views: 2", REFERENCE, "head: linear"])
    assert list(variants.reference_runs(table)["variant"]) == [REFERENCE]
    assert list(variants.reference_runs(table[::2])["variant"]) == ["head: linear"]
    assert variants.reference_runs(table.drop(columns="variant")).shape == (3, 2)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "head": st.sampled_from(["paper", "linear"]),
                "batch_size": st.sampled_from([16, 32, 64]),
                "early_stopping": st.sampled_from([None, 2, 3]),
                "learning_rate": st.sampled_from([None, 0.1, 0.001]),
            }
        ),
        min_size=1,
        max_size=12,
    )
)
def test_two_runs_have_one_variant_exactly_if_they_agree(cells):
    table = pd.DataFrame([{"architecture": "VGG16", "dataset": "digits", **c} for c in cells])
    names = list(variants.of(table, None).names)
    for one, name in zip(cells, names, strict=True):
        for other, its in zip(cells, names, strict=True):
            assert (one == other) == (name == its)


def test_every_field_is_apart_or_told():
    table = pd.DataFrame({name: ["a", "b"] for name in RunConfig.model_fields})
    found = variants.of(table.assign(architecture="VGG16", dataset="digits"), None)
    apart = names(*(use for use in Use if use is not Use.CONFIGURATION))
    assert {*found.reference, *apart, "architecture", "dataset"} == {*RunConfig.model_fields}
