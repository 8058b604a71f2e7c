import numpy as np
import pandas as pd
import pytest

from lib.analysis import questions, savings, variants
from lib.analysis.variants import REFERENCE, VARIED
from lib.study.config import RunConfig


def history(energies, accuracies):
    return pd.DataFrame({"energy_consumed": energies, "val_accuracy": accuracies})


def study(*configurations):
    """Runs and histories of (architecture, variant, histories): accuracy is that of the end."""
    rows, histories = [], {}
    for architecture, variant, runs in configurations:
        for place, one in enumerate(runs):
            name = f"{architecture}-{variant}-{place}"
            histories[name] = one
            rows.append(
                {
                    "run_id": name,
                    "architecture": architecture,
                    "dataset": "digits",
                    "variant": variant,
                    "accuracy": one["val_accuracy"].iloc[-1],
                    "energy_consumed": one["energy_consumed"].iloc[-1],
                }
            )
    return pd.DataFrame(rows), histories


def row(table, architecture, variant, base):
    keys = ["architecture", "variant", "compared_with"]
    return table.set_index(keys).loc[(architecture, variant, savings.reference_name(base))]


REFERENCE_RUNS = [
    history([1.0, 2.0, 3.0, 4.0], [0.5, 0.7, 0.8, 0.75]),
    history([1.0, 2.0, 3.0, 4.0], [0.4, 0.6, 0.9, 0.9]),
]
CACHED = [history([0.2, 0.4, 0.6], [0.5, 0.6, 0.7]), history([0.2, 0.4, 0.6], [0.3, 0.8, 0.7])]


def test_energy_at_equal_accuracy_by_hand():
    runs, histories = study(
        ("VGG16", REFERENCE, REFERENCE_RUNS), ("VGG16", "features: cached", CACHED)
    )
    found = row(savings.savings(runs, histories, "VGG16"), "VGG16", "features: cached", "VGG16")
    # Mean curves: 0.45 0.65 0.85 0.825 against 0.4 0.7 0.7; 95 % of the lower best is 0.665.
    assert found["equal_accuracy"] == pytest.approx(0.665)
    assert (found["reached"], found["reference_reached"]) == (2, 2)
    assert found["energy_to_equal"] == pytest.approx(0.2 + 0.2 * 0.265 / 0.3)
    assert found["reference_energy_to_equal"] == pytest.approx(2 + 0.015 / 0.2)
    saved = 1 - found["energy_to_equal"] / found["reference_energy_to_equal"]
    assert found["saved_percent"] == pytest.approx(100 * saved)
    assert found["energy_ratio"] == pytest.approx(0.6 / 4)
    assert found["accuracy_difference"] == pytest.approx(0.7 - 0.825)
    assert (found["runs"], found["accuracy"]) == (2, pytest.approx(0.7))


def test_nothing_is_saved_at_an_accuracy_that_guessing_has_too():
    guesses = [history([0.1, 0.2], [0.1, 0.12])]
    runs, histories = study(("VGG16", REFERENCE, REFERENCE_RUNS), ("MobileNetV2", "", guesses))
    runs["data_classes"], runs["data_test_images"] = 10, 500
    found = row(savings.savings(runs, histories, "VGG16"), "MobileNetV2", "", "VGG16")
    assert np.isnan(found["saved_percent"])
    assert "no energy at equal accuracy: it is hardly above chance level" in found["reason"]
    runs["data_test_images"] = 10_000
    found = row(savings.savings(runs, histories, "VGG16"), "MobileNetV2", "", "VGG16")
    # 95 % of 0.12 lies 0.7 of the way through the second epoch.
    assert found["saved_percent"] == pytest.approx(100 * (1 - 0.17 / 1))


def test_an_architecture_is_set_against_its_own_reference_and_the_studys():
    small = [history([0.5, 1.0], [0.6, 0.9])] * 2
    smaller = [history([0.1, 0.2], [0.6, 0.9])] * 2
    runs, histories = study(
        ("VGG16", REFERENCE, REFERENCE_RUNS),
        ("MobileNetV2", REFERENCE, small),
        ("MobileNetV2", "features: cached", smaller),
    )
    table = savings.savings(runs, histories, "VGG16")
    assert len(table) == 4
    assert list(table.loc[table["compared_with"] == "", "architecture"]) == ["VGG16"]
    other = row(table, "MobileNetV2", REFERENCE, "VGG16")
    assert other["equal_accuracy"] == pytest.approx(0.95 * 0.85)
    to_equal = 0.5 + 0.5 * (0.95 * 0.85 - 0.6) / 0.3, 2 + (0.95 * 0.85 - 0.65) / 0.2
    assert other["saved_percent"] == pytest.approx(100 * (1 - to_equal[0] / to_equal[1]))
    own = row(table, "MobileNetV2", "features: cached", "MobileNetV2")
    assert own["saved_percent"] == pytest.approx(80)


def test_ratios_have_an_interval_from_two_runs_on():
    wide = [history([4.0 + n / 10], [0.8]) for n in range(2)]
    thin = [history([2.0 + n / 10], [0.8]) for n in range(2)]
    runs, histories = study(("VGG16", REFERENCE, wide), ("VGG16", "head: linear", thin))
    found = row(savings.savings(runs, histories, "VGG16"), "VGG16", "head: linear", "VGG16")
    assert found["energy_ratio_low"] < found["energy_ratio"] < found["energy_ratio_high"]
    assert found["reason"] is None
    few, histories = study(("VGG16", REFERENCE, wide[:1]), ("VGG16", "head: linear", thin[:1]))
    found = row(savings.savings(few, histories, "VGG16"), "VGG16", "head: linear", "VGG16")
    assert np.isnan(found["energy_ratio_low"])
    assert "one run alone has no spread" in found["reason"]


def test_a_ratio_has_the_limits_that_it_has_as_an_answer():
    """By the scatter alone they would be a tenth as wide: the energies are modelled."""
    wide = [history([1.3 + n / 100], [0.8]) for n in range(5)]
    thin = [history([1.0 + n / 100], [0.8]) for n in range(5)]
    runs, histories = study(("VGG19", REFERENCE, wide), ("VGG16", REFERENCE, thin))
    modelled = {"cpu_method": "load model (TDP 100 W)", "duration": 3600.0, "machine": "a"}
    runs = runs.assign(cpu_energy=runs["energy_consumed"], **modelled)
    saved = row(savings.savings(runs, histories, "VGG16"), "VGG19", REFERENCE, "VGG16")
    (pair,) = questions.answer(runs, None).pairs
    limits = saved["energy_ratio_low"], saved["energy_ratio_high"]
    assert (pair.low, pair.high) == pytest.approx(limits, rel=0.02)
    assert pair.high / pair.low > 2


@pytest.mark.parametrize(
    ("histories", "said"),
    [
        ({}, "no run has the energy of its epochs"),
        ({"VGG16-head: linear-0": CACHED[0]}, "no run of the reference has the energy"),
        (
            {
                "VGG16-head: linear-0": CACHED[0],
                "VGG16-reference-0": history([np.nan, np.nan], [0.5, 0.6]),
            },
            "no run of the reference has the energy",
        ),
    ],
)
def test_what_cannot_be_compared_says_why(histories, said):
    runs, _ = study(("VGG16", REFERENCE, REFERENCE_RUNS), ("VGG16", "head: linear", CACHED))
    found = row(savings.savings(runs, histories, "VGG16"), "VGG16", "head: linear", "VGG16")
    assert np.isnan(found["saved_percent"])
    assert said in found["reason"]
    assert found["energy_ratio"] == pytest.approx(0.15)


def test_without_a_reference_there_is_nothing_but_the_means():
    runs, histories = study(("VGG16", "head: linear", CACHED))
    found = row(savings.savings(runs, histories, "VGG16"), "VGG16", "head: linear", "VGG16")
    assert found["reason"] == "there is no run of VGG16, reference"
    assert found["energy_consumed"] == pytest.approx(0.6)
    assert np.isnan(found["energy_ratio"])


def test_p_is_adjusted_for_all_comparisons_with_the_same_reference():
    rng = np.random.default_rng(2)
    arms = {
        name: [history(rng.normal(1, 0.1, 1) * factor, [0.8]) for _ in range(4)]
        for name, factor in {REFERENCE: 1, "head: linear": 0.6, "precision: mixed": 0.97}.items()
    }
    runs, histories = study(*(("VGG16", name, arm) for name, arm in arms.items()))
    table = savings.savings(runs, histories, "VGG16")
    linear = row(table, "VGG16", "head: linear", "VGG16")
    mixed = row(table, "VGG16", "precision: mixed", "VGG16")
    assert linear["p_holm"] == pytest.approx(2 * linear["p"])
    assert linear["p_holm"] < 0.05
    assert mixed["p_holm"] == mixed["p"] > 0.05
    assert linear["saved_percent_low"] < linear["saved_percent"] < linear["saved_percent_high"]


def test_places_are_compared_each_for_itself():
    runs, histories = study(("VGG16", REFERENCE, REFERENCE_RUNS), ("VGG16", "head: linear", CACHED))
    runs["location"] = ["USA", "TWN", "USA", "TWN"]
    table = savings.savings(runs, histories, "VGG16")
    assert list(table.columns[:2]) == ["location", "dataset"]
    assert (table["runs"] == 1).all()


def test_every_option_says_what_it_changes():
    fields = RunConfig.model_fields
    assert all(name in savings.CHANGES or fields[name].description for name in VARIED)
    assert set(savings.CHANGES) <= set(VARIED)


def test_only_what_varies_is_explained_with_its_number_of_views():
    table = pd.DataFrame(
        {
            "architecture": "VGG16",
            "dataset": "digits",
            "features": ["online", "cached", "online", "online"],
            "views": 3,
            "batch_size": [32, 32, 64, 128],
        }
    )
    cached, batch = savings.explained(variants.of(table, None), table)
    assert cached.startswith("features: cached (instead of online): the frozen base sees 3 fixed")
    assert batch.startswith("batch_size: 64 or 128 (instead of 32): another number of steps")
