"""Errors that carry a sentence for the user."""

from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ValidationError

MOST_PROBLEMS, LONGEST_PROBLEM = 20, 500
"""Sentences of one message, and characters of one: what is quoted in them may be of any size."""


class UserError(Exception):
    """Its text says what is wrong, where, and what would be right.

    Everything that the program raises for a user derives from it; the command line prints the
    text of any, and ends with its exit status.
    """

    exit_status: ClassVar[int] = 2

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence, without the way to it through the code."""
        return [f"{type(self).__name__}: {self}"]


class StudyError(UserError):
    """A study, or what the command line adds to it, can't be run.

    There is a sentence for each mistake: what is wrong, where, and what would be right. The file
    that they are in is named at the head of the message.
    """

    def __init__(self, problems: list[str], source: str | None = None):
        self.problems = problems
        head = f"{source}: " if source else ""
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = [
            line if len(line) <= LONGEST_PROBLEM else f"{line[:LONGEST_PROBLEM]} ..."
            for line in problems[:MOST_PROBLEMS]
        ]
        if len(problems) > MOST_PROBLEMS:
            lines.append(f"and {len(problems) - MOST_PROBLEMS} more")
        super().__init__(f"{head}{count}\n" + "\n".join(f"  - {line}" for line in lines))


class StoppedError(UserError):
    """A call ended early for a reason outside of its runs; those not complete are missing."""

    exit_status = 1


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Pydantic's errors about a `model` as sentences: the field, the value, what is allowed."""
    found = []
    for detail in error.errors():
        # Of a choice between models, pydantic names the one that it took, which is no field.
        field = ".".join(str(part) for part in detail["loc"] if " " not in str(part))
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "missing":
            found.append(f"{field}: is missing")
        elif detail["type"] == "extra_forbidden":
            allowed = ", ".join(sorted(_model_at(model, detail["loc"][:-1]).model_fields))
            found.append(f"{field}: unknown field; allowed are {allowed}")
        elif not field:
            found.append(message)
        else:
            found.append(f"{field}: {detail['input']!r}: {message}")
    return found


def _model_at(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    for part in place:
        if part in model.model_fields:
            model = _model_in(model.model_fields[str(part)].annotation) or model
    return model


def _model_in(said: Any) -> type[BaseModel] | None:
    if isinstance(said, type) and issubclass(said, BaseModel):
        return said
    return next(filter(None, map(_model_in, get_args(said))), None)
