"""What is done to the values of an imported log before they are analysed.

The same rows can be treated in two ways: taken as the paper's authors took theirs, or corrected.
"""

import pandas as pd

from lib.logs.counters import COUNTERS, difference_cumulative
from lib.stats.score import score

AS_PUBLISHED = "as published"
CORRECTED = "corrected"
MEASURED = "measured"

SCORE_ENERGY = "score_energy"
"""Energy that Scores are made of, kWh: as published it isn't `energy_consumed`."""


def treatments(results: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Give the same rows of results under each treatment.

    For a study of our own that is `{"measured": results}`. For an import there are two tables with
    the same rows and columns: `as published`, in which the counters are what the log says and
    Scores follow Table 6, and `corrected`, in which they are what each run took. Both have
    `score_energy`. The paper has two energies: Tables 3 to 5 and Figures 2 and 4 take the log's,
    Table 6 differences between the rows of one architecture, so that the first run of ResNet50
    holds all of VGG19's, which shared its tracker.
    """
    logged = [f"{name}_logged" for name in COUNTERS]
    if not set(logged) <= set(results.columns):
        return {MEASURED: results}
    corrected = results.drop(columns=logged)
    published = corrected.assign(**{name: results[f"{name}_logged"] for name in COUNTERS})
    within = difference_cumulative(
        published,
        by=["tracker_run_id", "architecture"],
        columns=["energy_consumed"],
        order="ended_at",
    )
    return {
        AS_PUBLISHED: _scored(published, within["energy_consumed"]),
        CORRECTED: _scored(corrected, corrected["energy_consumed"]),
    }


def _scored(frame: pd.DataFrame, energy: pd.Series) -> pd.DataFrame:
    scores = score(frame["accuracy"], energy)
    return frame.assign(**{SCORE_ENERGY: energy, "score": scores})
