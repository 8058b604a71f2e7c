"""Images to train on: `digits`, `mnist`, `cifar10`, or any `.npz` laid out like `keras.datasets`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A dataset that the study has by name.

    Attributes:
        name: What a study calls it.
        classes: Number of classes.
        image_size: Pixels a side that its images are enlarged to by default.
        source: Where it comes from, for people.
    """

    name: str
    classes: int
    image_size: int
    source: str


KNOWN: dict[str, Known] = {
    known.name: known
    for known in (
        Known("digits", 10, 32, "scikit-learn load_digits: 1,797 handwritten digits of 8 x 8"),
        Known("mnist", 10, 48, "keras.datasets.mnist: handwritten digits of 28 x 28"),
        Known("cifar10", 10, 32, "keras.datasets.cifar10: colour photographs of 32 x 32"),
    )
}
