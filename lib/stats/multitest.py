"""Holm's correction of p-values for their number."""

from collections.abc import Iterable

import numpy as np


def holm(p_values: Iterable[float]) -> np.ndarray:
    """Adjust p-values for their number; NaN is no test and stays.

    The same as `statsmodels.stats.multitest.multipletests`, which collects garbage at every call
    and so takes longer than all the tests of a study.

    Source:
        Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    p = np.array(list(p_values), dtype=float)
    tests = np.flatnonzero(~np.isnan(p))
    ordered = tests[np.argsort(p[tests], kind="stable")]
    factors = np.arange(len(ordered), 0, -1)
    p[ordered] = np.maximum.accumulate(np.minimum(1.0, factors * p[ordered]))
    return p
