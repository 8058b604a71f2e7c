import os

import pytest

from lib.training import backends
from tests.training import small_base

# As a run does, before a test imports Keras with all that it offers.
backends.use(os.environ.get("KERAS_BACKEND", "tensorflow"))


@pytest.fixture(scope="module")
def few_layers():
    """Let the bases of VGG16 and MobileNetV2 be small ones in the tests of a module."""
    with small_base.in_place():
        yield


@pytest.fixture
def few_blocks():
    """Let bases of many alike blocks have few of them."""
    with small_base.few_blocks():
        yield
