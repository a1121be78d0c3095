"""Power laws of emergence: log-log regression both ways, with what was left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.emergence.measured_emergence import GRAY, MeasuredEmergence
from scorelens.dynamics.emergence.times import AT_START

LEAST_MODES = 3


@dataclass(frozen=True)
class PowerLaw:
    """``emergence = prefactor * variance ** exponent`` by least squares in the logarithms.

    ``exponent`` regresses log emergence on log variance; ``reverse_exponent`` regresses log variance on log
    emergence (the published figures' direction), which is ``r_squared / exponent``, the reciprocal up to
    scatter. Intervals are percentiles over resampled modes. The exponent depends on the range of variances
    where the truth is not a power law; ``variance_range`` states it.
    """

    exponent: float
    exponent_interval: tuple[float, float]
    reverse_exponent: float
    reverse_interval: tuple[float, float]
    prefactor: float
    r_squared: float
    n_modes: int
    variance_range: tuple[float, float]


@dataclass(frozen=True)
class EmergencePowerLaws:
    """Power laws of the modes that had to grow and of those that had to shrink, fitted apart.

    A law is None where fewer than three modes could be used. The counts say what was left out: gray modes,
    modes on target from the start, and censored modes (their emergence lies beyond the run; leaving them out
    flattens or steepens the fit, see `scorelens.dynamics.calibrate` for a use of them).
    """

    rising: PowerLaw | None
    falling: PowerLaw | None
    n_gray: int
    n_at_start: int
    n_censored_rising: int
    n_censored_falling: int


def fit_power_law(
    variance: np.ndarray,
    emergence: np.ndarray,
    *,
    n_bootstrap: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> PowerLaw:
    """Fit ``emergence ~ variance ** exponent`` to emerged modes; both arrays ``(mode,)``, positive and
    finite.

    Raises ``ValueError`` for fewer than three modes, or variances or emergence times that are all the same.

    >>> law = fit_power_law(np.array([1.0, 2.0, 4.0, 8.0]), np.array([8.0, 4.0, 2.0, 1.0]))
    >>> round(law.exponent, 6), round(law.r_squared, 6)
    (-1.0, 1.0)
    """
    x, y = np.log(gain_law.positive("variance", variance)), np.log(gain_law.positive("emergence", emergence))
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"variance and emergence must be 1-D of one length, got {x.shape} and {y.shape}")
    checks.at_least("number of emerged modes", x.size, LEAST_MODES, "train longer or use another criterion")
    if np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        raise ValueError("variance and emergence must vary between modes; a power law needs a range of both")
    draws = np.random.default_rng(seed).integers(0, x.size, (n_bootstrap, x.size))
    forward, reverse, r_squared = _slopes(x[None], y[None])
    resampled = _slopes(x[draws], y[draws])
    return PowerLaw(
        exponent=float(forward[0]),
        exponent_interval=_interval(resampled[0], level),
        reverse_exponent=float(reverse[0]),
        reverse_interval=_interval(resampled[1], level),
        prefactor=float(np.exp(y.mean() - forward[0] * x.mean())),
        r_squared=float(r_squared[0]),
        n_modes=x.size,
        variance_range=(float(np.exp(x.min())), float(np.exp(x.max()))),
    )


def fit_power_laws(
    variance: np.ndarray,
    emergence: MeasuredEmergence,
    *,
    n_bootstrap: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> EmergencePowerLaws:
    """Fit rising and falling modes apart, without gray and censored ones, which are counted.

    ``variance (mode,)`` is the data variance along the modes of ``emergence``.
    """
    variance = gain_law.non_negative("variance", variance)

    def fit(side: np.ndarray) -> PowerLaw | None:
        chosen = emergence.emerged & side & (variance > 0.0)
        x, y = variance[chosen], emergence.step[chosen]
        if x.size < LEAST_MODES or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
            return None
        return fit_power_law(x, y, n_bootstrap=n_bootstrap, level=level, seed=seed)

    return EmergencePowerLaws(
        rising=fit(emergence.rising),
        falling=fit(~emergence.rising),
        n_gray=int((emergence.status == GRAY).sum()),
        n_at_start=int((emergence.status == AT_START).sum()),
        n_censored_rising=int((emergence.censored & emergence.rising).sum()),
        n_censored_falling=int((emergence.censored & ~emergence.rising).sum()),
    )


def _slopes(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope of y on x, slope of x on y and their product R^2, along the last axis; NaN for a degenerate
    resample."""
    dx, dy = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    xx, yy, xy = (dx**2).sum(axis=-1), (dy**2).sum(axis=-1), (dx * dy).sum(axis=-1)
    usable = (xx > 0.0) & (yy > 0.0)
    forward = np.where(usable, xy / np.where(usable, xx, 1.0), np.nan)
    reverse = np.where(usable, xy / np.where(usable, yy, 1.0), np.nan)
    return forward, reverse, forward * reverse


def _interval(draws: np.ndarray, level: float) -> tuple[float, float]:
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(draws[np.isfinite(draws)], [tail, 100.0 - tail])
    return float(low), float(high)
