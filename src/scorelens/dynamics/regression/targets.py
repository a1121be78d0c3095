"""The five regression targets of denoising and flow matching, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.values import Values


@final
@dataclass(frozen=True)
class DenoisingTask:
    """At one noise level: predict ``y = target_data * x0 + target_noise * n`` from ``x = input_data * x0 +
    input_noise * n``, with data ``x0`` and standard normal ``n``.

    Every formula of learning dynamics, section 1.3, follows from these four numbers. Eigenvalues are data
    variances, arrays of any shape. Make one with `denoising_task`.
    """

    input_data: float
    input_noise: float
    target_data: float
    target_noise: float

    def rate(self, eigenvalue: Values) -> np.ndarray:
        """Input variance along the mode, which sets the pace: centred data converge as ``exp(-flow_time *
        rate)``.

        The ``1/tau*`` of (Wang & Pehlevan 2025), Table 2, is this, not twice the learning rate times it.
        """
        return self.input_data**2 * gain_law.non_negative("eigenvalue", eigenvalue) + self.input_noise**2

    def mode_optimum(self, eigenvalue: Values) -> np.ndarray:
        """Optimal weight along the mode (learning dynamics, section 1.3); 0 where the input is always 0."""
        modes, both = gain_law.non_negative("eigenvalue", eigenvalue), self.input_data * self.target_data
        if both == 0.0:
            cross = np.full(modes.shape, self.input_noise * self.target_noise)
        else:
            # One subtraction, of the eigenvalue itself: for the velocity it is 1 - eigenvalue.
            cross = both * (modes + self.input_noise * self.target_noise / both)
        return _over(cross, self.rate(modes))

    def mode_bias(self, eigenvalue: Values) -> np.ndarray:
        """Optimal bias along the mode for a mean of 1 along it."""
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        return _over(self.input_noise * self._unpredictable, self.rate(modes), empty=self.target_data)

    def mode_minimum_loss(self, eigenvalue: Values) -> np.ndarray:
        """Least loss along the mode: what no linear map can predict."""
        modes = gain_law.non_negative("eigenvalue", eigenvalue)
        return _over(self._unpredictable**2 * modes, self.rate(modes))

    def moments(self, mean: np.ndarray, covariance: np.ndarray) -> RegressionMoments:
        """First and second moments of input and target for data of this mean ``(d,)`` and covariance ``(d,
        d)``."""
        data, centre = checked_covariance(covariance), checked_mean(mean, len(covariance))
        noise = np.eye(len(centre))
        return RegressionMoments(
            self.input_data * centre,
            self.target_data * centre,
            self.input_data**2 * data + self.input_noise**2 * noise,
            self.input_data * self.target_data * data + self.input_noise * self.target_noise * noise,
            self.target_data**2 * data + self.target_noise**2 * noise,
        )

    @property
    def _unpredictable(self) -> float:
        return self.target_data * self.input_noise - self.input_data * self.target_noise


class RegressionMoments(NamedTuple):
    """All that a squared loss of a linear map sees of input ``x (p,)`` and target ``y (d,)``.

    ``cross_covariance (d, p)`` is that of target and input, ``E[(y - mean)(x - mean)^T]``.
    """

    input_mean: np.ndarray
    target_mean: np.ndarray
    input_covariance: np.ndarray
    cross_covariance: np.ndarray
    target_covariance: np.ndarray


class TargetKind(NamedTuple):
    """One row of `TARGETS`: what the network predicts, which numbers set the noise level, and the task."""

    predicts: str
    level: tuple[str, ...]
    task: Callable[..., DenoisingTask]


TARGETS: dict[str, TargetKind] = {
    "edm": TargetKind(
        "the clean datum, from x0 + sigma n (the denoiser of EDM)",
        ("sigma",),
        lambda sigma: DenoisingTask(1.0, sigma, 1.0, 0.0),
    ),
    "x": TargetKind(
        "the clean datum, from alpha x0 + sigma n",
        ("alpha", "sigma"),
        lambda alpha, sigma: DenoisingTask(alpha, sigma, 1.0, 0.0),
    ),
    "eps": TargetKind(
        "the noise n, from alpha x0 + sigma n",
        ("alpha", "sigma"),
        lambda alpha, sigma: DenoisingTask(alpha, sigma, 0.0, 1.0),
    ),
    "v": TargetKind(
        "the velocity alpha n - sigma x0, from alpha x0 + sigma n",
        ("alpha", "sigma"),
        lambda alpha, sigma: DenoisingTask(alpha, sigma, -sigma, alpha),
    ),
    "fm": TargetKind(
        "the flow x0 - n, from time x0 + (1 - time) n, with noise at time 0 and data at time 1",
        ("time",),
        lambda time: DenoisingTask(time, 1.0 - time, 1.0, -1.0),
    ),
}
"""Table 2 of (Wang & Pehlevan 2025), with its factor ``alpha`` of the x-prediction restored."""


def denoising_task(target: str, **level: float) -> DenoisingTask:
    """The regression of one row of `TARGETS` at one noise level.

    ``level`` names what the row asks for: ``sigma > 0``; ``alpha >= 0`` and ``sigma > 0``; or ``time`` from 0
    to 1. Raises ``ValueError`` for an unknown target, another name, or a number out of range.

    >>> float(denoising_task("v", alpha=0.6, sigma=0.8).mode_optimum(2.5).round(6))
    -0.467532
    """
    kind = TARGETS[checks.choice("target", target, TARGETS)]
    if set(level) != set(kind.level):
        raise ValueError(
            f"target {target!r} takes {', '.join(kind.level)}, got {', '.join(level) or 'nothing'}"
        )
    if "sigma" in level:
        checks.positive("sigma", level["sigma"], "at zero noise there is nothing to predict")
    checks.non_negative("alpha", level.get("alpha", 0.0))
    time = level.get("time", 0.5)
    if not 0.0 <= time <= 1.0:
        raise ValueError(f"time must lie between 0 (noise) and 1 (data), got {time:g}")
    return kind.task(**{name: float(value) for name, value in level.items()})


def checked_covariance(covariance: np.ndarray, name: str = "covariance") -> np.ndarray:
    """``covariance`` in float64, symmetric to the last digit; ``ValueError`` unless it is square, finite and
    symmetric."""
    values = np.asarray(covariance, dtype=float)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(f"{name} must be a square matrix, got shape {values.shape}")
    checks.finite(name, values)
    if np.abs(values - values.T).max(initial=0.0) > 1e-12 * np.abs(values).max(initial=0.0):
        raise ValueError(f"{name} must be symmetric; pass 0.5 * (matrix + matrix.T)")
    return 0.5 * (values + values.T)


def checked_mean(mean: np.ndarray | None, size: int, name: str = "mean") -> np.ndarray:
    """``mean (size,)`` in float64, zeros for ``None``; ``ValueError`` for another shape or a non-finite
    entry."""
    values = np.zeros(size) if mean is None else np.asarray(mean, dtype=float)
    checks.finite(name, values)
    if values.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got {values.shape}")
    return values


def _over(top: Values, rate: np.ndarray, empty: float = 0.0) -> np.ndarray:
    known = rate > 0.0
    return np.where(known, top / np.where(known, rate, 1.0), empty)
