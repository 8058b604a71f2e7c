"""The order of the rooms of `lib`, read off its imports: those of functions and of types too."""

import ast
import re
import subprocess
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.conftest import ROOT

ROOMS = (
    *("cli", "execution", "report", "analysis", "paper", "experiment"),
    *("logs", "training", "records", "instruments", "study", "stats"),
)
"""From the top of the house to its bottom: a room uses those after it, and the files below all."""

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.glob("lib/**/*.py"))
    if "templates" not in path.parts
}
"""Every module by its name."""


@cache
def imported(module):
    """The modules of `lib` that a module imports, wherever in its text."""
    return [*_imported(module)]


def _imported(module):
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports by a relative name"
            names = [
                name if (name := f"{node.module}.{alias.name}") in FILES else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name in FILES and name != module)


def floor(module):
    """How far down a module lives; files that belong to no room are the ground."""
    room = f"{module}.".split(".")[1]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


def test_every_room_is_there():
    assert {name.split(".")[1] for name in FILES if "." in name} >= {*ROOMS}
    folders = {path.parent.relative_to(ROOT / "lib").parts[:1] for path in FILES.values()}
    assert folders == {(room,) for room in ROOMS if room != "cli"} | {()}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_uses_none_above_it(room):
    upward = [
        f"{module} imports {used}"
        for module in FILES
        if floor(module) == ROOMS.index(room)
        for used in imported(module)
        if floor(used) < floor(module)
    ]
    assert not upward, "\n".join(upward)


def test_the_ground_uses_no_room():
    assert [
        (module, used)
        for module in FILES
        if floor(module) == len(ROOMS)
        for used in imported(module)
        if floor(used) < len(ROOMS)
    ] == []


def test_no_module_imports_itself_by_way_of_others():
    try:
        TopologicalSorter({module: set(imported(module)) for module in FILES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_map_names_what_is_there():
    text = (ROOT / "docs" / "development.md").read_text(encoding="utf-8").replace("\\", "")
    named = [*re.findall(r"\]\(\.\./([^)]+)\)", text), *re.findall(r"`(lib/[\w/]+/?)`", text)]
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [room for room in ROOMS if f"`{room}" not in text] == []


def test_nothing_that_git_ignores_was_committed():
    git = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    found = subprocess.run(git, cwd=ROOT, capture_output=True, text=True)
    if found.returncode == 128:
        pytest.skip("these are the program's files without git")
    assert found.stdout.split() == []
