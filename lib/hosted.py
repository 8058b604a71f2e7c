"""Notebook services such as Kaggle and Colab: which one this is, and the data attached there."""

import os
from collections.abc import Mapping
from pathlib import Path

ATTACHED = Path("/kaggle/input")
"""Where Kaggle mounts attached datasets; in how many folders below has changed over time."""


def service() -> str | None:
    """`Kaggle` or `Colab`; None on a machine of one's own."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        return "Kaggle"
    return "Colab" if "COLAB_RELEASE_TAG" in os.environ else None


def machine_shape(hardware: Mapping[str, object]) -> str | None:
    """What the service provides, told by what is there, e.g. `2 x Tesla T4, 4 CPUs, 31 GB`.

    A service does not tell a session the name of its shape. None on a machine of one's own.
    """
    if service() is None:
        return None
    accelerator = hardware["gpu_model"] or "no GPU"
    return f"{accelerator}, {hardware['cpu_count']} CPUs, {hardware['ram_total_size']:.0f} GB"


def attached(name: str) -> Path | None:
    """The file of this name in an attached Kaggle dataset, wherever it lies there, if there is one.

    Raises:
        ValueError: If several have the name.
    """
    found = sorted(ATTACHED.rglob(name))
    if len(found) > 1:
        places = ", ".join(str(place) for place in found)
        raise ValueError(f"{name} is attached {len(found)} times: {places}; detach all but one")
    return found[0] if found else None
