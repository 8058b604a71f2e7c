import numpy as np
import pytest

from lib import backends, feeding


@pytest.fixture
def feed():
    return feeding.feed(
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
