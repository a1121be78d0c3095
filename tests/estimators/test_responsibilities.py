"""Posterior class probabilities as features."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp

from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_exactly
from scorelens.estimators.features import Responsibilities

CENTERS = np.array([[0.0, 0.0], [1.0, 0.2], [-0.5, 0.9], [0.3, -1.1]])


def test_probabilities_are_those_of_bayes_rule():
    variances, weights, x = [0.3, 0.5, 0.4, 1.7], [1.0, 2.0, 0.5, 4.0], [0.7, -0.4]
    with mp.workdps(50):
        joint = []
        for weight, variance, center in zip(weights, map(mp.mpf, variances), CENTERS.tolist(), strict=True):
            squared = sum((mp.mpf(a) - mp.mpf(b)) ** 2 for a, b in zip(x, center, strict=True))
            joint.append(weight / variance * mp.exp(-squared / (2 * variance)))
        expected = [float(part / mp.fsum(joint)) for part in joint]
    got = Responsibilities(CENTERS, variances, weights, drop_last=False).value([x])[0]
    assert got == pytest.approx(expected, rel=1e-13)


def test_all_classes_sum_to_one_and_dropping_one_frees_the_gradients():
    x0 = np.random.default_rng(0).standard_normal((6, 2))
    whole = Responsibilities(CENTERS, 0.5, drop_last=False)
    assert whole.value(x0).sum(axis=1) == pytest.approx(np.ones(6), abs=1e-14)
    assert NormalEquations.denoising(whole, x0, 0.8, 0.6).eigen.rank == 3
    free = NormalEquations.denoising(Responsibilities(CENTERS, 0.5), x0, 0.8, 0.6)
    assert free.existence.unique
    assert solve_exactly(free).theta.shape == (3,)


def test_far_points_belong_to_the_nearest_class():
    far = Responsibilities([[0.0], [1.0]], 0.5, drop_last=False)
    assert far.value([[1e8], [-1e8]]) == pytest.approx(np.array([[0.0, 1.0], [1.0, 0.0]]), abs=0)
    assert np.isfinite(far.jacobian([[1e8]])).all()
    # a logit of 1 between two classes a million away keeps its digits when the variances are equal
    moved = Responsibilities([[1e6], [1e6 + 1]], drop_last=False).value([[1e6 + 0.5]])
    assert moved == pytest.approx(np.array([[0.5, 0.5]]), rel=1e-9)


def test_two_classes_of_one_variance_need_one_direction_of_noise():
    generator = np.random.default_rng(1)
    centers, x0 = generator.standard_normal((2, 12)) / 5, generator.standard_normal((3, 12))
    features = Responsibilities(centers)
    assert features.quadrature == ("gauss-hermite", 40)
    # the probability of the first class is a logistic function of one standardised coordinate
    way = centers[0] - centers[1]
    slope = np.linalg.norm(way)
    start = (x0 - centers.mean(axis=0)) @ way / slope
    noise = np.linspace(-9, 9, 4001)
    weight = np.exp(-(noise**2) / 2)
    value = 1 / (1 + np.exp(-slope * (start[:, None] + 0.9 * noise)))
    expected = (value**2 @ weight / weight.sum()).mean()
    assert features.second_moment(x0, 1.0, 0.9)[0, 0] == pytest.approx(expected, rel=1e-12)
    gram = ((value * (1 - value)) ** 2 @ weight / weight.sum()).mean() * slope**2
    assert features.gradient_gram(x0, 1.0, 0.9)[0, 0] == pytest.approx(gram, rel=1e-12)


@pytest.mark.parametrize(("dim", "tolerance"), [(6, 1e-2), (20, 4e-2)])
def test_quasi_random_nodes_are_as_exact_as_stated(dim, tolerance):
    generator = np.random.default_rng(0)
    centers = generator.standard_normal((8, dim)) / np.sqrt(2 * dim)
    x0 = generator.standard_normal((2, dim)) / np.sqrt(2 * dim)
    variances = np.linspace(0.8, 1.2, 8)
    features = Responsibilities(centers, variances)
    assert features.quadrature == ("sobol", 1024)
    fine = Responsibilities(centers, variances, n_nodes=2**14, seed=9)
    for average in ("second_moment", "gradient_gram", "mean_laplacian", "mean_jacobian"):
        got, expected = (getattr(each, average)(x0, 1.0, 1.0) for each in (features, fine))
        assert np.abs(got - expected).max() < tolerance * np.abs(expected).max()
        assert np.abs(got - expected).max() > 0


def test_any_number_of_nodes_leaves_a_loss_that_is_bounded():
    generator = np.random.default_rng(2)
    features = Responsibilities(generator.standard_normal((6, 5)), np.linspace(0.5, 1, 6), n_nodes=2)
    system = NormalEquations.denoising(features, generator.standard_normal((1, 5)), 1.0, 0.3)
    assert system.eigen.rank <= 2 * 5
    assert system.existence.bounded


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Responsibilities([1.0, 2.0]), "centers must have shape"),
        (lambda: Responsibilities([[1.0]]), "number of centers"),
        (lambda: Responsibilities([[1.0], [1.0]]), "same center and variance"),
        (lambda: Responsibilities([[1.0], [2.0]], [1.0, 2.0, 3.0]), "variances must be one number or hold 2"),
        (lambda: Responsibilities([[1.0], [2.0]], 1.0, [1.0, 0.0]), "weights must be finite and > 0"),
        (lambda: Responsibilities([[1.0], [np.nan]]), "non-finite"),
        (lambda: Responsibilities([[1.0], [2.0]], n_nodes=1), "n_nodes"),
    ],
)
def test_bad_classes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
