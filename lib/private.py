"""Keeps out of results what names a person: they are handed round."""

from __future__ import annotations

import re
from pathlib import Path


def without_home(text: str) -> str:
    """Write the home folder as `~`, be it named as HOME does or as it is behind symbolic links.

    Args:
        text: A path, or any text with paths in it, JSON too. Folders whose path only begins or
            ends like that of the home folder stay.
    """
    homes = {str(home).rstrip("/") for home in (Path.home(), Path.home().resolve())} - {""}
    for home in sorted(homes, key=len, reverse=True):
        # In JSON a line break is \n, and no letter of a path.
        start, end = r"(?:(?<![\w.-])|(?<=\\[nrt]))", r"(?![\w-]|\.\w)"
        text = re.sub(f"{start}{re.escape(home)}{end}", "~", text)
    return text
