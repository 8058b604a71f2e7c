"""What came out of a training, as who trains tells it: checked before it becomes a record."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lib.records.record import Record
from lib.study.errors import UserError

TOLD = (
    *("accuracy", "loss", "flops", "flops_head", "flops_training"),
    *("parameters", "trainable_parameters", "depth"),
)
"""Quantities of a record that are told by who trains; all others are measured."""

_COLUMNS_OF_OTHERS = ("version_", "data_", "wattmeter_", "inference_")


class RunError(UserError):
    """A run was used in a way that leaves no sound record."""


def number(name: str, value: Any, *, finite: bool = True) -> int | float:
    """A number as Python has it, of any library's scalar.

    Raises:
        RunError: If it is none: text, a truth value, or not `finite`.
    """
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError):
        raise RunError(f"{name}: {value!r} is no number") from None
    if finite and not math.isfinite(found):
        raise RunError(f"{name}: is {found}; a result is a finite number")
    return int(value) if isinstance(value, int) else found


@dataclass
class Results:
    """What came out of a training; results may not have the names of the run's `fields`."""

    fields: frozenset[str]
    values: dict[str, int | float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        values: Mapping[str, Any],
        doubts: Iterable[str],
        reasons: Mapping[str, str],
        data: Mapping[str, Any],
        facts: Mapping[str, str],
    ) -> None:
        """Note more; what is noted again replaces what was.

        Raises:
            RunError: If a value is no finite number, is None without a reason, or has the name of
                what is measured.
        """
        for name, value in values.items():
            if problem := self._taken(name):
                raise RunError(f"{name}: {problem}; give your result another name")
            if value is not None:
                self.values[name] = number(name, value)
            elif name not in reasons:
                raise RunError(f"{name}: is None; give a number, or a reason in reasons")
        self.facts.update(facts)
        self.data.update(data)
        self.doubts += doubts
        self.reasons.update(reasons)

    def _taken(self, name: str) -> str | None:
        if name in self.fields:
            return "is a parameter of this run"
        of_others = name.startswith(_COLUMNS_OF_OTHERS) or name.endswith("_duration")
        if of_others or (name in Record.model_fields and name not in TOLD):
            return "is measured here, or said by the program"
        return None
