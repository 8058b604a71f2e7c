import pytest

from tests.training import small_base


@pytest.fixture(scope="module")
def few_layers():
    """Let the bases of VGG16 and MobileNetV2 be small ones in the tests of a module."""
    with small_base.in_place():
        yield
