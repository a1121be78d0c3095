"""What diverges as training reaches smaller times: which power or logarithm ([G14]-[G18])."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import ComponentNodes
from scorelens.generalization.statistics.averages import average
from scorelens.generalization.statistics.features import Level
from scorelens.generalization.statistics.regression import Target, products_with
from scorelens.generalization.statistics.shared_weights import SharedWeights
from scorelens.generalization.statistics.times import TimeFunction, TrainingTimes

_EARLY = 1e-9
"""Share of the last time at which what converges has converged."""


class Growth(NamedTuple):
    """``t^-power log(1/t)^logs log(log(1/t))^loglogs`` of a cut-off ``t -> 0``; all 0 for what converges."""

    power: float = 0.0
    logs: float = 0.0
    loglogs: float = 0.0

    @property
    def bounded(self) -> bool:
        """Whether it stays finite."""
        return self <= (0.0, 0.0, 0.0)

    def at(self, cutoff: ArrayLike) -> np.ndarray:
        """Its value at the cut-off times, which must be below 1 if a logarithm enters.

        >>> Growth(power=2.0).at(0.1)
        np.float64(100.0)
        """
        t = np.asarray(cutoff, dtype=float)
        found = t**-self.power
        if self.logs:
            found = found * np.log(1 / t) ** self.logs
        return found * np.log(np.log(1 / t)) ** self.loglogs if self.loglogs else found

    def times(self, other: Growth, exponent: float = 1.0) -> Growth:
        """Of the product with ``other ** exponent``."""
        return Growth(*(a + exponent * b for a, b in zip(self, other, strict=True)))


class Leading(NamedTuple):
    """``coefficient growth`` for small cut-offs; the coefficient is the limit where the growth is bounded."""

    coefficient: np.ndarray
    growth: Growth


class Measured(NamedTuple):
    """Between neighbouring cut-offs: the local ``power`` and the slope ``per_log`` against ``log(1/t)``."""

    power: np.ndarray
    per_log: np.ndarray


def integral_growth(power: float, log_power: float = 0.0) -> tuple[Growth, float]:
    """Of ``int_t^1 u^power log(1/u)^log_power du``, and its coefficient; NaN where it converges.

    >>> integral_growth(-2.0)
    (Growth(power=1.0, logs=0.0, loglogs=0.0), 1.0)
    >>> integral_growth(-1.0, -1.0)[0]
    Growth(power=0.0, logs=0.0, loglogs=1.0)
    """
    if power < -1:
        return Growth(-power - 1.0, log_power), 1 / (-power - 1)
    if power > -1 or log_power < -1:
        return Growth(), np.nan
    if log_power == -1:
        return Growth(loglogs=1.0), 1.0
    return Growth(logs=log_power + 1.0), 1 / (log_power + 1)


def measured_growth(cutoffs: ArrayLike, values: ArrayLike) -> Measured:
    """Local power and slope per logarithm of positive ``values (m,)`` at falling ``cutoffs (m,)``.

    >>> measured_growth([0.1, 0.01], [10.0, 100.0]).power
    array([1.])
    """
    t, found = np.asarray(cutoffs, dtype=float), np.asarray(values, dtype=float)
    if t.ndim != 1 or t.shape != found.shape or len(t) < 2:
        raise ValueError(f"cutoffs and values must both be (m,) with m >= 2, got {t.shape} and {found.shape}")
    checks.positive("cutoffs", t)
    checks.positive("values", found)
    step = np.diff(np.log(1 / t))
    if not (step > 0).all():
        raise ValueError("cutoffs must fall; sort them from large to small")
    return Measured(np.diff(np.log(found)) / step, np.diff(found) / step)


def with_cutoff(fit: SharedWeights, t_min: float) -> SharedWeights:
    """The same fit with its training times cut off at ``t_min``."""
    return replace(fit, times=replace(fit.times, t_min=t_min))


@final
@dataclass(frozen=True, eq=False)
class SmallTimePrediction:
    """Leading behaviour of what ``fit`` is made of as its ``t_min -> 0``, at fixed density and weight.

    For features that are smooth on the scale of the noise. Whatever ``t_min`` the fit has does not matter.
    """

    fit: SharedWeights

    @property
    def finite_variance(self) -> bool:
        """Whether the score fitted without a cut-off has a finite variance.

        ``int lambda w^2 / sigma^4 dt < infinity``, the condition of [G17] with its weight.
        """
        return self._of_integral(2, 4.0)[0].bounded

    @property
    def density(self) -> Leading:
        """``int density dt``, by which the density is divided."""
        return self._integral(0, 0.0)

    def moment(self, order: int) -> Growth:
        """Of ``E[J^order]`` ([G18]): odd moments cancel at leading order."""
        checks.whole("order", order, 1)
        return self._normalised(self._of_integral(order, 2.0 * order - order % 2)[0])

    @property
    def second_moment(self) -> Leading:
        """``K``, ``(F, F)``."""
        growth, factor = self._of_integral(1, 2.0)
        if growth.bounded:
            return self._divided(Leading(self._limit_moment, growth))
        return self._divided(Leading(factor * self._clean_moments()[0], growth))

    def target_products(self, j: int, l: int) -> Leading:  # noqa: E741
        """``E[J_ij J_kl]`` over ``(i, k)`` ([G14]); zero at leading order for ``j != l``."""
        growth, factor = self._of_integral(2, 4.0)
        if growth.bounded:
            raise ValueError("E[J J] converges for these times and weights; compute it with t_min = 0")
        clean = self._clean_moments()[0]
        return self._divided(Leading(factor * clean * (j == l), growth))

    def covariance(self, x: ArrayLike, t: ArrayLike, *, target: Target = "dsm") -> Leading:
        """``n Cov`` of the score at the points, ``(p, d, p, d)`` ([G15], [G16]).

        Where ``K`` itself diverges the optimum goes to zero, slowly if that is a logarithm; a coefficient of
        0 (naive target, smooth data) then means a slower growth, by the square of the optimum.
        """
        meat, factor = self._of_integral(2, 4.0)
        bread, of_bread = self._of_integral(1, 2.0)
        density = self.density
        growth = density.growth.times(meat).times(bread, -2.0)
        if meat.bounded:
            early = with_cutoff(self.fit, _EARLY * self.fit.times.t_max)
            limit = early.covariance(x, t, target=target) / early.times.normalisation
            return Leading(density.coefficient * limit, growth)
        optimum = self._equivalent.optimum if bread.bounded else None
        clean, within = self._clean_moments(optimum, target)
        moment = self._limit_moment if bread.bounded else of_bread * clean
        rows = np.linalg.solve(moment, self._rows(x, t).T).T
        found = np.einsum("pa,iajb,qb->piqj", rows, factor * within, rows)
        return Leading(density.coefficient * found, growth)

    def _of_integral(self, weights: int, noise_power: float) -> tuple[Growth, float]:
        """Growth of ``int density w^weights sigma^-noise_power dt`` and its coefficient."""
        times, beginning = self.fit.times, self.fit.schedule.small_time
        power, log_power = times.log_powers(weights)
        growth, factor = integral_growth(power - noise_power / 2 * beginning.power, log_power)
        prefactor = _prefactor(times.density, times) * _prefactor(times.weight, times) ** weights
        return growth, factor * prefactor * beginning.coefficient ** (-noise_power / 2)

    def _integral(self, weights: int, noise_power: float) -> Leading:
        growth, coefficient = self._of_integral(weights, noise_power)
        if growth.bounded:
            coefficient = replace(self.fit.times, t_min=0.0).normalisation
        return Leading(np.asarray(coefficient), growth)

    def _normalised(self, growth: Growth) -> Growth:
        return growth.times(self.density.growth, -1.0)

    def _divided(self, found: Leading) -> Leading:
        density = self.density
        return Leading(found.coefficient / density.coefficient, self._normalised(found.growth))

    @cached_property
    def _equivalent(self) -> SharedWeights:
        """The fit with the same optimum that draws its times with the weight and has no cut-off."""
        times = self.fit.times
        drawn = TimeFunction(
            lambda t: times.density(t) * times.weight(t), *times.log_powers(1), name="density times weight"
        )
        made = TrainingTimes(drawn, TimeFunction.constant(), 0.0, times.t_max)
        return replace(self.fit, times=made)

    @property
    def _limit_moment(self) -> np.ndarray:
        return self._equivalent.second_moment * self._equivalent.times.normalisation

    def _clean_moments(
        self, optimum: np.ndarray | None = None, target: Target = "dsm"
    ) -> tuple[np.ndarray, np.ndarray]:
        """``E[phi phi^T]`` and ``E[(D + W phi (W phi)^T) phi phi^T]`` over the clean data ([G15]).

        ``D`` is the identity, and for the naive target only the part in which a component is a point.
        """
        law, features = self.fit.law, self.fit.features
        m, d = features.n_features, law.dim
        along = np.tile(np.eye(d), (law.n_components, 1, 1))
        along = law.point_directions() if target == "naive" else along
        weights = np.zeros((d, m)) if optimum is None else optimum

        def integrand(part: ComponentNodes, phi: np.ndarray) -> np.ndarray:
            moment = (part.weight * phi.T) @ phi
            rows = ((phi @ weights.T)[:, :, None] * phi[:, None]).reshape(len(phi), -1)
            within = products_with(part.weight[:, None, None] * along[part.component], phi)
            return np.r_[moment.ravel(), within.ravel() + ((part.weight * rows.T) @ rows).ravel()]

        found = average(law, features, Level(1.0, 0.0, 0.0), integrand, 4)
        return found[: m * m].reshape(m, m), found[m * m :].reshape(d, m, d, m)

    def _rows(self, x: ArrayLike, t: ArrayLike) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        levels = zip(x, np.broadcast_to(np.asarray(t, dtype=float), (len(x),)), strict=True)
        return np.concatenate([self._row(point[None], float(time)) for point, time in levels])

    def _row(self, x: np.ndarray, t: float) -> np.ndarray:
        schedule = self.fit.schedule
        level = Level(float(schedule.alpha(t)), float(schedule.std(t)), t)
        return self.fit.features.value(x, level) / level.std


def _prefactor(function: TimeFunction, times: TrainingTimes) -> float:
    """``c`` of ``c t^power log(1/t)^log_power``; with a logarithm to a relative ``1 / log``."""
    t = np.array([1e-12 * times.t_max])
    return float((function(t) * t**-function.power * (1 + np.log(times.t_max / t)) ** -function.log_power)[0])
