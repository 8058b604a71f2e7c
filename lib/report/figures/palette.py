"""Colours and symbols: what an architecture looks like follows from its name alone.

So it looks the same in every figure of every study, whichever runs have a value there.
"""

import zlib

from lib.quantities import ARCHITECTURES
from lib.study import catalog

# The first three are of Okabe and Ito (2008), https://jfly.uni-koeln.de/color; their lighter ones
# vanish on white. All seven differ from white and from the near-black of dark pages by 3:1 or more,
# and from each other with every common kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#917FF8", "#B13A46", "#CC78AB", "#9E944F")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "star", "pentagon")
FILLS = ("", "-open", "-dot", "-open-dot")  # of a symbol that itself says something else
PLAIN = "#808080"  # what is no architecture: none of them is grey

FAINT = "rgba(128,128,128,0.25)"

# 4.5:1 on white, 4.2:1 on the near-black of JupyterLab's dark theme: no grey has more there without
# having less on white. A report letters in its own colours, a file for a paper in black.
INK = "#767676"

# Those of params/greener.yaml have a colour of their own each; all others share them.
_COMPARED = ("MobileNetV2", "EfficientNetV2B0", "DenseNet121", "ConvNeXtTiny")
_RANKED = dict.fromkeys((*ARCHITECTURES, *_COMPARED, *catalog.ARCHITECTURES))
_PLACES = {name: place for place, name in enumerate(_RANKED)}


def _place(architecture: str) -> int:
    """The number of a look; one that no registry knows has that of its letters."""
    looks = len(COLOURS) * len(SYMBOLS)
    return _PLACES.get(architecture, zlib.crc32(architecture.encode()) % looks)


def colour(architecture: str) -> str:
    """The colour of an architecture, which some others may have too."""
    return COLOURS[_place(architecture) % len(COLOURS)]


def marker(architecture: str, size: int = 8) -> dict[str, object]:
    """The marker of an architecture: no other in the registry has both its colour and symbol."""
    symbol = SYMBOLS[_place(architecture) % len(SYMBOLS)]
    return {"color": colour(architecture), "symbol": symbol, "size": size}


def with_symbol(architecture: str, symbol: str, size: int = 8) -> dict[str, object]:
    """A marker whose symbol says something else: those of one colour are filled differently."""
    fill = FILLS[_place(architecture) // len(COLOURS) % len(FILLS)]
    return {"color": colour(architecture), "symbol": symbol + fill, "size": size}


def faint(tint: str) -> str:
    """A colour, so thin that grid and points show through."""
    red, green, blue = (int(tint[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
