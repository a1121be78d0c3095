"""Spectral score matching over all noise levels, and the log-partition function it is compared with."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from mpmath import mp

from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import solve_exactly, solve_filtered
from scorelens.estimators.equations.time_separable import (
    Exponentials,
    Intervals,
    ornstein_uhlenbeck,
    time_separable,
    uniform_weight,
    variance_weight,
)
from scorelens.estimators.features import Fourier, FourierQuadratic, Hermite, Monomials
from scorelens.estimators.torus import trig_log_partition

X0 = np.array([[0.574], [-0.163], [1.097]])


def _sum_of_exponentials(degrees, rates, x0, start, stop):
    """[S24] for one dimension and a uniform density of times."""
    hermite = np.polynomial.hermite_e.hermeval
    moment = [hermite(x0[:, 0], [0] * n + [1]).mean() for n in range(2 * max(degrees))]

    def integral(rate):
        return (math.exp(-rate * start) - math.exp(-rate * stop)) / rate / (stop - start) if rate else 1.0

    def entry(la, mb):
        (first, a), (second, b) = la, mb
        terms = (
            math.factorial(r) * math.comb(a - 1, r) * math.comb(b - 1, r) * moment[a + b - 2 - 2 * r]
            * integral(a + b - 2 - 2 * r + first + second)
            for r in range(min(a, b))
        )  # fmt: skip
        return a * b * sum(terms)

    pairs = [(rate, n) for rate in rates for n in degrees]
    vector = [n * (n - 1) * moment[n - 2] * integral(n - 2 + rate) if n > 1 else 0.0 for rate, n in pairs]
    return np.array([[entry(p, q) for q in pairs] for p in pairs]), np.array(vector)


@pytest.mark.parametrize("times", [(0.05, 2.0), (1e-3, 6.0)])
def test_the_integral_over_times_is_the_sum_of_exponentials(times):
    """[S24] against the refined quadrature of [S23]."""
    degrees, rates = [1, 2, 4], (0.0, 1.0, 2.5)
    equations = time_separable(Hermite([[n] for n in degrees]), Exponentials(rates), X0, times)
    matrix, vector = _sum_of_exponentials(degrees, rates, X0, *times)
    assert equations.matrix == pytest.approx(matrix, rel=1e-11, abs=1e-12)
    assert equations.vector == pytest.approx(vector, rel=1e-11, abs=1e-12)


def test_disjoint_intervals_of_time_decouple():
    features = Monomials([[1], [2]])
    equations = time_separable(features, Intervals((0.1, 0.5, 2.0)), X0, (0.1, 2.0))
    assert equations.matrix[:2, 2:] == pytest.approx(0.0, abs=1e-15)
    early = time_separable(features, Exponentials((0.0,)), X0, (0.1, 0.5))
    assert equations.matrix[:2, :2] == pytest.approx(early.matrix * 0.4 / 1.9, rel=1e-12)
    assert solve_exactly(equations).theta[:2] == pytest.approx(solve_exactly(early).theta, rel=1e-9)


def test_every_time_of_a_range_belongs_to_one_interval():
    edges = (0.1, 0.5, 2.0)
    shares = Intervals(edges).value(np.array(edges))
    assert shares.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    assert Intervals(edges).value(np.array([0.05, 2.1])).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_clamped_solution_minimises_over_the_free_coefficients_and_keeps_the_limit():
    """[S25]; errata 000-6 and 000-7: late times give -|x|^2 / 2 up to a constant in x."""
    features, basis, held = Hermite([[2], [1], [3]]), Exponentials((0.0, 1.0, 2.0)), [-0.5, 0.0, 0.0]
    equations = time_separable(features, basis, X0, (0.1, 2.5), variance_weight)
    free, where = equations.clamped([0, 1, 2], held)
    theta = np.concatenate([held, solve_exactly(free).theta])
    assert where.tolist() == [3, 4, 5, 6, 7, 8]
    best = equations.objective(theta)
    for coefficient, move in np.ndindex(6, 2):
        other = theta.copy()
        other[3 + coefficient] += (-1) ** move * 1e-3
        assert equations.objective(other) > best
    late = basis.value(np.array([40.0]))[0] @ theta.reshape(3, 3)
    x = np.array([[-1.5], [0.3]])
    assert np.einsum("nmd,m->nd", features.jacobian(x), late) == pytest.approx(-x, abs=1e-12)
    upper = (equations.matrix @ theta + equations.vector)[:3]
    assert np.abs(upper).max() > 0.01


def test_a_feature_that_is_constant_in_the_point_makes_the_basis_singular():
    equations = time_separable(Hermite([[0], [1]]), Exponentials((0.0, 1.0)), X0, (0.1, 1.0))
    with pytest.raises(ValueError, match=r"features \[0, 2\] are not seen"):
        solve_exactly(equations)


def test_the_process_keeps_its_digits_near_time_zero():
    alpha, std = ornstein_uhlenbeck(1e-14)
    assert std**2 == pytest.approx(2e-14, rel=1e-12, abs=0)
    assert alpha == pytest.approx(1.0)


def test_dense_features_find_the_score_of_the_noised_samples():
    """[S17]: with many features the solution tends to the score of the noised sample mixture."""
    x0, alpha, std = np.array([[-0.8], [0.7]]), 0.9, 0.7
    at = np.linspace(-6, 6, 2001)
    weight = np.exp(-((at[:, None] - alpha * x0[:, 0]) ** 2) / (2 * std**2))
    density = weight.sum(axis=1) / weight.sum()
    exact = (weight @ (alpha * x0[:, 0]) / weight.sum(axis=1) - at) / std**2
    gaps = []
    for degree in (2, 5, 8, 12):
        equations = NormalEquations.denoising(Fourier.lattice(1, degree, 4 * np.pi), x0, alpha, std)
        gaps.append(density @ exact**2 / 2 + equations.objective(solve_filtered(equations).theta))  # [S2]
    assert gaps[0] < 0.01
    assert all(0 < later < earlier / 20 for earlier, later in pairwise(gaps))


def test_squares_carry_the_limit_of_large_noise():
    """[S18]: x -> -x / std^2 is out of reach of waves alone."""
    at, std = np.array([[-30.0], [10.0]]), 25.0
    waves = Fourier([[0.02], [0.05]])
    theta = solve_exactly(NormalEquations.denoising(FourierQuadratic(waves), X0, 0.0, std)).theta
    score = np.einsum("nmd,m->nd", FourierQuadratic(waves).jacobian(at), theta)
    assert score == pytest.approx(-at / std**2, rel=1e-8)
    theta = solve_exactly(NormalEquations.denoising(waves, X0, 0.0, std)).theta
    assert np.abs(np.einsum("nmd,m->nd", waves.jacobian(at), theta) + at / std**2).max() > 1e-4


@pytest.mark.parametrize("k", [1, 5, 20])
def test_the_log_partition_function_does_not_know_the_frequency(k):
    """[S14]; erratum 000-4: log Z = log I_0(|theta|) for every k, so it penalises no frequency."""
    got = trig_log_partition(Fourier([[k]]), [0.8, -0.6])
    assert got == pytest.approx(float(mp.log(mp.besseli(0, 1))), rel=1e-14)
    theta = [0.8, 0.1, -0.6, 0.3]
    two = trig_log_partition(Fourier([[k], [2 * k]]), theta)
    assert two == pytest.approx(trig_log_partition(Fourier([[1], [2]]), theta), rel=1e-12)


@pytest.mark.parametrize("amplitude", [1e-9, 1e-3, 0.999, 1.001, 30.0, 1e5])
def test_log_partition_of_one_wave_keeps_its_digits(amplitude):
    with mp.workdps(60):
        expected = float(mp.log(mp.besseli(0, mp.mpf(amplitude))))
    assert trig_log_partition(Fourier([[2]]), [0.0, amplitude]) == pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize("theta", [[0.7, -1.1, 0.4, 0.9], [40.0, -25.0, 3.0, 60.0], [1e-4, 0.0, 0.0, 2e-4]])
def test_log_partition_of_dependent_waves_is_the_integral(theta):
    c1, c2, s1, s2 = theta

    def density(x):
        return mp.exp(c1 * mp.cos(x) + c2 * mp.cos(2 * x) + s1 * mp.sin(x) + s2 * mp.sin(2 * x))

    expected = float(mp.log(mp.quad(density, mp.linspace(0, 2 * mp.pi, 40)) / (2 * mp.pi)))
    got = trig_log_partition(Fourier([[1.0], [2.0]]), theta)
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-13)
    assert trig_log_partition(Fourier([[0.7], [1.4]]), theta) == pytest.approx(got, rel=1e-12)


def test_log_partition_in_two_dimensions():
    """Three waves in the plane, of which the third is the sum of the first two."""
    features, theta = Fourier([[1, 0], [0, 1], [1, 1]]), [0.4, -0.3, 0.8, 0.2, 0.5, -0.6]
    grid = 2 * np.pi * np.stack(np.meshgrid(*[np.arange(64) / 64] * 2), axis=-1).reshape(-1, 2)
    expected = math.log(np.exp(features.value(grid) @ theta).mean())
    assert trig_log_partition(features, theta) == pytest.approx(expected, rel=1e-12)


def test_the_second_order_expansion_needs_the_linear_term():
    """[S13]; erratum 000-4: log Z = theta . E phi + 1/2 theta^T Cov theta + O(theta^3) under the base law."""
    base = np.random.default_rng(0).normal(size=(400, 1))
    features = Monomials([[1], [2]])
    value = features.value(base)
    mean, covariance = value.mean(axis=0), np.cov(value.T, bias=True)
    errors = []
    for scale in (1e-2, 1e-3):
        theta = scale * np.array([0.5, -1.0])
        log_z = math.log(np.exp(value @ theta).mean())
        errors.append(abs(log_z - theta @ mean - theta @ covariance @ theta / 2))
        assert abs(log_z - theta @ covariance @ theta / 2) > 0.3 * scale
    assert errors[0] / errors[1] == pytest.approx(1000, rel=0.1)


def test_an_exponent_of_monomials_may_have_no_density():
    """Erratum 000-5: score matching is defined where exp(theta . phi) cannot be normalised."""
    heavy_tails = np.array([0.05, -0.1, 0.15, -0.2, 0.3, -0.25, 2.0, -2.2])[:, None]
    equations = NormalEquations.implicit(Monomials([[1], [2], [3], [4]]), heavy_tails)
    assert equations.existence.unique
    assert solve_exactly(equations).theta[3] > 0.1  # the exponent grows without end


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: time_separable(Hermite([[1]]), Exponentials((0.0,)), X0, (1.0, 0.5)), "start < stop"),
        (lambda: time_separable(Hermite([[1]]), Exponentials((0.0,)), X0, (-1.0, 0.5)), "times must be"),
        (
            lambda: time_separable(
                Hermite([[2]]), Exponentials((0.0,)), X0, (0.0, 1.0), lambda t: np.abs(np.sin(1 / t))
            ),
            "has not settled with 256 nodes",
        ),
        (lambda: Exponentials((-1.0,)), "rates must be"),
        (lambda: Exponentials(()), "number of rates"),
        (lambda: Intervals((1.0, 0.5)), "edges must increase"),
        (lambda: trig_log_partition(Fourier([[1.0]]), [1.0]), "theta must hold 2 entries"),
        (lambda: trig_log_partition(Fourier([[1.0], [math.pi]]), [1.0] * 4), "no common period"),
        (
            lambda: trig_log_partition(Fourier.lattice(8, 1), np.ones(6560)),
            "grid of one period cell would take",
        ),
    ],
)
def test_bad_input_is_refused(run, message):
    with pytest.raises(ValueError, match=message):
        run()


def test_the_uniform_weight_is_a_density():
    assert uniform_weight(0.5, 2.5)(np.array([1.0, 2.0])).tolist() == [0.5, 0.5]
