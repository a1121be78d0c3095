"""Exact risks: of simple denoisers on mixtures of Gaussians, and the least one possible on points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, qmc

from scorelens.core import checks

#: Half-width of a normal in standard deviations: what lies beyond is below rounding.
_REACH: Final = 9.5
_AGREEMENT: Final = 1e-11
#: Steps of the trapezoidal rule. Two whose ratio is a whole number can agree and both be wrong: the error of
#: the wider one may consist of what the finer one misses.
_STEPS: Final = tuple(0.6 * 0.618034**level for level in range(18))
#: Most distances between a node and a point that a product rule may take.
_LARGEST: Final = 30_000_000
_BLOCK: Final = 2**21
#: Independent scramblings of a Sobol sequence, and its length.
_REPLICATES: Final = 16
_SOBOL: Final = 2**15


class MixtureOfGaussians(NamedTuple):
    """Data ``sum_k weights_k N(means_k, covariances_k)``: ``(k,)``, ``(k, d)``, ``(k, d, d)``; sum 1."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class ExactRisk(NamedTuple):
    """``value`` in squared data units; ``standard_error`` is 0 but for ``method`` ``"quasi Monte Carlo"``."""

    value: float
    standard_error: float
    method: str


def mixture_of_gaussians(
    weights: ArrayLike, means: ArrayLike, covariances: ArrayLike | None = None
) -> MixtureOfGaussians:
    """Checked and normalised; without ``covariances``, point masses.

    >>> mixture_of_gaussians([1, 1], [[0.0], [1.0]]).weights
    array([0.5, 0.5])
    """
    share, centres = np.asarray(weights, dtype=float), np.asarray(means, dtype=float)
    k, d = centres.shape if centres.ndim == 2 else (0, 0)
    spread = np.zeros((k, d, d)) if covariances is None else np.asarray(covariances, dtype=float)
    if k * d == 0 or share.shape != (k,) or spread.shape != (k, d, d):
        raise ValueError(
            "weights, means and covariances must have shapes (k,), (k, d) and (k, d, d), got "
            f"{share.shape}, {centres.shape} and {spread.shape}"
        )
    checks.positive("weights", share, "leave components of no weight out")
    checks.finite("means", centres)
    checks.finite("covariances", spread)
    return MixtureOfGaussians(share / share.sum(), centres, spread)


def affine_risk(
    data: MixtureOfGaussians, matrix: ArrayLike, offset: ArrayLike, sigma: float, alpha: float = 1.0
) -> float:
    """``E |M x_t + c - x_0|^2`` at ``x_t = alpha (x_0 + sigma n)``; ``M (d, d)``, ``c (d,)``; closed form.

    >>> affine_risk(mixture_of_gaussians([1.0], [[0.0]], [[[1.0]]]), [[0.5]], [0.0], 1.0)
    0.5
    """
    slope, shift = _square(matrix, data), np.asarray(offset, dtype=float)
    _check_levels(sigma, alpha)
    left = alpha * slope - np.eye(len(slope))
    bias = (data.means @ left.T + shift) ** 2
    spread = np.einsum("ij,kjl,il->k", left, data.covariances, left)
    return float(data.weights @ (bias.sum(1) + spread) + (alpha * sigma) ** 2 * (slope**2).sum())


def one_layer_risk(
    data: MixtureOfGaussians,
    function: Callable[[np.ndarray], np.ndarray],
    amplitude: ArrayLike,
    matrix: ArrayLike,
    sigma: float,
    alpha: float = 1.0,
) -> float:
    """``E |a function(B x_t) - x_0|^2`` at ``x_t = alpha (x_0 + sigma n)``; ``a (d,)``, ``B (d, d)``.

    Given the component, value i of the event and its unit ``(B x_t)_i`` are jointly Gaussian: one integral
    per value and component, in any dimension. ``function`` acts on each entry and is smooth: the trapezoidal
    rule is refined until two results agree to 1e-11; ``ValueError`` if they never do.

    >>> round(one_layer_risk(mixture_of_gaussians([1.0], [[0.0]]), np.tanh, [1.0], [[1.0]], 1.0), 6)
    0.394294
    """
    rows = _square(matrix, data)
    size = np.broadcast_to(np.asarray(amplitude, dtype=float), data.means.shape[1])
    _check_levels(sigma, alpha)
    unit = alpha * data.means @ rows.T  # (k, d)
    shared = alpha * np.einsum("kil,il->ki", data.covariances, rows)
    noise = (alpha * sigma) ** 2 * (rows**2).sum(1)
    variance = alpha**2 * np.einsum("ij,kjl,il->ki", rows, data.covariances, rows) + noise
    slope = shared / np.where(variance > 0, variance, 1.0)
    left = np.diagonal(data.covariances, axis1=1, axis2=2) - slope * shared

    def error(z: np.ndarray) -> np.ndarray:
        step = np.sqrt(variance)[..., None] * z
        estimate = size[:, None] * function(unit[..., None] + step)
        return (estimate - data.means[..., None] - slope[..., None] * step) ** 2

    return float(data.weights @ (_mean_over_normal(error) + left).sum(1))


def least_risk_on_points(points: ArrayLike, sigma: float, weights: ArrayLike | None = None) -> ExactRisk:
    """``MMSE = E tr Cov[x_0 | x_0 + sigma n]`` for point masses at ``points (n, d)`` (geometry, [P8]).

    Noise across the affine hull of the points says nothing about them, so the average runs over the hull
    only: by a product rule, refined until two results agree to 1e-10, or, where that takes too many nodes,
    by scrambled Sobol points with a standard error. For ``x_t = alpha (x_0 + sigma n)`` the MMSE is the
    same. Equal weights unless given.

    >>> least_risk_on_points([[-1.0], [1.0]], 1.0).value.__round__(6)
    0.449599
    """
    masses = np.asarray(points, dtype=float)
    share = np.ones(len(masses)) if weights is None else weights
    data = mixture_of_gaussians(share, masses)
    _check_levels(sigma, 1.0)
    centred = data.means - data.weights @ data.means
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    hull = centred @ axes[sizes > 1e-12 * max(sizes[0], np.finfo(float).tiny)].T
    if hull.shape[1] == 0:
        return ExactRisk(0.0, 0.0, "closed form")
    within = hull / sigma, data.weights
    by_rule = _by_product_rule(*within)
    found = _by_sobol(*within) if by_rule is None else ExactRisk(by_rule, 0.0, "quadrature")
    return found._replace(value=sigma**2 * found.value, standard_error=sigma**2 * found.standard_error)


def _square(matrix: ArrayLike, data: MixtureOfGaussians) -> np.ndarray:
    found, d = np.asarray(matrix, dtype=float), data.means.shape[1]
    if found.shape != (d, d):
        raise ValueError(f"the matrix must have shape ({d}, {d}) for data of {d} values, got {found.shape}")
    return found


def _check_levels(sigma: float, alpha: float) -> None:
    checks.positive("sigma", sigma)
    checks.positive("alpha", alpha)


def _mean_over_normal(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Average of ``function(z)``, last axis that of ``z``, over a standard normal ``z``."""
    coarse = None
    for step in _STEPS:
        z, weight = _trapezoid(step)
        fine = function(z) @ weight
        if coarse is not None and (np.abs(fine - coarse) <= _AGREEMENT * np.abs(fine).max()).all():
            return fine
        coarse = fine
    raise ValueError(f"the average did not settle in {len(_STEPS)} refinements; take a smooth function")


def _trapezoid(step: float) -> tuple[np.ndarray, np.ndarray]:
    z = step * np.arange(-int(_REACH / step), int(_REACH / step) + 1)
    weight = np.exp(-(z**2) / 2)
    return z, weight / weight.sum()


def _joint(x: np.ndarray, points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights times densities of unit noise ``(n, k)`` over the largest of each row, and these ``(n, 1)``."""
    distance = (x**2).sum(1)[:, None] - 2 * x @ points.T + (points**2).sum(1)
    log_joint = np.log(weights) - distance / 2
    largest = log_joint.max(1, keepdims=True)
    return np.exp(log_joint - largest), np.exp(largest) / (2 * np.pi) ** (x.shape[1] / 2)


def _posterior_variance(joint: np.ndarray, points: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """``tr Cov[x_0 | x]`` ``(n,)``; ``apart``: square distances of points, so that small ones keep digits."""
    share, nearest = joint / joint.sum(1, keepdims=True), joint.argmax(1)
    shift = share @ points - points[nearest]
    return np.maximum((share * apart[nearest]).sum(1) - (shift**2).sum(1), 0.0)


def _square_distances(points: np.ndarray) -> np.ndarray:
    return ((points[:, None] - points[None]) ** 2).sum(-1)


def _by_product_rule(points: np.ndarray, weights: np.ndarray) -> float | None:
    """Trapezoidal over the whole hull or around each point; ``None`` where both take too many nodes."""
    n, r = points.shape
    low, high = points.min(0) - _REACH, points.max(0) + _REACH
    whole = float(np.prod(high - low)) <= n * (2 * _REACH) ** r
    coarse = None
    for step in _STEPS:
        boxes = [(low, high)] if whole else [(point - _REACH, point + _REACH) for point in points]
        if n * len(boxes) * float(np.prod((boxes[0][1] - boxes[0][0]) / step + 1)) > _LARGEST:
            return None
        if whole:
            fine = _over_box(low, high, step, points, weights)
        else:
            fine = sum(_over_box(a, b, step, points, weights, only=k) for k, (a, b) in enumerate(boxes))
        if coarse is not None and abs(fine - coarse) <= 1e-10 * abs(fine):
            return fine
        coarse = fine
    return None


def _over_box(
    low: np.ndarray,
    high: np.ndarray,
    step: float,
    points: np.ndarray,
    weights: np.ndarray,
    only: int | None = None,
) -> float:
    """Integral over a box of `_posterior_variance` times the density, or that around the point ``only``."""
    axes = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
    shape, apart = tuple(len(axis) for axis in axes), _square_distances(points)
    total, rows, count = 0.0, max(1, _BLOCK // len(points)), int(np.prod(shape))
    for start in range(0, count, rows):
        index = np.unravel_index(np.arange(start, min(start + rows, count)), shape)
        x = np.stack([axis[i] for axis, i in zip(axes, index, strict=True)], 1)
        joint, scale = _joint(x, points, weights)
        density = joint.sum(1) if only is None else joint[:, only]
        total += float((density * scale[:, 0] * _posterior_variance(joint, points, apart)).sum())
    return total * step ** len(axes)


def _by_sobol(points: np.ndarray, weights: np.ndarray) -> ExactRisk:
    found = [_mean_over_sobol(seed, points, weights) for seed in range(_REPLICATES)]
    error = float(np.std(found, ddof=1) / _REPLICATES**0.5)
    return ExactRisk(float(np.mean(found)), error, "quasi Monte Carlo")


def _mean_over_sobol(seed: int, points: np.ndarray, weights: np.ndarray) -> float:
    """One scrambling; its last coordinate chooses the point that the noise is added to."""
    total, apart = 0.0, _square_distances(points)
    draws, upper = qmc.Sobol(points.shape[1] + 1, rng=seed), np.cumsum(weights)
    rows = 2 ** int(np.log2(np.clip(_BLOCK // points.size, 1, _SOBOL)))
    for _ in range(_SOBOL // rows):
        uniform = draws.random(rows)
        chosen = np.minimum(np.searchsorted(upper, uniform[:, -1]), len(points) - 1)
        x = norm.ppf(np.maximum(uniform[:, :-1], np.finfo(float).tiny)) + points[chosen]
        total += _posterior_variance(_joint(x, points, weights)[0], points, apart).sum()
    return float(total / _SOBOL)
