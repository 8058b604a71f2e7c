"""Controls for `notebooks/analysis.ipynb`: choose study, quantity and factor; set two studies
side by side.

For people only: where nobody watches, as when a report is made, nothing is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

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
    """Show a quantity by a factor, each to be chosen, as is the study, from those beside this one.

    Returns:
        The controls and what they show; a sentence without ipywidgets; None if nobody watches.
    """
    return _controls(_Study, study_dir)


def compare(study_dir: str | Path) -> VBox | Prose | None:
    """Set two studies side by side, which are to be chosen, as is the quantity; see `study`."""
    return _controls(_Comparison, study_dir)


def _controls(panel: type[_Panel], study_dir: str | Path) -> VBox | Prose | None:
    if not front_end.is_watched():
        return None
    return panel(Path(study_dir)).box if find_spec("ipywidgets") else _ABSENT


class _UnreadableError(Exception):
    """A study can't be read; the message says why."""


class _Panel:
    """Dropdowns in a row, and below them what they chose."""

    labels: tuple[str, ...]
    """First those whose choice is a study, then those of columns."""

    studies: int

    def __init__(self, study_dir: Path):
        from ipywidgets import Dropdown, HBox, Layout, Output, VBox

        self.folders = explore_views.folders(study_dir)
        self.here = study_dir.resolve().name
        self._read: dict[str, Analysis] = {}
        self._output = Output()
        looks = {"layout": {"width": "17em"}, "style": {"description_width": "5em"}}
        self.controls = [Dropdown(description=label, **looks) for label in self.labels]
        for place, control in enumerate(self.controls[: self.studies]):
            others = [name for name in self.folders if name != self.here]
            control.options = list(self.folders)
            control.value = others[0] if place and others else self.here
            control.observe(self._choose, "value")
        self.box = VBox([HBox(self.controls, layout=Layout(flex_flow="row wrap")), self._output])
        self._choose()

    def offers(self) -> Iterable[list[str]]:
        """The columns to choose from, a list a control."""
        raise NotImplementedError

    def parts(self) -> Iterable[object]:
        """What to show for the present choice."""
        raise NotImplementedError

    def chosen(self, place: int) -> Analysis:
        """The study of a control, read when it is chosen first."""
        name = self.controls[place].value
        if name not in self._read:
            try:
                self._read[name] = results.load(self.folders[name])
            except results.NoResultsError as error:
                raise _UnreadableError(str(error)) from None
            except Exception as error:  # a damaged file can make anything fail
                raise _UnreadableError(f"'{name}' can't be read: {_one_line(error)}") from error
        return self._read[name]

    def _choose(self, _change: object = None) -> None:
        """Offer the columns of the chosen studies; what was chosen stays where it is there too."""
        try:
            offers = list(self.offers())
        except _UnreadableError:  # `_draw` says why
            offers = []
        for control, columns in zip(self.controls[self.studies :], offers, strict=False):
            control.unobserve_all("value")  # else each change on the way would be drawn
            before = control.value
            control.options = [(quantity(name).name, name) for name in columns]
            control.value = before if before in columns else next(iter(columns), None)
            control.observe(self._draw, "value")
        self._draw()

    def _draw(self, _change: object = None) -> None:
        """Show the present choice, or in a sentence why it can't be shown."""
        from IPython.display import clear_output, display

        with self._output:
            clear_output(wait=True)
            display(*_or_sentence(self.parts))


class _Study(_Panel):
    labels, studies = ("Study", "Quantity", "Factor"), 1

    def offers(self) -> Iterable[list[str]]:
        runs = self.chosen(0).runs
        return explore_views.responses(runs), explore_views.factors(runs)

    def parts(self) -> Iterable[object]:
        study, (name, response, factor) = self.chosen(0), (one.value for one in self.controls)
        if not response:
            return [Prose((f"No run of {name} is complete yet.",))]
        return explore_views.by_factor(study, response, factor)


class _Comparison(_Panel):
    labels, studies = ("A", "B", "Quantity"), 2

    def offers(self) -> Iterable[list[str]]:
        one, other = self.chosen(0).runs, self.chosen(1).runs
        yield [name for name in explore_views.responses(one) if name in other]

    def parts(self) -> Iterable[object]:
        if len(self.folders) == 1:
            return [Prose((f"There is no other study in the folder of {self.here}.",))]
        if self.controls[0].value == self.controls[1].value:
            return [Prose(("Choose two different studies to compare.",))]
        return explore_views.beside(self.chosen(0), self.chosen(1), self.controls[2].value)


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
