"""The machine that measures: its hardware, the versions of its software, and a number for it.

Nothing here names the machine, its user or its place.
"""

import functools
import hashlib
import importlib.metadata
import platform
import uuid
from pathlib import Path
from typing import Any

import psutil

from lib import __version__, hosted, program
from lib.instruments.gpus import visible_gpus
from lib.units import GIGABYTE

COMMIT_FILE = "COMMIT"
"""Holds the commit where the program was copied out of its checkout, as onto a cluster."""
CONTENT = "program_content"  # among the versions: a number for what is in the program's files

CPU_INFO = Path("/proc/cpuinfo")
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def hardware() -> dict[str, Any]:
    """Describe the hardware and its system, in CodeCarbon's words where it has them.

    cpu_count is of threads, gpu_model and gpu_count of the GPUs that CUDA may use, ram_total_size
    in GB of 1024^3 bytes, as CodeCarbon counts. Service and machine_shape are of Kaggle and its
    like, and machine is a number that is the same on every run here and says nothing else.
    """
    gpus = visible_gpus()
    found = {
        "machine": machine_id(),
        "cpu_model": cpu_model(),
        "cpu_count": psutil.cpu_count(),
        "gpu_model": gpus.model or None,
        "gpu_count": len(gpus.selected),
        "ram_total_size": psutil.virtual_memory().total / GIGABYTE,
        "os": platform.platform(),
    }
    return found | {"service": hosted.service(), "machine_shape": hosted.machine_shape(found)}


@functools.cache
def cpu_model() -> str | None:
    """The name of the processor, as CodeCarbon finds it, which keeps a core busy for a second."""
    text = CPU_INFO.read_text() if CPU_INFO.is_file() else ""
    for line in text.splitlines():
        if "model name" in line:
            return line.partition(":")[2].strip()
    try:
        from codecarbon.core.util import detect_cpu_model
    except ModuleNotFoundError:  # where nothing can be installed
        return None
    return detect_cpu_model() or None


def versions() -> dict[str, str | None]:
    """Versions of what computes and measures, and the program's commit; None where unknown."""
    found: dict[str, str | None] = {"program": __version__, "python": platform.python_version()}
    for package in ("tensorflow", "jax", "torch", "keras", "codecarbon", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found | {"commit": commit(), CONTENT: program.digest()}


def commit() -> str | None:
    """The program's git commit, with '+dirty' after it if tracked files differ from it.

    None where the program is no checkout of its own and its commit was not sent along.
    """
    if (program.ROOT / COMMIT_FILE).is_file():
        return (program.ROOT / COMMIT_FILE).read_text(encoding="utf-8").strip()
    top = program.git("rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != program.ROOT:
        return None
    revision = program.git("rev-parse", "HEAD")
    changes = program.git("status", "--porcelain", "--untracked-files=no")
    return f"{revision}+dirty" if revision and changes else revision


def machine_id() -> str | None:
    """12 hex digits that tell machines apart; None where a machine has no lasting identity.

    Derived from the system's own id, else from the network card, by a function slow enough that it
    can't be turned round by trying all of them.
    """
    if hosted.service():
        return None  # a container made for one session, whose ids come with the image
    identity = next((p.read_text().strip() for p in _MACHINE_IDS if p.is_file()), "")
    if not identity:
        card = uuid.getnode()
        if card >> 40 & 1:  # the bit that Python sets if it made the number up
            return None
        identity = str(card)
    salt = b"training-energy-study"
    return hashlib.scrypt(identity.encode(), salt=salt, n=2**14, r=8, p=1, dklen=6).hex()
