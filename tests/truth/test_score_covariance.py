"""The law of a fitted score, predicted and refitted: many training sets, z-scores, wrong factors caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scorelens.estimators.features import Affine, Bins, Hermite
from scorelens.generalization.laws import DataLaw
from scorelens.generalization.schedules import BROWNIAN
from scorelens.generalization.statistics import (
    Level,
    MixtureFeatures,
    OneTime,
    SharedWeights,
    StateFeatures,
    TimeFunction,
    TrainingTimes,
    bin_score,
    linear_score_covariance,
)
from scorelens.generalization.vkernel import OutsideLeadingOrder

MIXTURE = DataLaw.mixture([0.3, 0.7], [[-1.0], [0.8]], [[[0.2]], [[0.5]]])
THREE = DataLaw.mixture(np.ones(3), [[-1.0], [0.0], [1.2]], np.full((3, 1, 1), 0.09))
CORNERS = DataLaw.mixture(
    np.ones(3), [[-1.0, 0.0], [1.0, 0.3], [0.2, 1.2]], np.tile(0.16 * np.eye(2), (3, 1, 1))
)
PLANE = DataLaw.gaussian([0.3, -0.5], [[1.5, 0.6], [0.6, 0.8]])
AT = np.array([[-0.9], [0.3]])
Refit = Callable[[np.random.Generator, int], np.ndarray]


def solved(weight: np.ndarray, rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares weights ``(r, d, F)`` from rows ``(r, n, F)``, targets ``(r, n, d)`` and ``weight``."""
    weighted = (weight[:, :, None] * rows).transpose(0, 2, 1)
    matrix, vector = weighted @ rows, weighted @ target
    return np.linalg.solve(matrix, vector).transpose(0, 2, 1)


def one_time(fit: OneTime, n: int, at: np.ndarray, target: str = "dsm") -> Refit:
    level = Level(fit.alpha, fit.std)
    of_points = fit.features.value(at, level)

    def refit(rng: np.random.Generator, count: int) -> np.ndarray:
        noise = rng.standard_normal((count * n, fit.law.dim))
        x = fit.alpha * fit.law.sample(count * n, rng) + fit.std * noise
        aim = -noise / fit.std if target == "dsm" else fit.law.score(x, fit.alpha, fit.std)
        rows = fit.features.value(x, level).reshape(count, n, -1)
        weights = solved(np.ones((count, n)), rows, aim.reshape(count, n, -1))
        return np.einsum("pa,rda->rpd", of_points, weights).reshape(count, -1)

    return refit


def shared(fit: SharedWeights, n: int, at: np.ndarray, t: np.ndarray) -> Refit:
    """Refits with times of density ``lambda ~ t``, Brownian noise and unit weight."""
    low, of_points = fit.times.t_min, []
    for x, time in zip(at, t, strict=True):
        of_points.append(fit.features.value(x[None], Level(1.0, np.sqrt(time), time))[0] / np.sqrt(time))

    def refit(rng: np.random.Generator, count: int) -> np.ndarray:
        times = np.sqrt(low**2 + rng.random(count * n) * (1 - low**2))[:, None]
        noise = rng.standard_normal((count * n, 1))
        x = fit.law.sample(count * n, rng) + np.sqrt(times) * noise
        rows = fit.features.value(x, Level(1.0, 1.0)) / np.sqrt(times)
        aim = (-noise / np.sqrt(times)).reshape(count, n, 1)
        weights = solved(np.ones((count, n)), rows.reshape(count, n, -1), aim)
        return np.einsum("pa,rda->rp", np.array(of_points), weights)

    return refit


def drawn(refit: Refit, fits: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([refit(rng, 500) for _ in range(fits // 500)])


def check(scores: np.ndarray, predicted: np.ndarray) -> None:
    """Every entry within 4.5 standard errors; a factor of 1.3 on the diagonal would be 4.5 off."""
    apart = scores - scores.mean(axis=0)
    products = apart[:, :, None] * apart[:, None]
    found, error = products.mean(axis=0), products.std(axis=0) / np.sqrt(len(scores))
    size = len(predicted) * predicted.shape[1]
    expected = predicted.reshape(size, size)
    assert (np.abs(found - expected) < 4.5 * error).all(), np.abs(found - expected) / error
    assert (np.diag(error) < 0.05 * np.diag(expected)).all()
    assert (np.abs(found - 1.3 * expected) > 4.5 * error).diagonal().all()


ONE_TIME = {
    "affine, misfit": (OneTime(StateFeatures(Affine(1)), MIXTURE, 0.9, 0.4), "dsm"),
    "cubic, naive": (OneTime(StateFeatures(Hermite([[1], [2]]), True), MIXTURE, 0.9, 0.4), "naive"),
    "mixture": (OneTime(MixtureFeatures(THREE, True), THREE, 0.95, 0.3), "dsm"),
    "mixture, 2-D": (OneTime(MixtureFeatures(CORNERS), CORNERS, 0.95, 0.3), "dsm"),
    "bins": (OneTime(StateFeatures(Bins([-0.5, 0.6])), MIXTURE, 0.9, 0.4), "dsm"),
}


@pytest.mark.parametrize(("fit", "target"), ONE_TIME.values(), ids=ONE_TIME)
def test_the_sandwich_at_one_time(fit: OneTime, target) -> None:
    """[G9], [G29]; the leading ``L / (n std^2)`` is excluded, as is leaving the misfit out."""
    n, at = 1000, AT if fit.law.dim == 1 else np.array([[0.9, 0.0], [-0.5, 0.8]])
    scores = drawn(one_time(fit, n, at, target), 3000 if fit.law.dim == 1 else 1500, seed=1)
    check(scores, fit.covariance_of(n, at, target=target))
    leading = np.repeat(fit.leverage(at), fit.law.dim) / (n * fit.std**2)
    error = np.sqrt(2 / len(scores)) * scores.var(axis=0)
    assert (np.abs(scores.var(axis=0) - leading) > 4.5 * error).any()


def test_the_sandwich_with_shared_weights() -> None:
    """[G9] between two points and times; finding 3 at one cut-off."""
    times = TrainingTimes(TimeFunction.of_variance(BROWNIAN), TimeFunction.constant(), 0.1, 1.0)
    law = DataLaw.gaussian([0.4], [[0.7]])
    fit = SharedWeights(StateFeatures(Affine(1)), law, BROWNIAN, times)
    at, t, n = np.array([[1.0], [-0.5]]), np.array([0.5, 0.2]), 1000
    check(drawn(shared(fit, n, at, t), 3000, seed=2), fit.covariance_of(n, at, t))


def test_the_exact_covariance_of_affine_scores() -> None:
    """[G12], finding 1: exact at 15 samples, where the leading order is too small."""
    n, at = 15, np.array([[0.3, 0.2], [1.5, -1.0]])
    fit = OneTime(StateFeatures(Affine(2)), PLANE, 0.8, 0.3)
    scores = drawn(one_time(fit, n, at), 20_000, seed=3)
    exact = linear_score_covariance(PLANE, 0.8, 0.3, n, at)
    check(scores, exact)
    error = scores.std(axis=0) / np.sqrt(len(scores))
    assert (np.abs(scores.mean(axis=0) - PLANE.score(at, 0.8, 0.3).ravel()) < 4.5 * error).all()
    with pytest.warns(OutsideLeadingOrder, match="15 samples for 3 features"):
        leading = fit.covariance_of(n, at)
    with pytest.raises(AssertionError):
        check(scores, leading)


def test_the_exact_variance_of_bins() -> None:
    """[G13], finding 1: given that a bin holds a sample, with ``E[1/n_b]`` and the law within the bin."""
    law, edges, n, fits = DataLaw.points([[-1.0], [0.1], [0.3], [1.2]]), np.array([-0.5, 0.6]), 12, 40_000
    rng = np.random.default_rng(4)
    noise = rng.standard_normal((fits, n))
    x = 0.98 * law.sample(fits * n, rng).reshape(fits, n) + 0.2 * noise
    place = np.searchsorted(edges, x, side="right")
    exact = bin_score(law, edges, 0.98, 0.2, n)
    means, from_leading = [], []
    for b in range(3):
        count = (place == b).sum(axis=1)
        held = count > 0
        means.append(np.where(held, -(noise / 0.2 * (place == b)).sum(axis=1) / np.maximum(count, 1), np.nan))
        found = means[-1][held]
        squares = (found - found.mean()) ** 2
        error = squares.std() / np.sqrt(len(found))
        assert abs(squares.mean() - exact.variance[b]) < 4.5 * error
        assert abs(found.mean() - exact.mean[b]) < 4.5 * np.sqrt(squares.mean() / len(found))
        assert error < 0.02 * exact.variance[b]
        from_leading.append(abs(squares.mean() - exact.leading[b]) / error)
    assert max(from_leading) > 10
    both = np.isfinite(means[0] * means[2])
    correlation = np.corrcoef(means[0][both], means[2][both])[0, 1]
    assert abs(correlation) < 4.5 / np.sqrt(both.sum())


def test_the_bias_of_a_misspecified_fit() -> None:
    """[G10]: the influence of single samples, which averages to zero, is taken off to see it."""
    law = DataLaw.mixture([0.15, 0.85], [[-2.0], [0.5]], [[[0.05]], [[0.3]]])
    fit, n, fits = OneTime(StateFeatures(Affine(1)), law, 1.0, 0.6), 200, 12_000
    rng, level = np.random.default_rng(5), Level(1.0, 0.6)
    noise = rng.standard_normal((fits * n, 1))
    x = law.sample(fits * n, rng) + 0.6 * noise
    rows, aim = fit.features.value(x, level).reshape(fits, n, 2), (-noise / 0.6).reshape(fits, n, 1)
    residual = aim - np.einsum("da,rna->rnd", fit.optimum, rows)
    influence = np.einsum("rnd,rna->rda", residual, rows) / n @ np.linalg.inv(fit.second_moment)
    rest = solved(np.ones((fits, n)), rows, aim) - fit.optimum - influence
    found = n * np.einsum("pa,rda->rpd", fit.features.value(AT, level), rest)[..., 0]
    error = found.std(axis=0) / np.sqrt(fits)
    expected, of_next_order = fit.bias(AT)[:, 0], 10 / n
    assert (np.abs(found.mean(axis=0) - expected) < 4.5 * error + of_next_order * np.abs(expected)).all()
    assert (error < 0.05 * np.abs(expected)).all()
