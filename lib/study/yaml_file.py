"""YAML that anybody may have written: plain, of bounded size, with every key once."""

import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

LARGEST = 2**20  # bytes of a file

MOST_VALUES = 100_000
"""Of a file, with what aliases repeat: a few lines can stand for more than any memory holds."""


class _Loader(yaml.SafeLoader):
    """YAML in which a key that appears twice is an error: of two values one would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        places: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            first = places.setdefault(str(key.value), key.start_mark)
            # A mapping that was merged into another one is looked at twice.
            if key.value != "<<" and first.index != key.start_mark.index:
                lines = f"lines {first.line + 1} and {key.start_mark.line + 1}"
                raise yaml.YAMLError(f"'{key.value}' appears twice, in {lines}")
        return super().construct_mapping(node, deep)

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """How many values a node stands for, aliases followed."""
    if id(node) in counted:
        if not counted[id(node)]:
            raise yaml.YAMLError("an alias contains itself")
        return counted[id(node)]
    counted[id(node)] = 0
    children = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.MappingNode):
        children = [one for pair in node.value for one in pair]
    total = 1 + sum(_count(child, counted) for child in children)
    if total > MOST_VALUES:
        raise yaml.YAMLError(f"has more than {MOST_VALUES:,} values, with what its aliases repeat")
    counted[id(node)] = total
    return total


def parse(text: str) -> Any:
    """The content of YAML text.

    Raises:
        ValueError: If it is no YAML; says where.
    """
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        raise ValueError("is not valid YAML: it is nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # the latter of a date such as 2024-13-45
        raise ValueError(f"is not valid YAML: {' '.join(str(error).split())}") from None


def read(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it can't be read or is no YAML; says why.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # one that is none may be waited for without end
            raise ValueError("is no plain file")
        if found.st_size > LARGEST:
            raise ValueError(f"is larger than {LARGEST // 2**20} MB; that is no study file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"can't be read: {error}") from None
    return parse(text)
