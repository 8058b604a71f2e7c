import numpy as np
import psutil
import pytest

from lib.training import backends, batches


@pytest.fixture
def feed():
    return batches.feed(
        np.zeros((64, 2), np.float32),
        np.zeros(64, np.int32),
        batch_size=8,
        transform=lambda rows, draws: rows,
        seed=1,
        shuffle=True,
    )


@pytest.mark.skipif(backends.current() != "tensorflow", reason="tf.data is TensorFlow's")
def test_the_end_of_a_training_waits_for_no_thread(feed):
    """See `_by_tensorflow`: about every second training was waited for; which ones is chance."""
    assert feed.options().autotune.enabled is False


def test_rows_are_fed_in_place_where_they_can_be_and_right_in_any_case():
    made = batches.empty((5, 3), np.float32)
    made[:] = np.arange(15).reshape(5, 3)
    assert batches.aligned(made) is made
    unchangeable = made.copy()
    unchangeable.flags.writeable = False
    for x in (made, made[1:], made[:, 1:], made[::2], unchangeable):
        labels = np.arange(len(x), dtype=np.int32)
        settings = {"transform": lambda rows, draws: rows, "seed": 1, "shuffle": False}
        fed = batches.batches(batches.feed(x, labels, 2, **settings))
        np.testing.assert_array_equal(np.concatenate([rows for rows, _ in fed]), x)


def test_rows_are_in_memory_once():
    large = batches.empty((1000, 100_000), np.float32)
    large[:] = 1
    before = psutil.Process().memory_info().rss
    settings = {"transform": lambda rows, draws: rows, "seed": 1, "shuffle": False}
    fed = batches.feed(large, np.zeros(1000, np.int32), 8, **settings)
    next(iter(batches.batches(fed)))
    assert psutil.Process().memory_info().rss - before < large.nbytes / 2
