"""The two-way model of an experiment: log response ~ compared * context + place + block.

It is fitted by least squares. Its tests and estimates allow each combination of compared and
context a spread of its own: spreads of networks differ, and the F tests, which take them for one,
then find an interaction that isn't there in 9 to 11 % of studies (three levels, one of which
scatters five times as much; see `benchmarks/calibration.py`).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.linalg import pinv

from lib.stats.estimate import Estimate
from lib.stats.observations import Factor, Observations

_ROUNDING = 1e-9
_NOTHING = 1e-20  # up to which share of the largest a weight is rounding, and changes no sum
LEAST_VARIANCE = 0.05  # of a cell, as a share of what its residuals say by themselves


@dataclass(frozen=True)
class FTest:
    """Whether a part of the model is needed."""

    f: float = math.nan  # the F statistic of two nested models, that takes all spreads for one
    df: int = 0  # its degrees of freedom
    p: float = math.nan  # of `f`
    p_unequal: float = math.nan  # of the same where spreads may differ: the one to be believed
    reason: str | None = None  # why the question can't be asked; None where it can


class LogModel:
    """The model, fitted to observations; `cells` are those of their `cells` that occur."""

    def __init__(self, observations: Observations):
        self.observations = observations
        self.cells, self._cell_of = np.unique(observations.cells, return_inverse=True)
        self._y = np.log(observations.response)

    @cached_property
    def residuals(self) -> np.ndarray:
        """Of the logs, shape (n,)."""
        return _residuals(self._basis, self._y)

    @cached_property
    def df_residual(self) -> int:
        """Runs less parameters that can be estimated."""
        return len(self._y) - self._basis.shape[1]

    @cached_property
    def residual_sd(self) -> float:
        """Of the logs: the relative spread of repetitions; NaN where nothing is left over."""
        if not self.df_residual:
            return math.nan
        return math.sqrt(float(self.residuals @ self.residuals) / self.df_residual)

    @cached_property
    def effect(self) -> FTest:
        """Whether the compared factor matters at all, whatever its interaction."""
        if len(self.observations.compared) < 2:
            return FTest(reason="nothing is compared: the factor has one level")
        return self._test(_basis(self._nuisance), self._additive_basis, self.effect_p)

    @cached_property
    def interaction(self) -> FTest:
        """Whether the effect of the compared factor depends on the context."""
        observed = self.observations
        if len(observed.context) < 2 or len(observed.compared) < 2:
            return FTest(reason="there is one context only")
        return self._test(self._additive_basis, self._basis, self.interaction_p)

    def effect_p(self, logs: np.ndarray) -> np.ndarray:
        """The `p_unequal` of the effect in each of many studies of this design, by the logs of
        their responses, shape (studies, n).
        """
        return self._unequal(self._between, logs, self._variances(self._squares(logs)))

    def interaction_p(self, logs: np.ndarray) -> np.ndarray:
        """The `p_unequal` of the interaction: see `effect_p`."""
        return self._unequal(self._interactions, logs, self._unmixed(self._squares(logs)))

    def contrast(self, weights: np.ndarray) -> Estimate:
        """Estimate a contrast of the mean logs of `cells`, within places and blocks.

        Its variance is the sum of what each run adds, each residual corrected for its leverage
        (HC2), and its degrees of freedom are Satterthwaite's. Without places and blocks that is
        Welch's t, and of two levels in complete blocks the paired t.

        Source:
            Welch (1947), doi:10.1093/biomet/34.1-2.28; Imbens and Kolesár (2016), "Robust standard
            errors in small samples", doi:10.1162/REST_a_00552.
        """
        few = weights.nonzero()[0]
        row = np.concatenate([weights, np.zeros(self._design.shape[1] - len(weights))])
        if not np.allclose(weights[few] @ self._found[few], row, atol=1e-8):
            return Estimate(reason="never measured in the same place")
        shares = weights[few] @ self._inverse[few]
        value = float(shares @ self._y)
        if (self._runs.sum(axis=0)[few] < 2).any() or not self.df_residual:
            return Estimate(value, reason="one run alone has no spread")
        variance = float(shares**2 @ self._own_squares)
        if variance <= _ROUNDING**2:
            return Estimate(value, reason="all runs agree")
        weights = self._of_residuals(shares**2)
        few = (weights > _NOTHING * weights.max()).nonzero()[0]
        weights, covariance = weights[few], self._covariance[np.ix_(few, few)]
        df = float(weights @ np.diag(covariance)) ** 2 / float(weights @ covariance**2 @ weights)
        return Estimate(value, math.sqrt(variance), df)

    # The design, and what follows from it alone.

    @cached_property
    def _nuisance(self) -> np.ndarray:
        """What is no part of a question: context in each place, and blocks."""
        observed = self.observations
        strata = (observed.strata[:, None] == np.unique(observed.strata)).astype(float)
        if len(observed.block) < 2:
            return strata
        return np.hstack([strata, observed.block.indicators])

    @cached_property
    def _additive_basis(self) -> np.ndarray:
        return _basis(np.hstack([self._nuisance, self.observations.compared.indicators]))

    @cached_property
    def _runs(self) -> np.ndarray:
        """1 where a run is of a cell; shape (n, cells)."""
        return (self._cell_of[:, None] == np.arange(len(self.cells))).astype(float)

    @cached_property
    def _design(self) -> np.ndarray:
        """Cells first; shape (n, parameters), some of which may be redundant."""
        return np.hstack([self._runs, self._nuisance])

    @cached_property
    def _inverse(self) -> np.ndarray:
        """Of the design, without the rows of nuisances: shape (cells, n)."""
        inverse = np.zeros(self._design.T.shape)
        for rows, columns in _unconnected(self._design):
            inverse[np.ix_(columns, rows)] = pinv(self._design[np.ix_(rows, columns)])
        return inverse[: len(self.cells)]

    @cached_property
    def _basis(self) -> np.ndarray:
        return _basis(self._design)

    @cached_property
    def _maker(self) -> np.ndarray:
        """Makes residuals of logs."""
        return np.eye(len(self._y)) - self._basis @ self._basis.T

    @cached_property
    def _found(self) -> np.ndarray:
        """What the inverse finds of each parameter in those of the cells."""
        return self._inverse @ self._design

    # Spreads.

    @cached_property
    def _alone(self) -> np.ndarray:
        """Runs that the model follows wherever they are: the only ones of something."""
        return np.diag(self._maker) < _ROUNDING

    @cached_property
    def _own_squares(self) -> np.ndarray:
        return self._squares(self._y)

    def _squares(self, logs: np.ndarray) -> np.ndarray:
        """Squared residuals corrected for leverage; the pooled variance where a run is alone."""
        residuals = logs @ self._maker
        corrected = residuals**2 / np.where(self._alone, 1, np.diag(self._maker))
        pooled = (residuals**2).sum(axis=-1, keepdims=True) / max(self.df_residual, 1)
        return np.where(self._alone, pooled, corrected)

    def _variances(self, squares: np.ndarray) -> np.ndarray:
        """Of each run, that of its cell."""
        return squares @ (self._runs / self._runs.sum(axis=0)) @ self._runs.T

    def _unmixed(self, squares: np.ndarray) -> np.ndarray:
        """The same, without what residuals of a block take over from each other.

        Where spreads differ, a residual has a part of its neighbours' noise: cells then seem more
        alike than they are, and of 1 : 1 : 5 the interaction has a p below 5 % in 6.3 % of studies.
        """
        runs = self._runs
        mixing = runs.T @ self._maker**2 @ runs
        found = squares * np.where(self._alone, 0, np.diag(self._maker)) @ runs @ pinv(mixing)
        mixed = squares @ runs / runs.sum(axis=0)
        return np.maximum(found, LEAST_VARIANCE * mixed) @ runs.T

    def _of_residuals(self, weights: np.ndarray) -> np.ndarray:
        """Of squared residuals, that make a sum of corrected ones with these weights."""
        return np.where(self._alone, 0, weights / np.where(self._alone, 1, np.diag(self._maker)))

    @cached_property
    def _covariance(self) -> np.ndarray:
        """Of the residuals, as the cells' variances have it."""
        return (self._maker * self._variances(self._own_squares)) @ self._maker

    # Questions.

    @cached_property
    def _between(self) -> np.ndarray:
        """Contrasts of the levels' means over all contexts: what the compared factor does."""
        observed = self.observations
        return self._projector(observed.context, observed.compared) - self._projector(
            observed.context
        )

    @cached_property
    def _interactions(self) -> np.ndarray:
        """Contrasts of the cells' means that an additive model takes for 0."""
        observed = self.observations
        return np.eye(len(self.cells)) - self._projector(observed.context, observed.compared)

    def _projector(self, *factors: Factor) -> np.ndarray:
        """Onto what factors tell of the cells."""
        first = np.unique(self._cell_of, return_index=True)[1]
        basis = _basis(np.hstack([factor.indicators[first] for factor in factors]))
        return basis @ basis.T

    def _test(
        self, without: np.ndarray, with_it: np.ndarray, unequal: Callable[[np.ndarray], np.ndarray]
    ) -> FTest:
        squares = [float((_residuals(one, self._y) ** 2).sum()) for one in (without, with_it)]
        df = with_it.shape[1] - without.shape[1]
        if not df:
            return FTest(reason="no two levels occur in the same context")
        if not self.df_residual or not self.residual_sd > _ROUNDING:
            return FTest(df=df, reason="repetitions show no spread")
        f = (squares[0] - squares[1]) / df / self.residual_sd**2
        p = float(scipy.special.fdtrc(df, self.df_residual, max(f, 0.0)))
        return FTest(f, df, p, float(unequal(self._y)))

    def _unequal(
        self, contrasts: np.ndarray, logs: np.ndarray, variances: np.ndarray
    ) -> np.ndarray:
        """p of contrasts of the cells' means where spreads differ: the ANOVA-type statistic.

        Args:
            contrasts: Of the cells, shape (any, cells).
            logs: Of the response, shape (n,); or (studies, n), of as many studies.
            variances: Of each run, the same shape.

        Source:
            Brunner, Dette and Munk (1997), "Box-type approximations in nonparametric factorial
            designs", doi:10.1080/01621459.1997.10473671.
        """
        shares = contrasts @ self._inverse
        products = shares.T @ shares
        squares = self._squares(logs)
        form = (self._maker * self._of_residuals(np.diag(products))) @ self._maker
        df, df_residual = (
            (variances @ np.diag(one)) ** 2 / ((variances @ (one * one.T)) * variances).sum(axis=-1)
            for one in (products, form)
        )
        found = ((logs @ shares.T) ** 2).sum(axis=-1)
        return scipy.special.fdtrc(df, df_residual, found / (squares @ np.diag(products)))


def _residuals(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    return values - basis @ (basis.T @ values)


def _basis(design: np.ndarray) -> np.ndarray:
    """Orthonormal, of what the columns of a design span, redundant or not."""
    bases = []
    for rows, columns in _unconnected(design):
        left, sizes, _ = np.linalg.svd(design[np.ix_(rows, columns)], full_matrices=False)
        kept = left[:, sizes > 1e-10 * max(left.shape) * sizes[0]]
        basis = np.zeros((len(design), kept.shape[1]))
        basis[rows] = kept
        bases.append(basis)
    return np.hstack(bases)


def _unconnected(design: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of each part of a design that has nothing in common with the others.

    Without blocks each context is one, and the time goes with the cube of the largest.
    """
    rows, columns = design.nonzero()
    size = sum(design.shape)
    links = scipy.sparse.coo_array(
        (np.ones(len(rows)), (rows, len(design) + columns)), shape=(size, size)
    )
    count, part = scipy.sparse.csgraph.connected_components(links, directed=False)
    of_rows, of_columns = part[: len(design)], part[len(design) :]
    for one in range(count):
        here = (of_rows == one).nonzero()[0], (of_columns == one).nonzero()[0]
        if len(here[0]) and len(here[1]):
            yield here
