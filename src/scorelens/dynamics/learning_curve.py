"""Learning curves: the denoising loss at each noise level, and averaged over a law of noise levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scorelens.core import checks
from scorelens.core.noise_level import NoiseLevelLaw
from scorelens.dynamics import gain_law
from scorelens.dynamics.gain_law import GainLaw
from scorelens.dynamics.laws.sampling_integral import LawOfAllLevels
from scorelens.dynamics.numerics.quadrature import steep_rule
from scorelens.dynamics.values import Values

_SEARCH = np.linspace(-60.0, 60.0, 24001)
_NEGLIGIBLE = 1e-18


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Loss summed over modes, split into its floor and what training still can gain.

    ``excess`` has shape ``(time, *rest)``, ``minimum`` the shape ``rest``: the loss of the optimal linear
    denoiser.
    """

    excess: np.ndarray
    minimum: np.ndarray

    @property
    def loss(self) -> np.ndarray:
        """Excess plus minimum, shape ``(time, *rest)``."""
        return self.excess + self.minimum

    def score_error(self, sigma: np.ndarray) -> np.ndarray:
        """Mean squared error of the score, shape of ``excess``, at the noise levels of the curve."""
        return self.excess / gain_law.positive("sigma", sigma) ** 4


def learning_curve(
    law: GainLaw,
    eigenvalue: np.ndarray,
    sigma: np.ndarray,
    flow_time: np.ndarray,
    *,
    initial_bias: Values = 0.0,
) -> LearningCurve:
    """Mean squared error of the denoiser at each noise level, for centred data ((6.1)-(6.3)).

    ``eigenvalue (mode,)``, ``sigma (s,)``, ``flow_time (time,)``; the curve has ``excess (time, s)``, the
    distance to the optimal denoiser, and ``minimum (s,)``, in squared data units, summed over the modes.
    ``initial_bias``, a scalar or ``(mode,)``, is that of the last layer, which decays by itself. Data with a
    mean: `LinearRegression.excess_loss_after`.

    >>> from scorelens.dynamics import OneLayer
    >>> curve = learning_curve(OneLayer(), np.array([1.0]), np.array([1.0]), np.array([0.0, 1.0]))
    >>> curve.loss.round(6)
    array([[1.      ],
           [0.509158]])
    """
    modes, times = _one_dimensional("eigenvalue", eigenvalue), _one_dimensional("flow_time", flow_time)
    noise = gain_law.positive("sigma", sigma)[:, None] ** 2
    optimum = gain_law.optimal_gain(modes, noise)
    checks.finite("initial_bias", initial_bias)
    bias = np.square(np.broadcast_to(initial_bias, modes.shape)).sum() * np.exp(-2.0 * times)
    excess = np.stack([((modes + noise) * _gap(law, modes, noise, time) ** 2).sum(axis=-1) for time in times])
    return LearningCurve(bias[:, None] + excess, (noise * optimum).sum(axis=-1))


def _gap(law: GainLaw, modes: np.ndarray, noise: np.ndarray, time: float) -> np.ndarray:
    """Gain less the optimal gain, with its digits even where little of it is left."""
    sign, log_gap = law.log_gap(modes, noise, time)
    return sign * np.exp(log_gap) + (law.limit_gain(modes, noise) - gain_law.optimal_gain(modes, noise))


def average_learning_curve(
    law: LawOfAllLevels,
    eigenvalue: np.ndarray,
    flow_time: np.ndarray,
    noise: NoiseLevelLaw,
    weight: Callable[[np.ndarray], np.ndarray],
) -> LearningCurve:
    """Weighted loss averaged over noise levels drawn from ``noise``: ``excess (time,)`` and a scalar
    ``minimum``.

    ``weight`` maps ``sigma ** 2`` to the loss weight; `edm_weight` is EDM's.
    """
    levels = np.flatnonzero(noise.density(_SEARCH) > _NEGLIGIBLE * noise.density(_SEARCH).max())
    low, high = float(_SEARCH[max(levels[0] - 1, 0)]), float(_SEARCH[min(levels[-1] + 1, _SEARCH.size - 1)])
    rule = steep_rule(low, high, law.steepness, noise.jumps)
    curve = learning_curve(law, eigenvalue, np.exp(rule.log_sigma), flow_time)
    share = rule.weight * noise.density(rule.log_sigma) * weight(rule.noise_variance)
    return LearningCurve(curve.excess @ share, np.asarray(curve.minimum @ share))


def edm_weight(sigma_data: float) -> Callable[[np.ndarray], np.ndarray]:
    """EDM's loss weight as a function of ``sigma ** 2``: ``1 / sigma^2 + 1 / sigma_data^2`` ([E1])."""
    checks.positive("sigma_data", sigma_data)
    return lambda noise_variance: 1.0 / noise_variance + 1.0 / sigma_data**2


def _one_dimensional(name: str, value: np.ndarray) -> np.ndarray:
    values = gain_law.non_negative(name, value)
    if values.ndim != 1:
        raise ValueError(f"{name} must be 1-D, got shape {values.shape}; ravel it")
    return values
