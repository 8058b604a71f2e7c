"""What some tests need and a machine may lack: they skip with one line that says how to get it.

With `NOTHING_MISSING` set, as `.ci/run` does once it has brought what it can, a test that is
skipped because something "is not installed" fails the whole call; PyTorch alone is excused.
"""

import shutil
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
REPLICATION = SHARED / "replication"
IMAGES = SHARED / "data"

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

PATIENCE = 180_000
"""ms that a browser waits for a page: only one that hangs takes as long on a busy machine."""

EXCUSED = ("torch is not installed",)
"""It weighs too much to come with the tests."""


def _need(found, reason):
    return pytest.mark.skipif(not found, reason=reason)


chromium = _need(CHROMIUM, "Chromium is not installed: apt install chromium")
prometheus = _need(
    shutil.which("prometheus"), "Prometheus is not installed: apt install prometheus"
)
pdftotext = _need(
    shutil.which("pdftotext"), "pdftotext is not installed: apt install poppler-utils"
)
replication = _need(
    REPLICATION.is_dir(), "the authors' replication package is not in ../shared/replication"
)
images = _need(IMAGES.is_dir(), "the images of MNIST and CIFAR-10 are not in ../shared/data")


def ask_for(need):
    """Skip what asks, a fixture or a test, unless `need` is there."""
    (missing,), reason = need.args, need.kwargs["reason"]
    if missing:
        pytest.skip(reason)


def missing(reasons):
    """Those reasons of skipped tests that `.ci/run` has to answer for."""
    return sorted(
        {
            reason
            for reason in reasons
            if "is not installed" in reason and not any(excuse in reason for excuse in EXCUSED)
        }
    )
