"""One run under the protocol: begun by a notebook or around any code, measured, recorded."""

from lib.experiment.entry import begin, measured
from lib.experiment.protocol import Run
from lib.experiment.results import RunError

__all__ = ["Run", "RunError", "begin", "measured"]
