"""What a run under way shows to somebody who watches it."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from html import escape

from lib import text
from lib.records.progress import Progress
from lib.report import front_end
from lib.report.figures import svg

SECONDS_BETWEEN = 2.0
LARGEST_SHARE = 0.005  # of the kernel's time that drawing may take, while energy is measured
SAMPLES = 300  # of the power, one a second, that the picture goes back; at first, the last minute

_PHASES = {
    "checks": "Checking the machine",
    "idle": "Measuring the idle machine",
    "warmup": "Warming up",
    "training": "Training",
    "cooldown": "Cooling down",
    "inference": "Measuring inference",
}


class LiveCurve:
    """Accuracy and watts of a run under way.

    While it runs this is a small SVG and not a plotly figure, because the watcher's browser often
    runs on the machine that is measured. Drawn every two seconds for 40 s in JupyterLab, the SVG
    took 0.04 % of a core in the kernel and 0.2 % in a headless browser; a plotly figure took 5.6 %
    and 7 %. It is drawn every `SECONDS_BETWEEN` seconds at most, and more rarely where it would
    take more than `LARGEST_SHARE` of the time.

    Where nobody watches, as under papermill, nothing is drawn: the measurement is undisturbed.
    """

    def __init__(self, run_id: str):
        self._run_id = run_id
        self._is_watched = front_end.is_watched()
        self._history: Sequence[Mapping[str, float]] = ()
        self._watts: deque[tuple[float, float]] = deque(maxlen=SAMPLES)
        self._last = Progress("")
        self._next = 0.0
        self._shown = None

    def progress(self, progress: Progress) -> None:
        """Take where the run stands, and show it if it is time to.

        Called after every step and at the start of every phase.
        """
        if not self._is_watched:
            return
        now = time.monotonic()
        # CodeCarbon's total moves with every sample, be its watts the same.
        if progress.watts is not None and progress.energy_consumed != self._last.energy_consumed:
            self._watts.append((now, progress.watts))
        begins = progress.phase != self._last.phase
        self._last = progress
        if begins or now >= self._next:
            self._show(self._picture(now))
            done = time.monotonic()
            self._next = done + max(SECONDS_BETWEEN, (done - now) / LARGEST_SHARE)

    def epoch(self, history: Sequence[Mapping[str, float]]) -> None:
        """Take all epochs so far, as `lib.experiment.Run` hands them over."""
        self._history = tuple(history)

    def end(self) -> None:
        """Take away what moved: the notebook has figures of all that it showed."""
        from IPython.display import clear_output

        clear_output()

    def _show(self, picture: str) -> None:
        from IPython.display import HTML
        from IPython.display import display as show

        if self._shown is None:
            self._shown = show(HTML(picture), display_id=True)
        else:
            self._shown.update(HTML(picture))

    def _picture(self, now: float) -> str:
        epochs_so_far = self._history
        last = self._last.epochs or 1
        accuracies = {
            name: [(one["epoch"], one[column]) for one in epochs_so_far if column in one]
            for name, column in (("validation", "val_accuracy"), ("training", "accuracy"))
        }
        watts = [(at - now, power) for at, power in self._watts]
        highest = max((power for _, power in watts), default=0.0)
        back = round(max(60, -watts[0][0])) if watts else 60
        panels = [
            svg.panel("Accuracy, by epoch", accuracies, (0, last), 1.0, ("0", str(last))),
            svg.panel("Power (W)", {"": watts}, (-back, 0), highest, (f"{back} s ago", "now")),
        ]
        return (
            f'<div class="live"><p><b>{escape(self._run_id)}</b>: {escape(self._words())}</p>'
            f"{''.join(panels)}</div>"
        )

    def _words(self) -> str:
        """`Training, epoch 2 of 5 (31 % done): 28.4 W, 0.41 Wh, validation accuracy 0.52`."""
        at = self._last
        said = _PHASES.get(at.phase, at.phase)
        if at.epoch:
            said += f", epoch {at.epoch} of {at.epochs} ({100 * at.fraction:.0f} % done)"
        known = [f"{at.watts:.1f} W"] if at.watts is not None else []
        known += [text.energy(at.energy_consumed)] if at.energy_consumed is not None else []
        if at.accuracy is not None:
            kind = "validation" if self._history else "training"
            known.append(f"{kind} accuracy {at.accuracy:.3f}")
        return f"{said}: {', '.join(known)}" if known else f"{said} …"
