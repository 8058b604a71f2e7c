import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.quantities import QUANTITIES, number, ordered, quantity


@pytest.mark.parametrize(
    ("column", "values", "unit", "factor"),
    [
        ("energy_consumed", [0.3, 0.2], "kWh", 1),
        ("energy_consumed", [0.0003], "Wh", 1e3),
        ("energy_consumed", [2e-6], "mWh", 1e6),
        ("energy_consumed", [1e-12], "mWh", 1e6),
        ("emissions", [0.004], "g CO₂-eq", 1e3),
        ("flops", [58572474240], "G", 1e-9),
        ("duration", [1e-5], "s", 1),
    ],
)
def test_a_measure_is_shown_in_the_unit_that_leaves_the_fewest_zeros(column, values, unit, factor):
    found, shown = quantity(column).scaled_to(values)
    assert (shown.unit, found) == (unit, factor)


@pytest.mark.parametrize("values", [[], [math.nan], [0.0], [math.inf]])
def test_a_unit_is_found_for_values_that_have_no_size(values):
    assert quantity("energy_consumed").scaled_to(values) == (1.0, QUANTITIES["energy_consumed"])


def test_a_column_without_an_entry_is_called_by_its_own_name():
    assert quantity("image_colour").label == "Image colour"
    assert quantity("gap_estimated_percent").label == "Gap estimated (%)"
    assert quantity("for_5%_difference").label == "For 5 % difference"
    assert quantity("lowest_gpu_energy").label == "Lowest GPU energy (kWh)"


def test_limits_have_the_unit_of_what_they_limit():
    for column in ("energy_consumed", "net_energy", "emissions", "score_ratio_of_means", "slope"):
        for end, word in {"low": "95 % from", "high": "95 % to"}.items():
            limit = quantity(f"{column}_{end}")
            assert limit == replace(quantity(column), name=word)
            assert limit.is_limit
    assert quantity("constant_power_low_W").label == "95 % from (W)"


def test_levels_stand_in_the_papers_order_and_then_in_that_of_the_alphabet():
    levels = ["mobilenet", "ResNet50", "mnist", "VGG19", None, "cifar10", "DenseNet121", "VGG16"]
    expected = ["VGG16", "VGG19", "ResNet50", "cifar10", "mnist", "DenseNet121", "mobilenet"]
    assert ordered(levels) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.058334, "0.05833"),
        (10327.054, "10,327"),
        (21268268928, "21,268,268,928"),
        (-0.0605, "−0.06050"),
        (0, "0"),
        (math.nan, ""),
        (None, ""),
        (math.inf, "∞"),
        (2.7e-8, "2.700e−08"),
    ],
)
def test_numbers_have_sensible_digits(value, text):
    assert number(value) == text


@given(st.floats(1e-5, 1e12))
def test_a_shown_number_is_the_number_to_three_digits(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=1e-3)


def test_numbers_in_levels_are_ordered_by_size():
    assert ordered([128, 32, 8]) == ["8", "32", "128"]
    assert ordered(["batch_size: 128", "batch_size: 64"]) == ["batch_size: 64", "batch_size: 128"]
    assert ordered([0.01, 0.002, 0.1]) == ["0.002", "0.01", "0.1"]
    assert ordered(["8", "none", "DenseNet121"]) == ["8", "DenseNet121", "none"]
