"""Keeps out of results what names a person: they are handed round."""

from __future__ import annotations

import functools
import re
from pathlib import Path

NOBODY = "there is no user of this name, so no home folder"
"""What is wrong with `~NAME/…` where `Path.expanduser` raises RuntimeError."""


def without_home(text: str) -> str:
    """Write the home folder as `~`, be it named as HOME does or as it is behind symbolic links.

    Args:
        text: A path, or any text with paths in it, JSON too. Folders whose path only begins or
            ends like that of the home folder stay.
    """
    for home in _homes(Path.home()):
        text = home.sub("~", text)
    return text


@functools.cache
def _homes(home: Path) -> tuple[re.Pattern[str], ...]:
    """What finds the home folder by each of its names, the longest first.

    The disk is asked once: every path of every run is looked through.
    """
    names = {str(path).rstrip("/") for path in (home, home.resolve())} - {""}
    # In JSON a line break is \n, and no letter of a path.
    start, end = r"(?:(?<![\w.-])|(?<=\\[nrt]))", r"(?![\w-]|\.\w)"
    return tuple(
        re.compile(f"{start}{re.escape(name)}{end}")
        for name in sorted(names, key=len, reverse=True)
    )
