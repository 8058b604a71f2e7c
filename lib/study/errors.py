"""Errors that carry a sentence for the user."""

from __future__ import annotations

from typing import ClassVar


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

    Args:
        problems: One sentence per mistake: what is wrong, where, and what would be right.
        source: The file that the mistakes are in, named at the head of the message.
    """

    def __init__(self, problems: list[str], source: str | None = None):
        self.problems = problems
        head = f"{source}: " if source else ""
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(f"{head}{count}\n" + "\n".join(f"  - {line}" for line in problems))
