"""What a study can name: architectures, datasets, and backends that Keras computes with.

Nothing here imports any of them, so a study can be checked and planned at once.
"""

import difflib
import importlib.util
from dataclasses import dataclass
from typing import Literal

from lib.study import own_network

Mode = Literal["caffe", "tf", "torch", "none", "own"]
"""What ImageNet weights expect of pixels: a mode of `keras.applications.imagenet_utils`, or `none`
where the network itself brings pixels of 0 to 255 to its own range, or `own` of one's own network.
"""


@dataclass(frozen=True)
class Architecture:
    """A network that a study can name.

    The depth is that of layers with weights as its authors count them, or None where they don't.
    For VGG, ResNet and DenseNet the number in the name; 28 for MobileNet (Howard et al. 2017,
    section 3.2), 42 for InceptionV3 (Szegedy et al. 2016, section 6), 36 for Xception without its
    classifier (Chollet 2017, section 3). The table in Keras' documentation counts activations and
    normalization too, so its 107 for ResNet50 is not the 50 of the paper's Table 2.
    """

    name: str  # its constructor in `keras.applications`
    depth: int | None
    preprocessing_mode: Mode
    smallest_side: int  # pixels a side of the smallest image that it takes


NO_DEPTH = "its authors don't say how many layers deep the architecture is"  # why `depth` is None


def _family(mode: Mode, smallest_side: int = 32, /, **depths: int | None) -> list[Architecture]:
    return [Architecture(name, depth, mode, smallest_side) for name, depth in depths.items()]


_FAMILIES = (
    _family("caffe", VGG16=16, VGG19=19),
    _family("caffe", ResNet50=50, ResNet101=101, ResNet152=152),
    _family("tf", ResNet50V2=50, ResNet101V2=101, ResNet152V2=152),
    _family("torch", DenseNet121=121, DenseNet169=169, DenseNet201=201),
    _family("tf", MobileNet=28, MobileNetV2=None),
    _family("none", MobileNetV3Small=None, MobileNetV3Large=None),
    _family("none", **{f"EfficientNetB{size}": None for size in range(8)}),
    _family("none", **{f"EfficientNetV2{size}": None for size in ("B0", "B1", "B2", "B3", *"SML")}),
    _family("none", **{f"ConvNeXt{s}": None for s in ("Tiny", "Small", "Base", "Large", "XLarge")}),
    _family("tf", 75, InceptionV3=42, InceptionResNetV2=None),
    _family("tf", 71, Xception=36),
    _family("tf", NASNetMobile=None, NASNetLarge=None),
)

ARCHITECTURES: dict[str, Architecture] = {
    architecture.name: architecture for family in _FAMILIES for architecture in family
}
"""Every architecture of `keras.applications`; those of the paper are VGG16, VGG19, ResNet50."""

NOT_ON_TORCH = frozenset({"NASNetMobile"})
"""What Keras refuses to build where it computes with PyTorch."""


def unknown_architecture(name: str) -> str:
    """Say that there is no such architecture, which one may be meant, and which there are."""
    spelling = {known.lower(): known for known in ARCHITECTURES}
    near = difflib.get_close_matches(name.lower(), spelling, n=3)
    hint = f"; did you mean {' or '.join(spelling[known] for known in near)}?" if near else "."
    families = "; ".join(", ".join(known.name for known in family) for family in _FAMILIES)
    return f"is unknown{hint} Known are {families}"


def architecture_of(name: str) -> Architecture:
    """The architecture of a name in `ARCHITECTURES`, or of a network of one's own."""
    if own_network.parse(name):
        return Architecture(name, None, "own", 1)
    return ARCHITECTURES[name]


def too_small(architecture: str, image_size: int) -> str | None:
    """Say what would be right where images are smaller than the architecture takes; else None."""
    least = architecture_of(architecture).smallest_side
    takes = f"{architecture} takes images of {least} x {least} pixels or more"
    right = f"image_size: {takes}; set image_size to at least {least}"
    return None if image_size >= least else right


SMALLEST_SIDE = 32  # pixels a side: the least that the architectures of `keras.applications` accept


@dataclass(frozen=True)
class KnownDataset:
    """A dataset that a study can name without a file: its classes in the order of the labels, the
    pixels a side that its images are brought to by default, and where it comes from.
    """

    name: str
    class_names: tuple[str, ...]
    image_size: int
    source: str


_DIGITS = tuple("0123456789")
_CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

_KNOWN = (
    KnownDataset("digits", _DIGITS, 32, "sklearn.datasets.load_digits"),
    KnownDataset("mnist", _DIGITS, 48, "keras.datasets.mnist"),
    KnownDataset("cifar10", _CIFAR10, 32, "keras.datasets.cifar10"),
)
DATASETS = {known.name: known for known in _KNOWN}

BACKENDS = {
    "tensorflow": "tensorflow",
    "jax": "-e '.[jax]'",
    "torch": "torch --index-url https://download.pytorch.org/whl/cpu (without it: for a GPU)",
}
"""By backend: what `pip install` needs to be told."""


def backend_installed(name: str) -> bool:
    """Whether a backend can be imported; imports nothing."""
    return importlib.util.find_spec(name) is not None


def missing_backend(name: str) -> str | None:
    """A sentence on what to do if a backend isn't installed, else None."""
    problem = f"backend: {name} is not installed; pip install {BACKENDS[name]}"
    return None if backend_installed(name) else problem
