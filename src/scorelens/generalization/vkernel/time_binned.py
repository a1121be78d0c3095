"""One independent fit per step of the reverse ODE: reading B of the V kernel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import ComponentNodes, DataLaw
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.statistics import (
    OneTime,
    ScoreFeatures,
    TimeFunction,
    TrainingTimes,
    affine_leverage,
)
from scorelens.generalization.statistics.regression import Draw
from scorelens.generalization.validity import Kernel, Validity, validity, warn_outside

Order = Literal["leading", "sandwich", "exact"]
ORDERS: tuple[Order, ...] = ("leading", "sandwich", "exact")


@final
@dataclass(frozen=True, eq=False)
class TimeBinned:
    """An Euler sampler whose score at every time is fitted to samples of that time alone ([G20]-[G22]).

    ``times (K + 1,)`` rise from where sampling stops to where it starts; step ``k = 1 .. K`` goes from
    ``times[k]`` to ``times[k - 1]`` with a score fitted to ``n_samples[k - 1]`` samples at ``times[k]``.
    Numbers of samples need not be whole: they are expected ones.

    Orders of the covariance of the score: ``"leading"``, ``L(x) / (n sigma^2) I``; ``"sandwich"``, [G9] over
    ``n``; ``"exact"``, [G12], for one Gaussian and affine features only.

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.schedules import BROWNIAN
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> law, times = DataLaw.gaussian([0.0], [[1.0]]), np.linspace(0.0, 1.0, 101)
    >>> made = TimeBinned.of_total(StateFeatures(Affine(1)), law, BROWNIAN, times, 10**7)
    >>> made.n_samples[0].round(6), made.last_step([[0.0]]).covariance.ravel()
    (np.float64(2000.0), array([1.25e-06]))
    """

    features: ScoreFeatures
    law: DataLaw
    schedule: Schedule
    times: np.ndarray
    n_samples: np.ndarray

    def __post_init__(self) -> None:
        times = euler_times(self.times)
        n_samples = np.asarray(self.n_samples, dtype=float)
        if n_samples.ndim and n_samples.shape != (len(times) - 1,):
            raise ValueError(
                f"n_samples must be one number or ({len(times) - 1},), one per step, got {n_samples.shape}"
            )
        checks.positive("n_samples", n_samples)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "n_samples", np.broadcast_to(n_samples, (len(times) - 1,)).copy())

    @classmethod
    def of_total(
        cls,
        features: ScoreFeatures,
        law: DataLaw,
        schedule: Schedule,
        times: ArrayLike,
        n_total: float,
        density: TimeFunction | None = None,
    ) -> Self:
        """``n_total`` samples over all times, drawn with ``density``: ``n_k = N lambda(t_k) dt``.

        The density is ``lambda_* = sigma^2 / Z`` of [G6] if none is given.
        """
        times = euler_times(times)
        density = TimeFunction.of_variance(schedule) if density is None else density
        drawn = TrainingTimes(density, TimeFunction.constant(), float(times[0]), float(times[-1]))
        share = density(times[1:]) / drawn.normalisation * np.diff(times)
        return cls(features, law, schedule, times, n_total * share)

    @property
    def n_steps(self) -> int:
        return len(self.n_samples)

    def fit(self, step: int) -> OneTime:
        """The fit of one step, ``1 .. n_steps``, at the time where the step begins."""
        self._check_step(step)
        return self._fits[step - 1]

    def time(self, step: int) -> tuple[float, float]:
        """Where the step begins, and its length."""
        self._check_step(step)
        return float(self.times[step]), float(self.times[step] - self.times[step - 1])

    def rate(self, step: int) -> tuple[float, float]:
        """``dt beta`` and ``dt g^2 / 2`` of the step: it adds ``dt beta x + (dt g^2 / 2) s(x)``."""
        t, length = self.time(step)
        return length * float(self.schedule.beta(t)), length * float(self.schedule.diffusion_squared(t)) / 2

    def validity(self, step: int = 1, order: Order = "leading") -> Validity:
        """Whether the order holds at this step; the last one has the fewest samples with ``lambda_*``.

        Raises ``ValueError`` for no more samples than features.
        """
        fit, n = self.fit(step), float(self.n_samples[step - 1])
        checks.choice("order", order, ORDERS)
        scale = self.rate(step)[1] ** 2 / fit.std**4
        share = noise_share(fit) if order == "leading" else np.nan
        found = validity(n, fit.n_features, scale * fit.n_features / n, share)
        if order == "exact":
            self._check_affine(fit)
            if n <= fit.n_features + 1:
                raise ValueError(
                    f"n_samples must be above d + 2 = {fit.n_features + 1} for order 'exact', got {n:g}: the "
                    "variance is infinite; take more samples"
                )
        return found

    def worst_validity(self, order: Order = "leading") -> Validity:
        """That of the step at which the order neglects most; refuses as `validity` does at any step."""
        found = [self.validity(step, order) for step in range(1, self.n_steps + 1)]
        return max(found, key=lambda one: one.neglected)

    def score_covariance(self, step: int, x: ArrayLike, order: Order = "leading") -> np.ndarray:
        """Covariance of the fitted score at each of ``x (p, d)``; ``(p, d, d)``."""
        fit, n = self.fit(step), float(self.n_samples[step - 1])
        if order == "sandwich":
            return fit.local_covariance(x) / n  # [G9]
        if order == "leading":
            return np.multiply.outer(fit.leverage(x) / (n * fit.std**2), np.eye(fit.law.dim))  # [G11]
        noised, d = self.law.noised(fit.alpha, fit.std), self.law.dim
        apart = affine_leverage(x, noised.mean, noised.covariances[0]) - 1
        lever = 1 / n + (apart + d / n) / (n - d - 2)  # [G12]
        return np.multiply.outer(lever, self.law.component_target_covariance(fit.alpha, fit.std)[0])

    def step_covariance(self, step: int, x: ArrayLike, order: Order = "leading") -> Kernel:
        """Covariance of the displacement in one step, ``(p, d, d)``, unit ``x^2`` ([G20]).

        This is ``V dt^2`` with ``V`` of [G19]; displacements of two points of one step covary likewise,
        those of two steps not at all. Warns (`OutsideLeadingOrder`) where the order is off by more than 10 %.
        """
        found = self.validity(step, order)
        if order != "exact":
            warn_outside(found)
        return Kernel(self.rate(step)[1] ** 2 * self.score_covariance(step, x, order), found)

    def two_point_covariance(self, step: int, x: ArrayLike, other_x: ArrayLike) -> Kernel:
        """The same between ``x (p, d)`` and ``other_x (q, d)`` of one step, ``(p, d, q, d)``, by [G9]."""
        found = self.validity(step, "sandwich")
        warn_outside(found)
        score = self.fit(step).covariance(x, other_x=other_x) / self.n_samples[step - 1]
        return Kernel(self.rate(step)[1] ** 2 * score, found)

    def last_step(self, y: ArrayLike, order: Order = "leading") -> Kernel:
        """``V_last(y)``, ``Z / (4 c) L(y) I`` to leading order with ``lambda_*`` and ``c = N dt`` ([G20])."""
        return self.step_covariance(1, y, order)

    @property
    def smear(self) -> float:
        """``kappa`` of the last step: ``V_last = kappa L I``; ``Z / (4 c)`` with ``lambda_*`` ([G20])."""
        fit = self.fit(1)
        return float(self.rate(1)[1] ** 2 / (self.n_samples[0] * fit.std**2))

    @cached_property
    def _fits(self) -> list[OneTime]:
        alpha, std = self.schedule.alpha(self.times[1:]), self.schedule.std(self.times[1:])
        levels = zip(alpha, std, strict=True)
        return [OneTime(self.features, self.law, float(a), float(s)) for a, s in levels]

    def _check_step(self, step: int) -> None:
        if not 1 <= step <= self.n_steps:
            raise ValueError(f"steps are numbered 1 (the last) to {self.n_steps} (the first), got {step}")

    def _check_affine(self, fit: OneTime) -> None:
        if self.law.n_components != 1 or fit.features.degree != 1 or fit.n_features != fit.law.dim + 1:
            raise ValueError(
                "order 'exact' is known for one Gaussian and affine features, got "
                f"{self.law.n_components} components and {fit.n_features} {fit.features.name} features; "
                "use order='sandwich'"
            )


def euler_times(times: ArrayLike) -> np.ndarray:
    """``times (K + 1,)`` rising from >= 0, checked.

    >>> euler_times([0.0, 0.5, 1.0])
    array([0. , 0.5, 1. ])
    """
    found = np.asarray(times, dtype=float)
    if found.ndim != 1 or len(found) < 2 or not (np.diff(found) > 0).all():
        raise ValueError(
            f"times must be at least two rising numbers, got {np.array2string(found, threshold=6)}"
        )
    checks.non_negative("times", found)
    return found


def noise_share(fit: OneTime) -> float:
    """``sigma^2 E tr C / d``: the share of the target's variance that is noise once ``x`` is given ([G4]).

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> law = DataLaw.gaussian([0.0], [[3.0]])
    >>> noise_share(OneTime(StateFeatures(Affine(1)), law, alpha=1.0, std=1.0))
    0.75
    """

    def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spread = fit.law.target_covariance(part.x, fit.alpha, fit.std)
        return np.atleast_1d(part.weight @ np.einsum("nii->n", spread)), np.zeros(1)

    found = fit.training_mean("the noise of the target", term, (), 2, smooth_score=True)
    return float(found) * fit.std**2 / fit.law.dim
