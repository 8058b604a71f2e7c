"""A network of one's own: `architecture: my_networks.py:build`, a function in a file."""

import ast
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from lib import program

_NAME = re.compile(r"(?P<file>[^:]+\.py):(?P<function>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class OwnNetwork:
    """Where a network comes from: a file, relative to the folder where the program is called, so
    that it can travel, and a function in it; see `lib.training.own_network`.
    """

    file: str
    function: str

    @property
    def path(self) -> Path:
        """The file: in this folder, or where the program was unpacked."""
        here = Path(self.file)
        return here if here.is_file() else program.ROOT / self.file

    @property
    def digest(self) -> str:
        """First 16 hex digits of the file's SHA-256: another content is another network."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    def problem(self) -> str | None:
        """What is wrong with file or function, or None; executes nothing."""
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts:
            return f"'{self.file}' must lie in this folder or below, so that workers get it too"
        try:
            tree = ast.parse(self.path.read_text(encoding="utf-8"))
        except OSError as error:
            return f"'{self.file}' can't be read: {error.strerror}"
        except (SyntaxError, UnicodeDecodeError) as error:
            return f"'{self.file}' is no Python: {error}"
        found = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        if self.function in found:
            return None
        return f"'{self.file}' has no function {self.function}; it has {', '.join(found) or 'none'}"


def parse(architecture: str) -> OwnNetwork | None:
    """The network of one's own that `architecture` names; None if it is another's."""
    named = _NAME.fullmatch(architecture)
    return OwnNetwork(named["file"], named["function"]) if named else None
