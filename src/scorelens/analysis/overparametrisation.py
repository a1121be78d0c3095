"""Error of implicit score matching against the number of features: the peak at ``m = N d``, measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from numpy.typing import ArrayLike
from scipy.spatial import KDTree

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.filters import Ridge
from scorelens.estimators.empirical import Empirical
from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_filtered
from scorelens.estimators.features import Fourier
from scorelens.instruments.labels import LENGTH, PURE, variable

WHERE = "score estimation [S7]-[S9]"
RATIOS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0)
SOLVERS = ("implicit, minimum norm", "implicit, best smooth ridge", "denoising, exact over the noise")
#: The ridge punishes the derivative of this order; its strengths, relative to the largest eigenvalue.
SMOOTH, STRENGTHS = 3, np.logspace(-6, 2, 17)
#: Equations per sub-sample that are aimed at, and the most that are formed; the most features.
EQUATIONS, MOST_EQUATIONS, MOST_FEATURES = 120, 600, 1300
#: Noise level relative to the standard deviation of a coordinate.
RELATIVE_SIGMA = 0.5
HELD_OUT = 1000
BAND = (0.1, 0.9)


def overparametrisation(
    x: ArrayLike,
    reference: Denoiser | None = None,
    sigma: float | None = None,
    ratios: Sequence[float] = RATIOS,
    n_seeds: int = 6,
) -> xr.Dataset:
    """``error(solver, seed, n_features)`` of scores with ``m`` random Fourier features and few events.

    Each seed takes ``N`` of the events ``x (n, *event)`` (``N d`` of order 100), noises them once to the
    level ``sigma`` (half the data's standard deviation if not given), and solves implicit score matching with
    minimum norm [S9] and with the ridge on the third derivative [S15] whose strength, of 17, does best on the
    held-out events; for comparison denoising score matching averaged over the noise exactly [S17].
    ``m = ratio N d``; features are nested, with a length equal to the median distance of nearest neighbours:
    smoother ones lose their rank to rounding before ``m = N d``, and peak elsewhere.

    The error is ``sigma^2 E|s_hat - s|^2 / d`` over noised held-out events, the excess of their denoising
    loss over the least possible (their difference does not depend on the model [S4]); ``s`` is the score of
    ``reference`` (a Denoiser) or, if not given, of the noised empirical law of the held-out events. A score
    of zero has ``error_of_zero``. ``rank`` and ``residual``, ``|P b| / |b|`` outside the range of the matrix,
    say whether implicit score matching has a minimum at all [S8]; ``peak`` is the ratio of the largest
    median error, expected at 1.

    Raises ``ValueError`` where ``N d`` cannot be small (``d > 300``) and for fewer than four events.

    >>> draws = np.random.default_rng(0).standard_normal((300, 1))
    >>> found = overparametrisation(draws, ratios=(0.5, 1.0, 2.0), n_seeds=2)
    >>> found["n_features"].values, float(found["peak"])
    (array([ 60, 120, 240]), 1.0)
    """
    events = np.asarray(x, dtype=float)
    _check(events, sigma, n_seeds, ratios)
    flat = events.reshape(len(events), -1)
    level = RELATIVE_SIGMA * float(np.sqrt(flat.var(axis=0).mean())) if sigma is None else float(sigma)
    checks.positive("sigma", level, "the events are all alike; give a level")
    count, dim = _sub_sample_size(*flat.shape), flat.shape[1]
    sizes = _feature_counts(ratios, count * dim)
    runs = [_run(_split(events, count, level, reference, seed), sizes, seed) for seed in range(n_seeds)]
    return _labelled(runs, sizes, count, dim, level)


class _Split(NamedTuple):
    """Clean and once noised events ``(N, d)``; noised held-out events and their score ``(n, d)``."""

    clean: np.ndarray
    noised: np.ndarray
    held_out: np.ndarray
    score: np.ndarray
    sigma: float

    @property
    def scale(self) -> float:
        return self.sigma**2 / self.clean.shape[1]


class _Run(NamedTuple):
    error: np.ndarray
    rank: list[int]
    residual: list[float]
    length: float
    error_of_zero: float


def _check(events: np.ndarray, sigma: float | None, n_seeds: int, ratios: Sequence[float]) -> None:
    if events.ndim < 2 or events.size == 0:
        raise ValueError(f"events must have shape (n, *event), got {events.shape}")
    checks.finite("events", events)
    checks.at_least("the number of events", len(events), 4)
    checks.at_least("n_seeds", n_seeds, 1)
    checks.positive("ratios", ratios)
    if sigma is not None:
        checks.positive("sigma", sigma)
    dim = events[0].size
    if 2 * dim > MOST_EQUATIONS:
        raise ValueError(
            f"the events have {dim} values each, so that even two of them make more than {MOST_EQUATIONS} "
            f"equations; this curve is for at most {MOST_EQUATIONS // 2} values"
        )


def _sub_sample_size(n: int, dim: int) -> int:
    return min(max(-(-EQUATIONS // dim), min(5, MOST_EQUATIONS // dim)), n // 2)


def _feature_counts(ratios: Sequence[float], equations: int) -> np.ndarray:
    """Even numbers, as a frequency has a cosine and a sine."""
    pairs = np.maximum(np.round(np.asarray(ratios) * equations / 2), 1).astype(int)  # [S7]
    return np.unique(2 * pairs[2 * pairs <= MOST_FEATURES])


def _split(events: np.ndarray, count: int, sigma: float, reference: Denoiser | None, seed: int) -> _Split:
    generator = np.random.default_rng([seed, 1])
    shuffled = events[generator.permutation(len(events))[: count + HELD_OUT]]
    noised = shuffled + sigma * generator.standard_normal(shuffled.shape)
    law = Empirical().fit(shuffled[count:]) if reference is None else reference
    held_out = torch.from_numpy(noised[count:])
    with torch.no_grad():
        score = (law(held_out, sigma) - held_out).numpy() / sigma**2  # Tweedie
    parts = shuffled[:count], noised[:count], noised[count:], score
    clean, start, rest, target = (part.reshape(len(part), -1) for part in parts)
    return _Split(clean, start, rest, target, sigma)


def _run(split: _Split, sizes: np.ndarray, seed: int) -> _Run:
    length = float(np.median(KDTree(split.noised).query(split.noised, 2)[0][:, 1]))
    all_features = Fourier.random(split.clean.shape[1], sizes[-1] // 2, length, seed)
    errors, ranks, residuals = [], [], []
    for size in sizes:
        features = Fourier(all_features.frequencies[: size // 2])
        implicit = NormalEquations.implicit(features, split.noised)
        denoising = NormalEquations.denoising(features, split.clean, 1.0, split.sigma)
        solved = [solve_filtered(implicit).theta, solve_filtered(denoising).theta]
        solved += _smooth_ridges(implicit, features.roughness(SMOOTH))
        minimum_norm, exact, *ridge = _errors(features, np.stack(solved, axis=1), split)
        errors.append([minimum_norm, min(ridge), exact])
        ranks.append(implicit.existence.rank)
        residuals.append(implicit.existence.residual / float(np.linalg.norm(implicit.vector)))
    zero = split.scale * float((split.score**2).sum(axis=1).mean())
    return _Run(np.array(errors).T, ranks, residuals, length, zero)


def _smooth_ridges(implicit: NormalEquations, penalty: np.ndarray) -> list[np.ndarray]:
    """``-(A + tau Lambda)^-1 b`` for every strength, from one decomposition."""
    weight = np.sqrt(penalty / penalty.mean())
    scaled = implicit.divided(weight)
    largest = scaled.eigen.values[0]
    return [solve_filtered(scaled, Ridge(s * largest)).theta / weight for s in STRENGTHS]  # [S15]


def _errors(features: Fourier, theta: np.ndarray, split: _Split) -> list[float]:
    """``sigma^2 E|s_hat - s|^2 / d`` of every column of ``theta (m, k)``."""
    phase = split.held_out @ features.frequencies.T
    cosine, sine = np.cos(phase), np.sin(phase)
    found = []
    for column in theta.T:
        even, odd = np.split(column, 2)
        score = (cosine * odd - sine * even) @ features.frequencies
        found.append(split.scale * float(((score - split.score) ** 2).sum(axis=1).mean()))
    return found


def _labelled(runs: list[_Run], sizes: np.ndarray, count: int, dim: int, sigma: float) -> xr.Dataset:
    error = np.stack([run.error for run in runs], axis=1)
    ratio = sizes / (count * dim)  # [S7]
    low, median, high = np.quantile(error, [BAND[0], 0.5, BAND[1]], axis=1)
    error_name, each = "Excess held-out denoising loss, sigma^2 E|s_hat - s|^2 / d", ("solver", "n_features")
    spread = "quantile over the seeds of the excess held-out loss"
    of_seed = ("seed", "n_features")
    variables = {
        "error": variable(("solver", "seed", "n_features"), error, error_name, PURE, WHERE),
        "error_median": variable(each, median, f"Median over the seeds: {error_name}", PURE, WHERE),
        "error_low": variable(each, low, f"{BAND[0]:.0%} {spread}", PURE, WHERE),
        "error_high": variable(each, high, f"{BAND[1]:.0%} {spread}", PURE, WHERE),
        "error_of_zero": variable(
            ("seed",), [run.error_of_zero for run in runs], "Excess held-out loss of a score of zero", PURE
        ),
        "rank": variable(of_seed, [run.rank for run in runs], "Rank of the normal matrix", PURE, "[S7]"),
        "residual": variable(
            of_seed,
            [run.residual for run in runs],
            "Share of b outside the range of A: above rounding, the loss has no minimum",
            PURE,
            "[S8]",
        ),
        "peak": variable((), ratio[np.argmax(median[0])], "Ratio of the largest median error", PURE, WHERE),
        "peak_expected": variable((), 1.0, "Ratio of the expected peak, m = N d", PURE, "[S7], [S9]"),
        "n_events": variable((), count, "Events in a sub-sample", PURE),
        "dim": variable((), dim, "Values of an event", PURE),
        "noise_level": variable((), sigma, "Noise level", LENGTH),
        "length": variable(("seed",), [run.length for run in runs], "Length of the features", LENGTH),
    }
    coordinates = {
        "solver": list(SOLVERS),
        "seed": np.arange(len(runs)),
        "n_features": variable(("n_features",), sizes, "Number of features m", PURE),
        "ratio": variable(("n_features",), ratio, "Features per equation, m / (N d)", PURE, "[S7]"),
    }
    return xr.Dataset(variables, coordinates)
