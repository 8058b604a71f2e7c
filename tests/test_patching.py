import gc
import importlib
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lib.patching import hidden, imported_to_stay, replaced

PROGRAM = """
import sys
from lib.patching import import_nbformat
import_nbformat().validate(import_nbformat().v4.new_notebook())
print(*sorted(name for name in sys.modules if name.startswith(("lark", "rfc3987_syntax"))))
"""


def test_notebooks_are_read_without_a_grammar_of_addresses():
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == ""


def test_what_is_hidden_is_not_there_for_a_while():
    with hidden("wave", "sys"):
        assert importlib.import_module("sys") is sys, "it was loaded before"
        with pytest.raises(ImportError):
            importlib.import_module("wave")
    assert importlib.import_module("wave").open


def test_what_was_replaced_comes_back_whatever_happens():
    owner = SimpleNamespace(said="before")

    def fail_meanwhile():
        with replaced(owner, said="meanwhile"):
            raise KeyError(owner.said)

    with pytest.raises(KeyError, match="meanwhile"):
        fail_meanwhile()
    assert owner.said == "before"


def test_garbage_is_looked_for_again_after_an_import_but_not_among_it():
    frozen = gc.get_freeze_count()
    with imported_to_stay():
        assert not gc.isenabled()
        with imported_to_stay():
            pass
        assert not gc.isenabled(), "the outer one goes on"
        kept = [{"of": number} for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(kept)
