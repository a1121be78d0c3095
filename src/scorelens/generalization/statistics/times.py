"""When training draws its noise levels, and how it weighs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np

from scorelens.core import checks
from scorelens.generalization.quadrature import panels, refined
from scorelens.generalization.schedules import Schedule

_RULES = ((4.0, 12), (4.0, 20), (2.0, 20), (1.0, 20), (0.5, 20), (0.25, 20))
"""Width of a panel in ``log t`` and order on it."""
_ACCURACY = 1e-10
_DEEPEST = 200.0
_CELLS = 2**14


@final
@dataclass(frozen=True)
class TimeFunction:
    """A positive function of time that behaves like ``t^power log(1/t)^log_power`` as ``t -> 0``.

    ``function`` takes and returns an array. The two powers are what predictions at small time rest on; they
    are declared because no number of values can tell a logarithm from a small power.
    """

    function: Callable[[np.ndarray], np.ndarray]
    power: float = 0.0
    log_power: float = 0.0
    name: str = "custom"

    @classmethod
    def constant(cls) -> Self:
        """Uniform times, or no weight."""
        return cls(np.ones_like, name="uniform")

    @classmethod
    def of_time(cls, power: float, log_power: float = 0.0, unit: float = 1.0) -> Self:
        """``t^power log(e unit / t)^log_power``, for times up to ``unit``; -1 is uniform in ``log t``.

        >>> TimeFunction.of_time(-1.0)(np.array([0.5]))
        array([2.])
        """
        checks.positive("unit", unit)

        def function(t: np.ndarray) -> np.ndarray:
            return t**power * (1.0 + np.log(unit / t)) ** log_power

        return cls(function, power, log_power, f"t^{power:g}" + (f" log^{log_power:g}" if log_power else ""))

    @classmethod
    def of_variance(cls, schedule: Schedule, power: float = 1.0) -> Self:
        """``sigma_t^(2 power)``: with power 1 the density ``lambda_*`` of [G6], or the usual loss weight."""
        beginning = schedule.small_time.power
        return cls(lambda t: schedule.variance(t) ** power, power * beginning, name=f"sigma^{2 * power:g}")

    def __call__(self, t: np.ndarray) -> np.ndarray:
        found = np.asarray(self.function(t), dtype=float)
        checks.positive(f"the {self.name} function of time", found)
        return found


@final
@dataclass(frozen=True)
class TrainingTimes:
    """Times drawn from ``density`` (normalised here) on ``[t_min, t_max]``, each loss times ``weight``.

    Only the product decides the optimum; the variance depends on both ([G6]). ``t_min`` may be 0 where the
    averages asked for converge; those that do not raise ``ValueError`` with the power that diverges.

    >>> TrainingTimes(TimeFunction.constant(), TimeFunction.constant(), 0.5, 1.0).mean(lambda t: t, 1.0)
    array(0.75)
    """

    density: TimeFunction
    weight: TimeFunction
    t_min: float
    t_max: float

    def __post_init__(self) -> None:
        checks.non_negative("t_min", self.t_min)
        checks.positive("t_max", self.t_max)
        if not self.t_min < self.t_max:
            raise ValueError(f"t_min must be below t_max, got {self.t_min:g} and {self.t_max:g}")

    def log_powers(self, weights: float) -> tuple[float, float]:
        """Power of ``t`` and of ``log(1/t)`` of ``density weight^weights`` as ``t -> 0``."""
        return (
            self.density.power + weights * self.weight.power,
            self.density.log_power + weights * self.weight.log_power,
        )

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``n`` independent training times, ``(n,)``.

        By the inverse of a table whose cells are so narrow that the law is right to a relative 1e-6.

        >>> times = TrainingTimes(TimeFunction.constant(), TimeFunction.constant(), 0.5, 1.0)
        >>> times.sample(10**5, np.random.default_rng(0)).mean().round(2)
        np.float64(0.75)
        """
        checks.whole("n", n, 1)
        edges, cumulative = self._table
        cell = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
        cell = np.minimum(cell, len(edges) - 2)
        low, high = np.log(edges[cell]), np.log(edges[cell + 1])
        return np.exp(low + (high - low) * rng.random(n))

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges of narrow cells in ``log t``, and the mass up to the end of each."""
        self.require_convergence("the density of training times", self.density.power)
        edges = np.geomspace(self._lowest(self.density.power), self.t_max, _CELLS + 1)
        t, weights = panels(np.log(edges), 3)
        mass = (self.density(np.exp(t)) * np.exp(t) * weights).reshape(_CELLS, 3).sum(axis=1)
        return edges, np.cumsum(mass)

    @cached_property
    def normalisation(self) -> float:
        """``int density dt`` before it is normalised."""
        self.require_convergence("the density of training times", self.density.power)
        return float(self._integral(self.density, self.density.power, self._ends))

    @property
    def _ends(self) -> np.ndarray:
        return np.array([self.t_min, self.t_max])

    def require_convergence(self, what: str, power: float, log_power: float = 0.0) -> None:
        """``ValueError`` if ``int_0 t^power log(1/t)^log_power dt`` diverges and nothing cuts it off."""
        diverges = power < -1 or (power == -1 and log_power >= -1)
        if self.t_min == 0 and diverges:
            how = f"t_min^{power + 1:g}" if power < -1 else "log(1 / t_min)"
            raise ValueError(
                f"{what} diverges like {how} as t_min -> 0, got t_min 0: its integrand is t^{power:g} "
                "(the leading power is all that is known, also where its coefficient is zero); "
                "cut the times off at t_min > 0, or weigh small times less"
            )

    def mean(
        self,
        function: Callable[[float], np.ndarray],
        power: float,
        breaks: np.ndarray | None = None,
        sizes: int = 0,
    ) -> np.ndarray:
        """``E[function(t)]``, where ``density function`` goes like ``t^power`` as ``t -> 0``.

        Split at ``breaks``, the first of which lies above ``t_min`` if the function is zero before it, and
        integrated over ``log t``, as integrands near ``t = 0`` are powers of it.
        For ``sizes`` see `scorelens.generalization.quadrature.refined`.
        """
        ends = self._ends if breaks is None else breaks

        def integrand(t: np.ndarray) -> np.ndarray:
            return np.stack([d * function(float(one)) for one, d in zip(t, self.density(t), strict=True)], -1)

        return np.asarray(self._integral(integrand, power, ends, sizes) / self.normalisation)

    def _integral(
        self,
        integrand: Callable[[np.ndarray], np.ndarray],
        power: float,
        ends: np.ndarray,
        sizes: int = 0,
    ) -> np.ndarray:
        logs = np.log(np.r_[ends[0] or self._lowest(power), ends[1:]])

        def by(rule: tuple[float, int]) -> np.ndarray:
            width, order = rule
            counts = np.ceil(np.diff(logs) / width).astype(int)
            edges = [np.linspace(a, b, n + 1)[:-1] for a, b, n in zip(logs, logs[1:], counts, strict=False)]
            at, weights = panels(np.r_[np.concatenate(edges), logs[-1]], order)
            t = np.exp(at)
            return integrand(t) @ (weights * t)

        return refined(by, _RULES, _ACCURACY, "the average over training times", sizes)

    def _lowest(self, power: float) -> float:
        """``t_min``, or where less than rounding is left of a power law that converges at 0."""
        if self.t_min > 0:
            return self.t_min
        depth = 37.0 / (power + 1) if power > -1 else np.inf
        if depth > _DEEPEST:
            raise ValueError(
                f"an integrand t^{power:g} converges at t_min 0 too slowly to be integrated; take t_min > 0"
            )
        return self.t_max * float(np.exp(-depth))
