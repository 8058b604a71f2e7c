"""Holm's correction of p-values for their number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from lib.stats.hypotests import TestResult


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


def by_family(results: Iterable[TestResult]) -> list[TestResult]:
    """Adjust the p-values of each family of tests among themselves, by `holm`."""
    results = list(results)
    families: dict[str, list[int]] = {}
    for index, result in enumerate(results):
        families.setdefault(result.family, []).append(index)
    for members in families.values():
        adjusted = holm(results[index].p for index in members)
        for index, p in zip(members, adjusted, strict=True):
            results[index] = replace(results[index], p_holm=float(p))
    return results
