"""Mean and covariance of what is generated with a fresh affine fit at every step: an exact recursion."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import Schedule
from scorelens.generalization.vkernel import euler_times

Noise = Literal["exact", "leading", "last-step", "none"]
NOISES: tuple[Noise, ...] = ("exact", "leading", "last-step", "none")


class GeneratedMoments(NamedTuple):
    """Mean ``(K + 1, d)`` and covariance ``(K + 1, d, d)`` at the rising times; entry 0 is the end."""

    mean: np.ndarray
    covariance: np.ndarray


def generated_moments(
    law: DataLaw,
    schedule: Schedule,
    times: ArrayLike,
    n_samples: ArrayLike,
    start_mean: ArrayLike,
    start_covariance: ArrayLike,
    *,
    noise: Noise = "exact",
) -> GeneratedMoments:
    """Moments of the law averaged over training sets, through Euler steps of the reverse ODE ([G23]).

    ``law`` is one Gaussian; at each of ``times (K + 1,)`` but the first an affine score is fitted to
    ``n_samples`` fresh samples (one number, or ``(K,)`` in the order of ``times[1:]``), and the sampler steps
    to the time before. ``start_mean (d,)`` and ``start_covariance (d, d)`` belong to ``times[-1]``.

    ``noise`` is what the covariance of the score is taken to be: ``"exact"`` ([G12]); its ``"leading"`` order
    ``L / (n sigma^2)``; that of the ``"last-step"`` alone; or ``"none"``. Raises ``ValueError`` for laws of
    several components, and for ``n_samples <= d + 2``, where the covariance is infinite.

    >>> from scorelens.generalization.schedules import PolynomialSchedule
    >>> made = generated_moments(
    ...     DataLaw.gaussian([0.5], [[2.0]]), PolynomialSchedule([1.0], [2.0]), np.linspace(0.0, 1.0, 9),
    ...     n_samples=10, start_mean=[0.0], start_covariance=[[1.2]])
    >>> made.mean[0].round(4), made.covariance[0].round(3)
    (array([0.2408]), array([[2.045]]))
    """
    times, d = euler_times(times), law.dim
    n = _samples(n_samples, len(times) - 1, law)
    checks.choice("noise", noise, NOISES)
    m, v = _start(start_mean, start_covariance, d)
    means, covariances = [m], [v]
    for step in range(len(times) - 1, 0, -1):
        t, length = float(times[step]), float(times[step] - times[step - 1])
        level = float(schedule.alpha(t)), float(schedule.std(t))
        push = length * float(schedule.diffusion_squared(t)) / 2
        noised = law.noised(*level)
        precision = np.linalg.inv(noised.covariances[0])
        grow = (1 + length * float(schedule.beta(t))) * np.eye(d) - push * precision
        apart = m - noised.mean
        q = float(np.trace(precision @ v) + apart @ precision @ apart)
        added = push**2 * _mean_score_covariance(law, level, q, float(n[step - 1]), noise, step)
        m, v = grow @ m + push * precision @ noised.mean, grow @ v @ grow.T + added  # [G23]
        means.append(m)
        covariances.append(v)
    return GeneratedMoments(np.array(means[::-1]), np.array(covariances[::-1]))


def _mean_score_covariance(
    law: DataLaw, level: tuple[float, float], q: float, n: float, noise: Noise, step: int
) -> np.ndarray:
    """Of the fitted score, averaged over points whose mean square distance from the data is ``q``."""
    d = law.dim
    if noise == "none" or (noise == "last-step" and step > 1):
        return np.zeros((d, d))
    if noise == "leading":
        return (1 + q) / (n * level[1] ** 2) * np.eye(d)
    spread = law.component_target_covariance(*level)[0]
    return spread * (1 / n + (q + d / n) / (n - d - 2))  # [G12]


def _samples(n_samples: ArrayLike, steps: int, law: DataLaw) -> np.ndarray:
    if law.n_components != 1:
        raise ValueError(
            f"the law must be one Gaussian, got {law.n_components} components; for others simulate with "
            "euler_ensemble"
        )
    n = np.asarray(n_samples, dtype=float)
    if n.ndim and n.shape != (steps,):
        raise ValueError(f"n_samples must be one number or ({steps},), one per step, got {n.shape}")
    checks.positive("n_samples", n)
    if n.min() <= law.dim + 2:
        raise ValueError(
            f"n_samples must be above d + 2 = {law.dim + 2} at every step, got {n.min():g}: the covariance "
            "of the fit is infinite; take more samples or fewer, longer steps"
        )
    return np.broadcast_to(n, (steps,))


def _start(mean: ArrayLike, covariance: ArrayLike, d: int) -> tuple[np.ndarray, np.ndarray]:
    m, v = np.asarray(mean, dtype=float), np.asarray(covariance, dtype=float)
    if m.shape != (d,) or v.shape != (d, d):
        raise ValueError(
            f"start_mean and start_covariance must be ({d},) and ({d}, {d}), got {m.shape}, {v.shape}"
        )
    checks.finite("start_mean", m)
    checks.finite("start_covariance", v)
    return m, v
