"""Other libraries, changed for a while where they can't be told what is wanted of them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def replaced(owner: Any, **attributes: Any) -> Iterator[None]:
    """Give a module or class other attributes, and those that it had again afterwards."""
    before = {name: getattr(owner, name) for name in attributes}
    for name, value in attributes.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Let what is imported find that these packages aren't installed, if they aren't loaded yet."""
    unloaded = [name for name in names if name not in sys.modules]
    # None is Python's own way to say "not there".
    sys.modules.update(dict.fromkeys(unloaded))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in unloaded:
            del sys.modules[name]


@contextmanager
def imported_to_stay() -> Iterator[None]:
    """Import much without looking for garbage among it, then or later: a fifth of TensorFlow's."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def import_nbformat() -> ModuleType:
    """Import nbformat, and what imports it later, in half the time.

    jsonschema, which checks notebooks, would compile a grammar of internet addresses, 0.7 s in each
    process, and learn to read durations, for what no notebook has. Without both it goes on.
    """
    with hidden("rfc3987_syntax", "isoduration"):
        import nbformat
    return nbformat
