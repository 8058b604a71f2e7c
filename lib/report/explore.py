"""Controls for `notebooks/analysis.ipynb`: choose study, quantity and factor; set two studies
side by side.

For people only: where nobody watches, as when a report is made, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib.analysis import comparison, results
from lib.analysis.results import Analysis
from lib.quantities import quantity
from lib.report import explore_views, front_end
from lib.report.page import Prose

if TYPE_CHECKING:
    from ipywidgets import VBox

_ABSENT = Prose(
    ("These controls need the package ipywidgets, which is not installed: pip install ipywidgets",)
)


def study(study_dir: str | Path) -> VBox | Prose | None:
    """Show a quantity by a factor, each to be chosen, as is the study.

    Args:
        study_dir: The study to begin with; those beside it are there to choose from.

    Returns:
        The controls and what they show; a sentence without ipywidgets; None if nobody watches.
    """
    return _controls(_Study, study_dir)


def compare(study_dir: str | Path) -> VBox | Prose | None:
    """Set two studies side by side, which are to be chosen, as is the quantity.

    Args:
        study_dir: The study to begin with; those beside it are there to choose from.

    Returns:
        The controls and what they show; a sentence without ipywidgets; None if nobody watches.
    """
    return _controls(_Comparison, study_dir)


def _controls(panel: type[_Panel], study_dir: str | Path) -> VBox | Prose | None:
    if not front_end.is_watched():
        return None
    if find_spec("ipywidgets") is None:
        return _ABSENT
    return panel(Path(study_dir)).box


class _UnreadableError(Exception):
    """A study can't be read; the message says why."""


class _Panel:
    """Dropdowns in a row, and below them what they chose."""

    def __init__(self, study_dir: Path):
        from ipywidgets import HBox, Layout, Output, VBox

        self._folders = explore_views.folders(study_dir)
        self._first = study_dir.resolve().name
        self._read: dict[str, Analysis] = {}
        self._output = Output()
        controls = HBox(self.controls(), layout=Layout(flex_flow="row wrap"))
        self.box = VBox([controls, self._output])
        self.draw()

    def controls(self) -> list[Any]:
        """Make the dropdowns."""
        raise NotImplementedError

    def parts(self) -> Iterable[object]:
        """What to show for the present choice."""
        raise NotImplementedError

    def draw(self, _change: object = None) -> None:
        """Show the present choice, or in a sentence why it can't be shown."""
        from IPython.display import clear_output, display

        with self._output:
            clear_output(wait=True)
            display(*_or_sentence(self.parts))

    def dropdown(self, label: str, options: Iterable[Any], value: Any, then: Callable) -> Any:
        """A dropdown that calls `then` when something else is chosen."""
        from ipywidgets import Dropdown

        made = Dropdown(
            description=label,
            options=list(options),
            value=value,
            layout={"width": "17em"},
            style={"description_width": "5em"},
        )
        made.observe(then, "value")
        return made

    def load(self, name: str) -> Analysis:
        """A study, read when it is chosen first.

        Raises:
            _UnreadableError: If it can't be; the message says why.
        """
        if name not in self._read:
            try:
                self._read[name] = results.load(self._folders[name])
            except results.NoResultsError as error:
                raise _UnreadableError(str(error)) from None
            except Exception as error:  # a damaged file can make anything fail
                raise _UnreadableError(f"'{name}' can't be read: {_one_line(error)}") from error
        return self._read[name]


class _Study(_Panel):
    def controls(self) -> list[Any]:
        self.study = self.dropdown("Study", self._folders, self._first, self._choose)
        self.response = self.dropdown("Quantity", [], None, self.draw)
        self.factor = self.dropdown("Factor", [], None, self.draw)
        self._offer()
        return [self.study, self.response, self.factor]

    def parts(self) -> Iterable[object]:
        loaded = self.load(self.study.value)
        if not self.response.value:
            return [Prose((f"No run of {self.study.value} is complete yet.",))]
        return explore_views.by_factor(loaded, self.response.value, self.factor.value)

    def _choose(self, _change: object) -> None:
        self._offer()
        self.draw()

    def _offer(self) -> None:
        """Offer what the study has; what was chosen stays so where it is there too."""
        try:
            runs = self.load(self.study.value).runs
        except _UnreadableError:
            runs = pd.DataFrame()  # `draw` says why
        for control, names in (
            (self.response, explore_views.responses(runs)),
            (self.factor, explore_views.factors(runs)),
        ):
            _offer(control, names, self.draw)


class _Comparison(_Panel):
    def controls(self) -> list[Any]:
        others = [name for name in self._folders if name != self._first]
        second = others[0] if others else self._first
        self.first = self.dropdown("A", self._folders, self._first, self._choose)
        self.second = self.dropdown("B", self._folders, second, self._choose)
        self.response = self.dropdown("Quantity", [], None, self.draw)
        self._offer()
        return [self.first, self.second, self.response]

    def parts(self) -> Iterable[object]:
        if len(self._folders) == 1:
            return [Prose((f"There is no other study in the folder of {self._first}.",))]
        if self.first.value == self.second.value:
            return [Prose(("Choose two different studies to compare.",))]
        return explore_views.beside(
            self.load(self.first.value), self.load(self.second.value), self.response.value
        )

    def _choose(self, _change: object) -> None:
        self._offer()
        self.draw()

    def _offer(self) -> None:
        try:
            one, other = (self.load(control.value).runs for control in (self.first, self.second))
        except _UnreadableError:
            return  # `draw` says why
        both = [name for name in explore_views.responses(one) if name in other]
        _offer(self.response, both, self.draw)


def _offer(control: Any, columns: list[str], redraw: Callable) -> None:
    """Give a dropdown other options without a call of `redraw` for each change on the way."""
    control.unobserve(redraw, "value")
    before = control.value
    control.options = [(quantity(name).name, name) for name in columns]
    control.value = before if before in columns else next(iter(columns), None)
    control.observe(redraw, "value")


def _or_sentence(make: Callable[[], Iterable[object]]) -> list[object]:
    """What `make` gives, or one sentence: a control must not answer with a traceback."""
    try:
        return list(make())
    except (_UnreadableError, comparison.NothingSharedError) as error:
        said = str(error)
    except Exception as error:
        said = f"This can't be shown: {_one_line(error)}"
    return [Prose((said,))]


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
