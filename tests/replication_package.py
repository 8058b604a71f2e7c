"""Where the authors' raw data lie, if they do: the project holds none of them."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "replication"

needs_package = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the authors' replication package is not in ../shared/replication"
)
