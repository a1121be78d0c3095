"""Tied two-layer networks whose modes overlap at the start."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import SymmetricTwoLayer, TwoLayerOverlaps, overlap_growth_rate
from scorelens.dynamics.weights.stiff_flow import StiffProblem, stiff_flow

RNG = np.random.default_rng(4)
LAMBDAS, START = np.array([2.0, 0.5]), np.array([[0.1, 0.02], [0.02, 0.05]])


def exact_overlaps(lam, gram, sigma, time, n_steps=40, order=24):
    """(7.2) by Taylor series of order 24 in 40 digits."""
    with mp.workdps(40):
        d, noise, h = len(lam), mp.mpf(sigma) ** 2, mp.mpf(time) / n_steps
        lam = [mp.mpf(float(k)) for k in lam]
        state = [[mp.mpf(float(g)) for g in row] for row in gram]
        for _ in range(n_steps):
            series = [state]
            for n in range(order):
                following = [[mp.mpf(0)] * d for _ in range(d)]
                for k in range(d):
                    for m in range(d):
                        total = 2 * (lam[k] + lam[m]) * series[n][k][m]
                        for j in range(d):
                            rate = 2 * (2 * noise + lam[j] + (lam[k] + lam[m]) / 2)
                            total -= rate * sum(series[i][k][j] * series[n - i][j][m] for i in range(n + 1))
                        following[k][m] = total / (n + 1)
                series.append(following)
            state = [
                [sum(series[i][k][m] * h**i for i in range(order + 1)) for m in range(d)] for k in range(d)
            ]
        return np.array([[float(g) for g in row] for row in state])


@pytest.mark.parametrize("time", [0.05, 1.0])
def test_overlaps_to_many_digits(time):
    law = TwoLayerOverlaps.from_overlaps(LAMBDAS, START)
    exact = exact_overlaps(LAMBDAS, START, 0.5, time)
    np.testing.assert_allclose(law.weight_at(0.5, time), exact, rtol=1e-11)


def test_aligned_start_is_the_law_of_modes():
    lam, start = np.array([1e6, 1.0, 1e-12, 0.0]), np.array([0.1, 1e-12, 0.3, 1.5])
    law = TwoLayerOverlaps.from_overlaps(lam, np.diag(start))
    for sigma in (0.002, 80.0):
        for time in (1e-8, 1.0, 1e12):
            expected = SymmetricTwoLayer(start).gain(lam, sigma**2, time)
            np.testing.assert_allclose(law.weight_at(sigma, time), np.diag(expected), rtol=1e-11, atol=1e-30)


def test_gradient_descent_on_the_factor_follows():
    """Independent of overlaps: full-batch descent on P itself."""
    data, sigma, rate, n_steps = np.array([[1.0, 0.3], [0.3, 0.5]]), 0.4, 2e-5, 30_000
    start = factor = np.array([[0.4, 0.1, -0.2], [-0.1, 0.3, 0.2]])
    noisy = data + sigma**2 * np.eye(2)
    for _ in range(n_steps):
        by_weight = 2 * (factor @ factor.T @ noisy - data)
        factor = factor - rate * (by_weight + by_weight.T) @ factor
    law = TwoLayerOverlaps(data, start)
    np.testing.assert_allclose(law.weight_at(sigma, 2 * rate * n_steps), factor @ factor.T, atol=1e-4)
    assert np.abs(factor @ factor.T - start @ start.T).max() > 0.2


def test_rank_stays_and_the_largest_modes_win():
    lam = np.array([0.5, 1.0, 3.0])
    law = TwoLayerOverlaps(np.diag(lam), np.array([[0.5, 0.1], [0.3, -0.2], [0.01, 0.02]]))
    assert law.rank == 2
    for time in (0.1, 3.0, 1e3):
        values = np.linalg.eigvalsh(law.weight_at(0.5, time))
        assert abs(values[0]) < 1e-15 < values[1]
    expected = np.diag([0.0, 1 / 1.25, 3 / 3.25])
    np.testing.assert_allclose(law.weight_at(0.5, 1e4), expected, atol=1e-12)
    np.testing.assert_allclose(law.limit(0.5), expected, atol=1e-15)


def test_modes_absent_at_the_start_are_never_learned():
    gram = np.array([[0.1, 0.0, 0.05], [0.0, 0.0, 0.0], [0.05, 0.0, 0.2]])
    law = TwoLayerOverlaps.from_overlaps([2.0, 1.0, 0.5], gram)
    late = law.overlaps(0.5, 1e6)  # ascending variance
    np.testing.assert_allclose(np.diag(late), [0.5 / 0.75, 0.0, 2.0 / 2.25], atol=1e-12)
    np.testing.assert_allclose(law.limit(0.5), law.weight_at(0.5, 1e6), atol=1e-12)


def test_overlap_rises_until_the_larger_mode_is_learned_and_decays_after():
    """(Wang & Pehlevan 2025, App. E.1.2) places the rise between the two emergences."""
    lam, sigma = np.array([4.0, 0.2]), 0.3
    law = TwoLayerOverlaps.from_overlaps(lam, [[1e-4, 1e-6], [1e-6, 1e-4]])
    times = np.geomspace(1e-2, 6.0, 80)
    path = np.array([law.weight_at(sigma, t) for t in times])
    overlap, larger, smaller = np.abs(path[:, 0, 1]), path[:, 0, 0], path[:, 1, 1]
    peak = int(overlap.argmax())
    best = lam / (lam + sigma**2)
    assert np.all(np.diff(overlap[: peak + 1]) > 0)
    assert np.all(np.diff(overlap[peak:]) < 0)
    assert 0.2 * best[0] < larger[peak] < best[0]
    assert smaller[peak] < 0.02 * best[1]
    between = (larger > 0.99 * best[0]) & (smaller < 0.1 * best[1])
    assert between.sum() > 5
    assert np.all(np.diff(overlap[between]) < 0)


def test_growth_rate_of_the_three_phases():
    """(7.6) against the derivative of (7.2) for a small overlap, and its closed values in each phase."""
    k, m, noise = 3.0, 0.7, 0.25
    best_k, best_m = k / (k + noise), m / (m + noise)
    phases = {
        (0.0, 0.0): 2 * (k + m),
        (best_k, 0.0): -(k - m) * (2 * noise + k) / (noise + k),
        (best_k, best_m): -(k + m + 2 * noise) * (2 * k * m + noise * (k + m)) / ((noise + k) * (noise + m)),
    }
    for (gain_k, gain_m), expected in phases.items():
        assert float(overlap_growth_rate(k, m, noise, gain_k, gain_m)) == pytest.approx(expected, rel=1e-13)
    assert phases[(best_k, best_m)] < phases[(best_k, 0.0)] < 0 < phases[(0.0, 0.0)]
    # The larger mode itself grows at 4 k, the smaller at 4 m.
    assert 4 * m < phases[(0.0, 0.0)] < 4 * k
    law = TwoLayerOverlaps.from_overlaps([k, m], [[0.4, 1e-9], [1e-9, 0.1]])
    rate = law.rate(law.start(0.5), 0.5)
    expected = float(overlap_growth_rate(k, m, noise, 0.4, 0.1))
    assert rate[0, 1] / 1e-9 == pytest.approx(expected, rel=1e-7)


def test_stiff_flow_over_eighteen_decades_of_rates():
    rates = np.array([1e9, 1.0, 1e-9])
    problem = StiffProblem(
        lambda y: -rates * y**2, lambda y: -np.eye(3) * (2 * rates * y)[:, None, :], np.abs, 1e9
    )
    for time in (1e-6, 3.0, 1e10):
        np.testing.assert_allclose(stiff_flow(problem, np.ones(3), time), 1 / (1 + rates * time), rtol=1e-12)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="positive semi-definite"):
        TwoLayerOverlaps.from_overlaps(LAMBDAS, [[0.1, 0.2], [0.2, 0.1]])
    with pytest.raises(ValueError, match="positive semi-definite"):
        TwoLayerOverlaps.from_overlaps(LAMBDAS, [[0.0, 0.1], [0.1, 0.5]])
    with pytest.raises(ValueError, match="overlaps must be symmetric"):
        TwoLayerOverlaps.from_overlaps(LAMBDAS, [[0.1, 0.0], [0.05, 0.1]])
    with pytest.raises(ValueError, match="eigenvalues must be"):
        TwoLayerOverlaps.from_overlaps([-1.0, 1.0], START)
    with pytest.raises(ValueError, match="initial_factor must have shape"):
        TwoLayerOverlaps(np.eye(2), np.ones((3, 2)))
    with pytest.raises(ValueError, match="initial_factor holds"):
        TwoLayerOverlaps(np.eye(2), np.full((2, 2), np.inf))


def test_a_start_of_zero_stays_zero():
    for law in (
        TwoLayerOverlaps(np.eye(2), np.zeros((2, 1))),
        TwoLayerOverlaps.from_overlaps(np.ones(2), np.zeros((2, 2))),
    ):
        assert np.all(law.weight_at(1.0, 5.0) == 0.0)
        np.testing.assert_allclose(law.generated_covariance(5.0, 0.1, 10.0), 0.01 * np.eye(2), rtol=1e-9)
