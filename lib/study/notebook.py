"""A study's notebook: the cell tagged `parameters` is the schema of its runs."""

import ast
import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError, create_model
from pydantic.fields import FieldInfo

from lib.study.config import COMMON, RunConfig, RunFields
from lib.study.errors import StudyError, sentences

TAG = "parameters"

VARIABLE = "TRAINING_NOTEBOOK"  # of the environment: the notebook that the kernel executes

COLUMNS = {
    *("run_id", "status", "error", "notebook", "started_at", "ended_at", "duration"),
    *("emissions", "carbon_intensity", "location_source", "measurement_version"),
    *("energy_consumed", "cpu_energy", "gpu_energy", "ram_energy", "peak_power"),
    *("cpu_method", "gpu_method", "ram_method", "idle_energy", "net_energy"),
    *("accuracy", "loss", "score", "flops", "flops_head", "flops_training"),
    *("parameters", "trainable_parameters", "depth"),
    *("tracker_run_id", "machine", "git_commit", "cpu_model", "cpu_count", "gpu_model"),
    *("gpu_count", "ram_total_size", "os", "service", "machine_shape", "reasons", "doubts"),
}
"""Of the results, besides the fields of a run: no parameter may have the name of one."""

Anything = StrictBool | StrictInt | StrictFloat | StrictStr | None
"""What a parameter may be that is None by default."""

_TYPES: dict[type, Any] = {bool: StrictBool, int: StrictInt, float: float, str: StrictStr}


def fields_of(notebook: Path) -> type[RunFields]:
    """The fields of a notebook's runs: names, types and defaults of its parameters.

    Beside its own parameters a run has those that are common to all: its repetition, the protocol
    around it, where it is measured and where its results go. Those of `train.ipynb` are
    `RunConfig`; another notebook that has all its parameters has its checks, too.

    Raises:
        StudyError: If it is no notebook, has no such cell, or one that is no list of literals.
    """
    if notebook.resolve() == RunConfig.notebook.resolve():
        return RunConfig
    said = _parameters(notebook)
    full = RunConfig.model_fields.keys() <= said.keys()
    base, known = (RunConfig, RunConfig.model_fields) if full else (RunFields, COMMON)
    made = _made(said, base, known, f"notebook {notebook.name}")
    made.notebook = notebook
    return made


def _made(
    said: Mapping[str, Any], base: type[RunFields], known: Mapping[str, FieldInfo], source: str
) -> type[RunFields]:
    """A class of the fields that are said, and of the others that are known."""
    why = "is a word of the program or its results; give the parameter another name"
    if taken := [
        f"{source}: '{name}' {why}"
        for name in sorted(said.keys() - known.keys())
        if name in COLUMNS or hasattr(RunFields, name) or name.startswith("_")
    ]:
        raise StudyError(taken)
    fields: dict[str, Any] = {}
    for name in dict.fromkeys([*said, *known]):
        if name in known:
            info = copy.copy(known[name])
            info.default = said.get(name, info.default)
            fields[name] = (info.annotation, info)
        else:
            fields[name] = (_TYPES.get(type(said[name]), Anything), said[name])
    made: type[RunFields] = create_model("RunOf", __base__=base, **fields)
    checked(made, {**said}, source)
    return made


def fields_from(values: Mapping[str, Any], script: Path) -> type[RunFields]:
    """The fields of a run that a script tells by their values; see `fields_of`.

    Raises:
        StudyError: If one is no number, no text, nor True, False or None.
    """
    if wrong := [name for name, value in values.items() if not _is_literal(value)]:
        problem = "a field is a number, a text, True, False or None"
        raise StudyError([f"{name}: {problem}" for name in wrong], "measured")
    made = _made(values, RunFields, COMMON, "measured")
    made.notebook = script
    return made


def checked(fields: type[RunFields], values: Mapping[str, Any], source: str) -> RunFields:
    """A run of these values.

    Raises:
        StudyError: If a field may not have its value, or there is no such field.
    """
    try:
        return fields(**values)
    except ValidationError as error:
        said = [f"{source}: {sentence}" for sentence in sentences(error, fields)]
        raise StudyError(said) from None


def kernel_of(notebook: Path) -> str:
    """The kernel that a notebook asks for.

    Raises:
        StudyError: If there is none of that name, or it is not one of Python.
    """
    name = _content(notebook).get("metadata", {}).get("kernelspec", {}).get("name", "python3")
    if name == "python3":
        return name
    from jupyter_client.kernelspec import KernelSpecManager

    specs = KernelSpecManager().get_all_specs()
    if name not in specs:
        known = ", ".join(sorted(specs))
        raise _error(notebook, [f"there is no kernel '{name}' here; there are {known}"])
    language = specs[name]["spec"]["language"]
    if language.lower() != "python":
        raise _error(notebook, [f"its kernel is of {language}; runs are in Python"])
    return name


def digest(file: Path) -> str | None:
    """Of the code that a notebook executes, its parameters apart, or of a script; None without it.

    First 16 hex digits of a SHA-256.
    """
    try:
        if file.suffix == ".ipynb":
            own = [cell["source"] for cell in _code_cells(file) if not _has_tag(cell)]
            code = json.dumps(["".join(source) for source in own]).encode()
        else:
            code = file.read_bytes()
    except (OSError, StudyError):
        return None
    return hashlib.sha256(code).hexdigest()[:16]


def _parameters(notebook: Path) -> dict[str, Any]:
    cells = [cell for cell in _code_cells(notebook) if _has_tag(cell)]
    if len(cells) != 1:
        number = "no cell" if not cells else f"{len(cells)} cells"
        problem = f"{number} with the tag '{TAG}'; one names the fields of a run and their defaults"
        raise _error(notebook, [problem])
    try:
        tree = ast.parse("".join(cells[0]["source"]))
    except SyntaxError as error:
        problem = f"the cell '{TAG}' is no Python: line {error.lineno}: {error.msg}"
        raise _error(notebook, [problem]) from None
    found: dict[str, Any] = {}
    problems = []
    for statement in tree.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a text that explains
        targets = getattr(statement, "targets", [getattr(statement, "target", None)])
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        try:
            value = ast.literal_eval(statement.value)  # type: ignore[attr-defined]
            if not names or not _is_literal(value):
                raise ValueError
        except (ValueError, AttributeError, TypeError):
            problems.append(
                f"the cell '{TAG}', line {statement.lineno}: `{ast.unparse(statement)}` gives no "
                "name a number, a text, True, False or None"
            )
            continue
        found |= dict.fromkeys(names, value)
    if problems:
        raise _error(notebook, problems)
    return found


def _is_literal(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _code_cells(notebook: Path) -> list[dict[str, Any]]:
    return [cell for cell in _content(notebook)["cells"] if cell.get("cell_type") == "code"]


def _has_tag(cell: dict[str, Any]) -> bool:
    return TAG in cell.get("metadata", {}).get("tags", ())


def _content(notebook: Path) -> dict[str, Any]:
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        if not isinstance(content["cells"], list):
            raise TypeError
    except OSError as error:
        raise _error(notebook, [f"can't be read: {error.strerror}"]) from None
    except (ValueError, KeyError, TypeError):
        raise _error(notebook, ["is no Jupyter notebook"]) from None
    return content


def _error(notebook: Path, problems: list[str]) -> StudyError:
    return StudyError([f"notebook {notebook.name}: {problem}" for problem in problems])
