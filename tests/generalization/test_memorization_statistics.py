"""Intervals cover, false alarms come as often as stated, and C_T is standard normal for fresh data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from scorelens.generalization.memorization.data_copying import (
    copying_test,
    default_cells,
    k_means_cells,
    mann_whitney_z,
)
from scorelens.generalization.memorization.intervals import (
    median,
    ratio_of_medians,
    share,
    standard_error,
)
from scorelens.generalization.memorization.near_copies import near_copies, nearness


def z_of_share(hits: int, trials: int, expected: float) -> float:
    return (hits / trials - expected) / np.sqrt(expected * (1 - expected) / trials)


@pytest.mark.parametrize(("count", "n"), [(0, 20), (3, 20), (20, 20), (7, 400)])
def test_clopper_pearson_is_scipys(count: int, n: int) -> None:
    found, exact = share(count, n, 0.9), stats.binomtest(count, n).proportion_ci(0.9, "exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.value == count / n


@pytest.mark.parametrize("n", [10, 25, 200])
def test_the_interval_of_a_median_covers_it(n: int) -> None:
    draws = np.random.default_rng(n).exponential(size=(2000, n))
    covered = sum(e.low <= np.log(2) <= e.high for e in (median(values, 0.9) for values in draws))
    rank = int(stats.binom.ppf(0.05, n, 0.5))
    exact = 1 - 2 * stats.binom.cdf(rank - 1, n, 0.5)
    assert exact >= 0.9
    assert abs(z_of_share(covered, 2000, exact)) < 4
    # One rank narrower would not do.
    assert 1 - 2 * stats.binom.cdf(rank, n, 0.5) < 0.9


def test_the_bootstrap_covers_the_ratio_of_medians() -> None:
    generator, covered = np.random.default_rng(1), 0
    for seed in range(500):
        above, below = 2 * generator.exponential(size=120), generator.exponential(size=150)
        found = ratio_of_medians(above, below, 0.9, 400, seed)
        covered += found.low <= 2 <= found.high
    assert abs(z_of_share(covered, 500, 0.9)) < 4
    with pytest.raises(ValueError, match="median below must be finite and > 0"):
        ratio_of_medians(np.ones(5), np.zeros(5))


def test_the_bootstrap_of_a_median_is_that_of_resampling() -> None:
    values = np.random.default_rng(2).exponential(size=31)
    resampled = np.median(np.random.default_rng(3).choice(values, (20000, 31)), axis=1)
    found = ratio_of_medians(values, np.ones(5), 0.8, 20000, 4)
    np.testing.assert_allclose((found.low, found.high), np.quantile(resampled, [0.1, 0.9]), rtol=0.06)


def test_a_standard_error_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).standard_normal(50)
    assert standard_error(values) == pytest.approx(stats.sem(values))


@pytest.mark.parametrize(("rate", "h"), [(0.01, 99), (0.05, 99), (0.25, 39)])
def test_false_alarms_come_as_often_as_stated(rate: float, h: int) -> None:
    generator = np.random.default_rng(h)
    counts, p_values, stated = [], [], 0.0
    for _ in range(1200):
        held_out, fresh = generator.exponential(size=h), generator.exponential(size=40)
        found = near_copies(fresh, held_out, false_alarm=rate)
        counts.append(found.count)
        p_values.append(found.p_value)
        stated = found.false_alarm
        assert found.held_out_flagged == round(stated * (h + 1)) - 1
    assert stated == pytest.approx(rate)
    mean, error = np.mean(counts) / 40, np.std(counts) / 40 / np.sqrt(1200)
    assert abs(mean - stated) < 4 * error
    assert error < 0.15 * stated
    # An exact test: small p-values are as rare as they say, and the attainable ones exactly so.
    for p in np.unique(p_values):
        hits = int(np.sum(np.array(p_values) <= p))
        assert p >= 0.999 or z_of_share(hits, 1200, p) < 4
    usual = np.sort(np.unique(p_values))[-3:-1]
    assert all(abs(z_of_share(int(np.sum(np.array(p_values) <= p)), 1200, p)) < 4 for p in usual)


def test_nearness_of_copies_of_duplicates_is_zero() -> None:
    np.testing.assert_array_equal(nearness(np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 2.0]])), [0, 0, 0.5])


def test_mann_whitney_is_scipys_with_and_without_ties() -> None:
    generator = np.random.default_rng(5)
    for x, y in (
        (generator.random(30), generator.random(50) + 0.1),
        (generator.integers(0, 4, 60), generator.integers(1, 5, 40)),
    ):
        exact = stats.mannwhitneyu(x, y, alternative="less", method="asymptotic", use_continuity=False)
        assert stats.norm.cdf(mann_whitney_z(x, y)) == pytest.approx(exact.pvalue, rel=1e-9)
    assert mann_whitney_z(np.ones(9), np.ones(7)) == 0


def nearest(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    return cdist(x, train).min(1)


@pytest.mark.parametrize("n_cells", [1, 4])
def test_of_fresh_data_it_is_standard_normal(n_cells: int) -> None:
    generator, z, statistics, powers = np.random.default_rng(n_cells), [], [], []
    for seed in range(100):
        train, held_out, fresh = (generator.standard_normal((n, 3)) for n in (100, 200, 200))
        cells = k_means_cells(train, n_cells, seed) if n_cells > 1 else None
        numbered = [None if cells is None else cells(part).indices[:, 0] for part in (fresh, held_out)]
        found = copying_test(nearest(fresh, train), nearest(held_out, train), *numbered)
        z.append(found.z)
        statistics.append(found.statistic)
        # A quarter of the samples pulled halfway to their training points.
        powers.append(
            copying_test(
                nearest(fresh, train) * np.where(np.arange(200) < 50, 0.5, 1),
                nearest(held_out, train),
                *numbered,
            ).z
        )
    assert abs(np.mean(z)) * np.sqrt(100) < 4
    # Four standard errors of a standard deviation: a z twice too large or small is caught.
    assert abs(np.std(z) - 1) < 4 / np.sqrt(2 * 100)
    assert np.mean(powers) < -1.0
    if n_cells > 1:
        assert np.std(statistics) < 0.75  # the unscaled mean over cells is not standard normal


def test_weights_are_shares_of_held_out_points() -> None:
    generator = np.random.default_rng(0)
    own, fresh = generator.random(200), generator.random(300)
    cells, held_out_cells = np.repeat([0, 1, 2], [100, 95, 5]), np.repeat([0, 1, 2], [200, 50, 50])
    found = copying_test(own, fresh, cells, held_out_cells)
    np.testing.assert_allclose(found.cell_weight, [0.8, 0.2])
    expected = [mann_whitney_z(own[:100], fresh[:200]), mann_whitney_z(own[100:195], fresh[200:250])]
    np.testing.assert_allclose(found.cell_z, expected)
    assert found.n_left_out == 1
    assert found.statistic == pytest.approx(0.8 * expected[0] + 0.2 * expected[1])
    assert found.z == pytest.approx(found.statistic / np.hypot(0.8, 0.2))
    assert found.p_value == pytest.approx(stats.norm.cdf(found.z))


def test_copies_are_strongly_negative_and_underfitting_positive() -> None:
    generator = np.random.default_rng(7)
    train, held_out = generator.standard_normal((200, 5)), generator.standard_normal((300, 5))
    for noise, sign in ((0.02, -1), (4.0, 1)):
        samples = train[:100] + noise * generator.standard_normal((100, 5))
        assert sign * copying_test(nearest(samples, train), nearest(held_out, train)).z > 8


def test_small_cells_fall_back_to_a_single_one() -> None:
    own, fresh = np.linspace(0, 1, 15), np.linspace(0, 1, 15)
    found = copying_test(own, fresh, np.arange(15) % 3, np.arange(15) % 3)
    assert (len(found.cell_z), found.n_left_out) == (1, 3)
    assert default_cells(99, 10**6) == 1


def test_more_cells_than_points_are_refused() -> None:
    with pytest.raises(ValueError, match="n_cells must be at most the 3 training points"):
        k_means_cells(np.zeros((3, 2)), 4)
