"""Images to train on: `digits`, `mnist`, `cifar10`, or any `.npz` laid out like `keras.datasets`.

`load` reads, limits and enlarges them once; `lib.training.input_pipeline` feeds them to a network.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lib import hosted
from lib.study.catalog import DATASETS, SMALLEST_SIDE
from lib.training import npz

if TYPE_CHECKING:
    from lib.study.config import RunConfig


@dataclass(frozen=True, eq=False)
class Dataset(npz.Arrays):
    """Images of one run, at the size that the network takes: uint8 [images, side, side, 3].

    The fingerprint is the first 16 hex digits of the SHA-256 of the images and labels in use, as
    they were before they were enlarged: equal for equal data, wherever it was read from.
    """

    name: str  # what the study calls it
    fingerprint: str

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def image_size(self) -> int:
        """Pixels a side."""
        return self.x_train.shape[1]


def load(config: RunConfig) -> Dataset:
    """Read the images that a configuration names and bring them to the size that it asks for.

    A file `<data_dir>/<dataset>.npz` comes first, then one of that name in a dataset attached on
    Kaggle, then scikit-learn or `keras.datasets`. Limits take the first images of every class in
    turn, so the subset is the same whatever the seed.

    Raises:
        ValueError: The file isn't in the layout of `keras.datasets`; names file and key.
        FileNotFoundError: The dataset isn't a known one and `data_dir` doesn't hold it.
        ConnectionError: The dataset could not be downloaded.
    """
    arrays = _read(config)
    notes = list(arrays.notes)
    used: dict[str, np.ndarray] = {}
    for split, limit in (("train", config.train_limit), ("test", config.test_limit)):
        images, labels = getattr(arrays, f"x_{split}"), getattr(arrays, f"y_{split}")
        if limit is not None and limit > len(labels):
            notes.append(f"{split}_limit is {limit}; all of the {len(labels)} images are used.")
        kept = balanced(labels, limit)
        used |= {f"x_{split}": images[kept], f"y_{split}": labels[kept]}
    classes = len(arrays.class_names)
    if unseen := classes - len(np.unique(used["y_train"])):
        notes.append(f"{unseen} of {classes} classes have no image to train on.")
    height, width = used["x_train"].shape[1:3]
    known = DATASETS.get(config.dataset)
    size = config.image_size or (known.image_size if known else max(height, width, SMALLEST_SIDE))
    if height != width:
        notes.append(f"Images of {height} x {width} were stretched to {size} x {size}.")
    if config.grey_to_rgb == "as_run" and used["x_train"].ndim == 4:
        notes.append("grey_to_rgb: as_run changes nothing, the images are in colour.")
    images = [key for key in used if key.startswith("x")]
    in_rgb = {key: to_rgb(used[key], size, config.grey_to_rgb) for key in images}
    return Dataset(
        **used | in_rgb,
        name=config.dataset,
        class_names=arrays.class_names,
        fingerprint=_fingerprint(*used.values()),
        source=arrays.source,
        notes=tuple(notes),
    )


def read_file(dataset: str, data_dir: str | None) -> npz.Arrays | None:
    """The arrays of the file of this name in `data_dir`, else in a dataset attached on Kaggle; None
    where there is no such file.

    Raises:
        ValueError: The file isn't in the layout of `keras.datasets`; names file and key.
    """
    path = None if data_dir is None else Path(data_dir).expanduser() / f"{dataset}.npz"
    if path is None or not path.is_file():
        path = hosted.attached(f"{dataset}.npz")
    known = DATASETS.get(dataset)
    return None if path is None else npz.read(path, known.class_names if known else None)


def _read(config: RunConfig) -> npz.Arrays:
    if (arrays := read_file(config.dataset, config.data_dir)) is not None:
        return arrays
    known = DATASETS.get(config.dataset)
    if known is None:
        raise FileNotFoundError(
            f"dataset: no file '{config.dataset}.npz' in data_dir '{config.data_dir}'; "
            f"without a file there are {', '.join(DATASETS)}"
        )
    read = _read_digits if known.name == "digits" else _download
    x_train, y_train, x_test, y_test = read(known.name)
    return npz.Arrays(x_train, y_train, x_test, y_test, known.class_names, known.source, notes=())


def _read_digits(name: str) -> tuple[np.ndarray, ...]:
    """The 1,797 digits of 8 x 8: four fifths to train on, the same ones in every run."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    labels = bunch.target.astype(np.int32)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=0
    )
    return x_train, y_train, x_test, y_test


def _download(name: str) -> tuple[np.ndarray, ...]:
    import keras

    try:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # keras.utils.get_file raises a bare Exception
        raise ConnectionError(
            f"dataset: {name} could not be downloaded ({error}). Without internet, set data_dir "
            f"to a folder that holds {name}.npz, or set dataset to digits, which needs no download"
        ) from error
    return x_train, y_train.ravel().astype(np.int32), x_test, y_test.ravel().astype(np.int32)


def balanced(labels: np.ndarray, limit: int | None) -> np.ndarray | slice:
    """Index of the first images of every class in turn, `limit` of them, in their old order."""
    if limit is None or limit >= len(labels):
        return slice(None)
    by_class = np.argsort(labels, kind="stable")
    ordered = labels[by_class]
    turn = np.empty(len(labels), int)
    turn[by_class] = np.arange(len(labels)) - np.searchsorted(ordered, ordered)
    return np.sort(np.argsort(turn, kind="stable")[:limit])


def _fingerprint(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def to_rgb(images: np.ndarray, size: int, grey_to_rgb: str) -> np.ndarray:
    """Give images three channels and `size` x `size` pixels.

    `repeat` makes three equal channels. `as_run` is what the authors' script did: `dstack` sets
    three copies of an image side by side, and `reshape` then reads three neighbouring pixels of
    a row as the channels of one, so every image shows the digit three times, each a third as wide.
    Both enlarge as `PIL.Image.resize` does by default (bicubic), which is what the authors called.
    Images are uint8 [images, height, width], or in colour [images, height, width, 3].
    """
    if images.ndim == 4:
        return _resize(images, size)
    if grey_to_rgb == "as_run":
        return _resize(np.dstack([images] * 3).reshape(*images.shape, 3), size)
    return np.repeat(_resize(images, size)[..., np.newaxis], 3, axis=-1)


def _resize(images: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    if images.shape[1:3] == (size, size):
        return images
    resized = np.empty((len(images), size, size, *images.shape[3:]), np.uint8)
    for index, image in enumerate(images):
        resized[index] = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    return resized
