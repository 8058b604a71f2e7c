"""Build a network of one's own by the function that a study names.

`build(image_size, classes)` returns a Keras model: from float32 [batch, image_size, image_size, 3],
pixels from 0 to 1, to the probabilities of the classes, [batch, classes].
"""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING

from lib.study.errors import UserError
from lib.study.own_network import OwnNetwork

if TYPE_CHECKING:
    import keras


class NetworkError(UserError):
    """A function does not build a network that can be trained here."""


def build(own: OwnNetwork, image_size: int, classes: int) -> keras.Model:
    """Call the function, and check what it returns.

    Raises:
        NetworkError: If the function is missing, fails, or returns something else.
    """
    import keras

    name = f"{own.file}:{own.function}"
    if problem := own.problem():
        raise NetworkError(f"architecture: {problem}")
    try:
        module = runpy.run_path(str(own.path), run_name=own.path.stem)
        model = module[own.function](image_size, classes)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise NetworkError(f"architecture: {name} failed with {what}") from error
    if not isinstance(model, keras.Model):
        kind = type(model).__name__
        raise NetworkError(f"architecture: {name} returned {kind}, not a keras.Model")
    shapes = {"input": (None, image_size, image_size, 3), "output": (None, classes)}
    for place, right in shapes.items():
        found = getattr(model, f"{place}_shape", None)
        if found != right:
            raise NetworkError(f"architecture: the {place} of {name} is {found}; right is {right}")
    return model
