"""Read and check an `.npz` file of images in the layout of `keras.datasets`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images and labels."""

    x_train: np.ndarray  # uint8 [images, height, width], in colour [images, height, width, 3]
    y_train: np.ndarray  # int32 [images], 0 to classes - 1
    x_test: np.ndarray  # like `x_train`, with the same height, width and channels
    y_test: np.ndarray
    class_names: tuple[str, ...]  # one word a class, in the order of the labels
    source: str  # where the arrays came from, for people
    notes: tuple[str, ...]  # what was done to them, one sentence each


def read(path: Path, class_names: tuple[str, ...] | None = None) -> Arrays:
    """Read a file with the keys `x_train`, `y_train`, `x_test` and `y_test`.

    Images are [N, height, width], [N, height, width, 1] or [N, height, width, 3], of whole numbers
    or floats, from 0 to 255 or from 0 to 1; labels are whole numbers, [N] or [N, 1], of the classes
    from 0 on. By default these are the labels that occur in `y_train`.

    Raises:
        ValueError: The file has another layout; names file, key and what would be right.
    """
    source = f"data_dir/{path.name}"
    arrays = _load(path, source)
    images, labels = {}, {}
    for split in ("train", "test"):
        x, y = f"x_{split}", f"y_{split}"
        images[x] = _checked_images(arrays[x], f"{source}: {x}")
        labels[y] = _checked_labels(arrays[y], len(images[x]), f"{source}: {y}")
    if images["x_train"].shape[1:] != images["x_test"].shape[1:]:
        raise ValueError(
            f"{source}: an image of x_test has the shape {images['x_test'].shape[1:]}, "
            f"one of x_train {images['x_train'].shape[1:]}; they must be the same"
        )
    pixels, pixel_notes = _as_bytes(images)
    numbers, class_names, label_notes = _as_classes(labels, class_names, source)
    return Arrays(
        **pixels, **numbers, class_names=class_names, source=source, notes=pixel_notes + label_notes
    )


def _load(path: Path, source: str) -> dict[str, np.ndarray]:
    # A damaged file can raise anything, from zlib.error to EOFError, hence the wide nets.
    try:
        archive = np.load(path, allow_pickle=False)
    except Exception as error:
        raise ValueError(f"{source}: not an .npz archive ({error})") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(f"{source}: one array, not an .npz archive of {', '.join(KEYS)}")
    with archive:
        if missing := [key for key in KEYS if key not in archive.files]:
            raise ValueError(
                f"{source}: no key {', '.join(missing)}; it needs {', '.join(KEYS)} "
                f"and has {', '.join(archive.files) or 'none'}"
            )
        arrays = {}
        for key in KEYS:
            try:
                arrays[key] = archive[key]
            except Exception as error:
                raise ValueError(f"{source}: {key} can't be read ({error})") from error
            if not isinstance(arrays[key], np.ndarray):
                raise ValueError(f"{source}: {key} is not an array")
    return arrays


def _checked_images(x: np.ndarray, where: str) -> np.ndarray:
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if not (x.ndim == 3 or (x.ndim == 4 and x.shape[3] == 3)) or x.size == 0:
        raise ValueError(
            f"{where} has the shape {x.shape}; images are [N, height, width], "
            "[N, height, width, 1] or [N, height, width, 3], with at least one of them"
        )
    if x.dtype.kind not in "buif":
        raise ValueError(f"{where} is of type {x.dtype}; pixels are uint8 or float")
    if not np.isfinite(x).all():
        raise ValueError(f"{where} has pixels that are NaN or infinite")
    if x.min() < 0 or x.max() > 255:
        raise ValueError(
            f"{where} has pixels from {x.min()} to {x.max()}; they go from 0 to 255, or from 0 to 1"
        )
    return x


def _checked_labels(y: np.ndarray, images: int, where: str) -> np.ndarray:
    if y.dtype.kind not in "ui":
        raise ValueError(f"{where} is of type {y.dtype}; labels are whole numbers")
    if y.shape not in ((images,), (images, 1)):
        raise ValueError(
            f"{where} has the shape {y.shape}; {images} images need a whole number each, "
            f"[{images}] or [{images}, 1]"
        )
    return y.ravel()


def _as_bytes(images: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Pixels as uint8 from 0 to 255, and what had to be done to them."""
    factor = np.float32(255) if all(x.max() <= 1 for x in images.values()) else 1
    if factor == 1 and all(x.dtype == np.uint8 for x in images.values()):
        return images, ()
    rounded = {key: np.rint(x * factor).astype(np.uint8) for key, x in images.items()}
    if factor != 1:
        return rounded, ("Pixels from 0 to 1 were scaled to 0 to 255 and rounded.",)
    if all((rounded[key] == x).all() for key, x in images.items()):
        return rounded, ()
    return rounded, ("Pixels were rounded to whole numbers from 0 to 255.",)


def _as_classes(
    labels: dict[str, np.ndarray], class_names: tuple[str, ...] | None, source: str
) -> tuple[dict[str, np.ndarray], tuple[str, ...], tuple[str, ...]]:
    """Labels as int32 from 0 to classes - 1, the classes' names, and what had to be done."""
    notes: tuple[str, ...] = ()
    if class_names is not None:
        found = np.arange(len(class_names))
    else:
        found = np.unique(labels["y_train"])
        class_names = tuple(str(label) for label in found)
        if len(found) < 2:
            raise ValueError(f"{source}: y_train has one class only; a classifier needs two")
        if not np.array_equal(found, np.arange(len(found))):
            notes = (f"Labels {found[0]} to {found[-1]} were numbered 0 to {len(found) - 1}.",)
    for key, y in labels.items():
        if not (known := np.isin(y, found)).all():
            raise ValueError(
                f"{source}: {key} has the label {y[~known][0]}, which is not among the "
                f"{len(found)} classes {found[0]} to {found[-1]}"
                + (" of y_train" if key == "y_test" else "")
            )
    numbers = {key: np.searchsorted(found, y).astype(np.int32) for key, y in labels.items()}
    return numbers, class_names, notes
