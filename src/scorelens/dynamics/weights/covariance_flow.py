"""Generated mean and covariance of a linear denoiser whose weights do not commute across noise levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scorelens.dynamics import gain_law

Affine = Callable[[float], tuple[np.ndarray, np.ndarray]]

_N_STAGES = 6
_WIDEST, _NARROWEST = 0.7, 0.01
_ROUNDING = 3e-15


class GeneratedMoments(NamedTuple):
    """Mean ``(d,)`` and covariance ``(d, d)`` of what a sampler generates."""

    mean: np.ndarray
    covariance: np.ndarray


def generated_moments(
    affine: Affine, sigma_min: float, sigma_max: float, *, tolerance: float = 1e-9
) -> GeneratedMoments:
    """Mean and covariance that the probability-flow ODE generates from ``D(x) = W(sigma) x + b(sigma)``
    ((4.4)).

    ``affine(sigma)`` gives ``W (d, d)`` and ``b (d,)``. The linear map from initial to final noise is solved
    for in ``log(sigma)`` by Gauss collocation of order 12 on panels halved until halving changes them by less
    than ``tolerance``; the halves, which are kept, are better by three digits or more. The covariance is
    symmetric and positive semi-definite whatever the error.

    Raises ``ValueError`` unless ``0 < sigma_min < sigma_max``, for a weight or bias of the wrong shape, and
    where what is generated exceeds the range of float64.

    >>> mean, covariance = generated_moments(lambda s: (np.eye(1) / (1 + s**2), np.zeros(1)), 0.01, 20.0)
    >>> covariance.round(6)
    array([[0.997606]])
    """
    gain_law.check_sigma_range(sigma_min, sigma_max)
    drift = _checked_drift(affine, sigma_max)
    low, high = float(np.log(sigma_min)), float(np.log(sigma_max))
    edges = np.linspace(high, low, 1 + int(np.ceil((high - low) / _WIDEST)))
    with np.errstate(over="ignore", invalid="ignore"):
        total = _compose(_resolved(drift, a, b, _step(drift, a, b), tolerance) for a, b in pairwise(edges))
        covariance = sigma_max**2 * (total.map @ total.map.T)
    if not (np.isfinite(covariance).all() and np.isfinite(total.shift).all()):
        raise ValueError("the generated covariance exceeds the range of float64; start from smaller weights")
    return GeneratedMoments(total.shift, covariance)


def generated_covariance(
    weight: Callable[[float], np.ndarray], sigma_min: float, sigma_max: float, *, tolerance: float = 1e-9
) -> np.ndarray:
    """Covariance ``(d, d)`` that the probability-flow ODE generates from ``D(x) = weight(sigma) x``; see
    `generated_moments`.

    >>> generated_covariance(lambda sigma: np.eye(2) / (1.0 + sigma**2), 0.01, 20.0).round(6)
    array([[0.997606, 0.      ],
           [0.      , 0.997606]])
    """
    gain_law.check_sigma_range(sigma_min, sigma_max)
    no_bias = np.zeros(np.shape(weight(float(sigma_max)))[0])
    return generated_moments(
        lambda sigma: (weight(sigma), no_bias), sigma_min, sigma_max, tolerance=tolerance
    ).covariance


class _Affine(NamedTuple):
    """``x -> map x + shift``."""

    map: np.ndarray
    shift: np.ndarray

    def after(self, first: _Affine) -> _Affine:
        return _Affine(self.map @ first.map, self.map @ first.shift + self.shift)


Drift = Callable[[float], _Affine]


def _checked_drift(affine: Affine, sigma: float) -> Drift:
    """``dx/d log(sigma) = (I - W) x - b`` (4.4)."""
    weight, bias = (np.shape(part) for part in affine(float(sigma)))
    if len(weight) != 2 or weight[0] != weight[1] or bias != weight[:1]:
        raise ValueError(f"weight and bias must have shapes (d, d) and (d,), got {weight} and {bias}")
    identity = np.eye(weight[0])

    def drift(log_sigma: float) -> _Affine:
        weight, bias = affine(float(np.exp(log_sigma)))
        return _Affine(identity - weight, -bias)

    return drift


def _compose(steps: Iterator[_Affine]) -> _Affine:
    total = next(steps)
    for step in steps:
        total = step.after(total)
    return total


def _resolved(drift: Drift, start: float, end: float, whole: _Affine, tolerance: float) -> _Affine:
    """The flow over one panel, from its halves where these agree with the whole."""
    middle = 0.5 * (start + end)
    first, second = _step(drift, start, middle), _step(drift, middle, end)
    both = second.after(first)
    if abs(end - start) < _NARROWEST or _agree(whole, both, tolerance):
        return both
    first = _resolved(drift, start, middle, first, tolerance)
    return _resolved(drift, middle, end, second, tolerance).after(first)


def _agree(coarse: _Affine, fine: _Affine, tolerance: float) -> bool:
    pairs = zip(coarse, fine, strict=True)
    return all(np.abs(a - b).max() <= tolerance * np.abs(b).max() + _ROUNDING for a, b in pairs)


def _step(drift: Drift, start: float, end: float) -> _Affine:
    """One step of Gauss collocation from the identity."""
    nodes, weights, matrix = _GAUSS
    width = end - start
    rates = [drift(start + width * float(c)) for c in nodes]
    size = len(rates[0].shift)
    slope = np.stack([rate.map for rate in rates])
    system = np.eye(_N_STAGES * size) - width * np.einsum("ixy,ij->ixjy", slope, matrix).reshape(
        _N_STAGES * size, -1
    )
    shifts = np.concatenate([rate.shift for rate in rates])[:, None]
    stages = np.linalg.solve(system, np.hstack([slope.reshape(-1, size), shifts]))
    moved = width * np.einsum("i,ixy->xy", weights, stages.reshape(_N_STAGES, size, size + 1))
    return _Affine(np.eye(size) + moved[:, :size], moved[:, size])


def _gauss_tableau() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes and weights on the unit interval, and the integrals of the Lagrange polynomials to each node."""
    roots, weights = np.polynomial.legendre.leggauss(_N_STAGES)
    degrees = np.arange(_N_STAGES)
    values = np.polynomial.legendre.legvander(roots, _N_STAGES - 1)
    to_coefficients = (0.5 * (2 * degrees + 1))[:, None] * (values * weights[:, None]).T
    polynomials = [np.polynomial.legendre.legint(e, lbnd=-1) for e in np.eye(_N_STAGES)]
    integrals = np.stack([np.polynomial.legendre.legval(roots, p) for p in polynomials], axis=1)
    return 0.5 * (1 + roots), 0.5 * weights, 0.5 * integrals @ to_coefficients


_GAUSS = _gauss_tableau()
