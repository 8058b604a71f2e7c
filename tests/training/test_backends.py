import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lib.study.catalog import BACKENDS, backend_installed
from lib.training import backends
from tests.training import small_base
from tests.training.on_backend import STARTED

ROOT = Path(__file__).resolve().parents[2]


def test_notes_are_held_back_and_kept(capfd):
    with backends._notes_held_back() as notes:
        os.write(2, b"no GPU\n")
    assert notes == ["no GPU\n"]
    assert capfd.readouterr().err == ""


def test_notes_are_shown_when_the_start_fails(capfd):
    def start():
        with backends._notes_held_back():
            os.write(2, b"a library is missing\n")
            raise ImportError

    with pytest.raises(ImportError):
        start()
    assert "a library is missing" in capfd.readouterr().err


def test_another_backend_in_the_same_process_is_refused():
    import keras

    other = next(name for name in BACKENDS if name != keras.backend.backend())
    if not backend_installed(other):
        pytest.skip(f"{other} is not installed")
    with pytest.raises(backends.BackendError, match="restart the kernel"):
        backends.use(other)
    assert os.environ.get("KERAS_BACKEND") != other


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """What each installed backend computes from the same weights, images and random numbers."""
    import keras

    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(1)
    small_base.build().save_weights(folder / "base.weights.h5")
    numbers = np.random.default_rng(3)
    kernel = numbers.normal(scale=0.05, size=(small_base.CHANNELS, 10)).astype("float32")
    np.savez(folder / "head.npz", kernel_0=kernel, kernel_1=np.zeros(10, "float32"))
    labels = np.arange(50) % 10
    pixels = numbers.integers(0, 256, (50, 32, 32), np.uint8)
    test = {"x_test": pixels[:20], "y_test": labels[:20]}
    np.savez(folder / "tiles.npz", x_train=pixels, y_train=labels, **test)
    # What it compiles runs for milliseconds.
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    at_once = {
        name: subprocess.Popen(
            [sys.executable, "-m", "tests.training.on_backend", name, str(folder)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in filter(backend_installed, BACKENDS)
    }
    found = {}
    for name, process in at_once.items():
        said, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        found[name] = json.loads(said) | {"said": errors}
    return found


def test_a_backend_starts_without_notes(computed):
    for name, found in computed.items():
        assert found["backend"] == name
        assert found["said"].startswith(f"{STARTED}\n")


@pytest.fixture(params=["jax", "torch"])
def pair(request, computed):
    """What another backend computes, and what TensorFlow does."""
    if request.param not in computed:
        pytest.skip(f"{request.param} is not installed")
    return computed[request.param], computed["tensorflow"]


def test_every_backend_augments_alike(pair):
    ours, theirs = pair
    np.testing.assert_allclose(ours["warped"], theirs["warped"], atol=0.02)  # of 255


def test_every_backend_learns_alike_from_the_same_weights(pair):
    ours, theirs = pair
    for name in ("loss", "val_loss"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4)
    for mine, reference in zip(ours["head"], theirs["head"], strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-3, atol=1e-5)


def test_flops_of_an_epoch_need_no_tensorflow_beside_the_backend(pair):
    ours, theirs = pair
    assert ours["loaded_beside"] == [], "TensorFlow takes seconds and memory of those who train"
    assert ours["flops_epoch"] == theirs["flops_epoch"] > 0
    assert theirs["flops"] > 0
    assert ours["flops"] is None, "test_shipped_studies.py has those of a process of TensorFlow"
    assert ours["reason"].startswith("keras-flops needs TensorFlow, which is not installed beside")


def test_every_pass_over_the_images_is_whole_shuffled_anew_and_follows_from_the_seed(computed):
    for found in computed.values():
        first, second = found["passes"]
        assert sorted(first) == sorted(second) == found["labels"]
        assert first != second
        assert found["passes_differ"]
        assert found["again"]


def test_every_backend_learns_from_cached_features_after_a_warm_up(computed):
    for found in computed.values():
        assert np.isfinite(found["cached_losses"]).all()
        assert len(found["cached_losses"]) == 2


def test_a_training_after_its_warm_up_compiles_nothing(computed):
    """Else its time and energy would hold that of compiling, which differs between frameworks.

    What remains on TensorFlow is the map of each `tf.data` pipeline, some 15 ms.
    """
    for name, found in computed.items():
        assert found["made_anew"] == [], name
