"""The chance of any false alarm is what it is said to be, whatever the law of the data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import cKDTree

from scorelens.generalization.memorization.calibration import (
    COUNTED,
    DUPLICATES,
    EXTRAPOLATED,
    Tail,
    calibrate,
    calibrate_rate,
    tails,
)
from scorelens.generalization.memorization.near_copies import near_copies, nearness


def family_wise_rate(pool: np.ndarray, h: int, n: int, trials: int = 400) -> float:
    """Share of random splits of fresh values in which any of ``n`` is flagged."""
    draws, alarms = np.random.default_rng(0), 0
    for _ in range(trials):
        values = draws.choice(pool, h + n, replace=False)
        alarms += near_copies(values[h:], values[:h]).count > 0
    return alarms / trials


def of_points(law, n_train: int = 3000, n_fresh: int = 40_000) -> np.ndarray:
    """`nearness` of fresh points of a law to training points."""
    draws = np.random.default_rng(1)
    return nearness(cKDTree(law(draws, n_train)).query(law(draws, n_fresh), 2)[0])


def sphere(draws: np.random.Generator, n: int) -> np.ndarray:
    z = draws.standard_normal((n, 3))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return np.concatenate([z, z**2, np.sin(3 * z)], axis=1)


def line_and_ball(draws: np.random.Generator, n: int) -> np.ndarray:
    x = draws.standard_normal((n, 8))
    x[draws.random(n) < 0.05, 1:] = 5
    return x


LAWS = {
    "gaussian": lambda draws, n: draws.standard_normal((n, 10)),
    "uniform": lambda draws, n: draws.random((n, 5)),
    "manifold": sphere,
    "heavy tails": lambda draws, n: draws.standard_cauchy((n, 3)),
    "two dimensions mixed": line_and_ball,
}


@pytest.mark.parametrize("law", LAWS)
def test_any_false_alarm_is_as_rare_as_stated(law: str) -> None:
    pool = of_points(LAWS[law])
    # 0.05 and 4.5 standard errors of 400 trials; the smallest held-out value alone would give 0.5.
    assert family_wise_rate(pool, 1000, 1000) < 0.05 + 4.5 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize(("h", "n"), [(20, 50), (200, 1000), (2000, 500)])
def test_one_tail_keeps_the_rate_exactly_on_a_power_law(h: int, n: int) -> None:
    """The mean of ``n F`` at the threshold is 0.05, whatever the dimension."""
    tail, draws, rate = tails(h)[-1], np.random.default_rng(h), 0.05 / n
    thresholds = [tail.threshold(np.sort(draws.random(h)) ** (1 / 6), rate) for _ in range(4000)]
    below = n * np.minimum(np.array(thresholds), 1) ** 6
    error = below.std() / math.sqrt(len(below))
    assert abs(below.mean() - 0.05) < 4.5 * error
    assert error < 0.004


def test_the_dimension_is_that_of_the_law() -> None:
    values = np.random.default_rng(0).random(50_000) ** (1 / 7)
    found = calibrate(values, 20_000)
    assert found.status == EXTRAPOLATED
    assert found.dimension == pytest.approx(7, rel=0.6)
    assert Tail(5000, 50_000).mean_gap(np.sort(values)) == pytest.approx(1 / 7, rel=4.5 / math.sqrt(5000))


def test_what_can_be_counted_is_counted_exactly() -> None:
    draws, hits = np.random.default_rng(3), 0
    for _ in range(4000):
        found = calibrate(draws.random(400), 20)
        hits += draws.random(20).min() < found.threshold
    assert found.status == COUNTED
    assert found.family_wise == pytest.approx(20 / 420)
    assert found.false_alarm == 1 / 401
    assert abs(hits / 4000 - 20 / 420) < 4.5 * math.sqrt(0.05 * 0.95 / 4000)
    # Rank 3: none of 20 is among the three smallest of 423, if these are held-out ones.
    by_rate = calibrate_rate(draws.random(400), 20, 3 / 401)
    assert by_rate.family_wise == pytest.approx(1 - 400 * 399 * 398 / (420 * 419 * 418))
    assert by_rate.p_value(1) == pytest.approx(by_rate.family_wise)


def test_p_values_bound_how_often_so_many_are_flagged() -> None:
    h, n, trials, draws = 60, 400, 10_000, np.random.default_rng(4)
    tail, rate = tails(h)[0], 0.5 / n  # a loose threshold, so that several are flagged now and then
    counts = np.empty(trials, int)
    for i in range(trials):
        u = tail.threshold(np.sort(draws.random(h)), rate)
        counts[i] = draws.binomial(n, min(u, 1))
    for near in (1, 2, 4):
        measured = np.mean(counts >= near)
        bound = tail.at_least(near, n, rate)
        assert measured < bound + 4.5 * math.sqrt(measured / trials)
        assert bound < 8 * measured  # Markov's price
    assert tail.at_least(1, n, rate) == pytest.approx(0.5)


def test_one_flagged_sample_has_the_family_wise_rate_as_its_p_value() -> None:
    held_out = 0.5 + 0.5 * np.random.default_rng(0).random(1000)
    for n in (10, 1000):
        found = near_copies(np.concatenate([[1e-3], np.ones(n - 1)]), held_out)
        assert found.count == 1
        assert found.p_value == pytest.approx(found.family_wise)
    more = [near_copies(np.concatenate([np.full(c, 1e-3), np.ones(1000)]), held_out) for c in range(1, 60)]
    p_values = np.array([found.p_value for found in more])
    assert (np.diff(p_values) < 0).all()
    assert p_values[-1] < 1e-30
    assert near_copies(np.ones(1000), held_out).p_value == 1


def test_a_threshold_is_never_above_the_smallest_held_out_value() -> None:
    for seed in range(50):
        held_out = 0.6 + 0.4 * np.random.default_rng(seed).random(300)
        for n in (5, 50, 5000):
            assert calibrate(held_out, n).threshold <= held_out.min()


def test_exact_copies_are_flagged_always() -> None:
    held_out = np.random.default_rng(0).random(40) ** 9  # near 0: the threshold is tiny
    found = near_copies(np.concatenate([np.zeros(3), np.full(997, 0.9)]), held_out)
    assert found.flagged.tolist() == [True] * 3 + [False] * 997
    assert "only 40 held-out points calibrate" in found.calibration.remark


def test_data_with_duplicates_are_said_to_have_no_rate() -> None:
    """Fresh data that hold exact copies: their number is compared, the others are judged as before."""
    draws = np.random.default_rng(5)

    def values(n: int) -> np.ndarray:
        return np.where(draws.random(n) < 0.02, 0, draws.random(n) ** 0.2)

    p_values, near = [], 0
    for _ in range(600):
        found = near_copies(fresh := values(500), values(500))
        p_values.append(found.p_value)
        near += bool((found.flagged & (fresh > 0)).any())
    assert found.calibration.status == DUPLICATES
    assert "so are fresh data now and then" in found.calibration.remark
    assert found.family_wise > 0.99
    assert found.false_alarm == pytest.approx(0.02, abs=0.02)
    for p in (0.02, 0.1):
        assert np.mean(np.array(p_values) <= p) < p + 4.5 * math.sqrt(p * (1 - p) / 600)
    assert near / 600 < 0.05 + 4.5 * math.sqrt(0.05 * 0.95 / 600)
    copied = np.concatenate([np.zeros(60), values(440)])
    assert near_copies(copied, values(500)).p_value < 1e-5


def test_values_on_a_grid_are_not_accused() -> None:
    """Binary events: distances are roots of whole numbers, and `nearness` has ties."""

    def law(draws: np.random.Generator, n: int) -> np.ndarray:
        return (draws.random((n, 40)) < 0.5).astype(float)

    pool = of_points(law, 1000, 20_000)
    assert len(np.unique(pool)) < 60
    assert family_wise_rate(pool, 500, 500, 300) < 0.05 + 4.5 * math.sqrt(0.05 * 0.95 / 300)


def test_bad_calibrations_are_refused_or_said() -> None:
    for chance in (0, 1, 5):
        with pytest.raises(ValueError, match="family_wise must be > 0 and < 1"):
            calibrate(np.ones(50), 10, chance)
    with pytest.raises(ValueError, match=r"choose one between 0\.0196 and 0\.98, or hold out more"):
        calibrate_rate(np.ones(50), 10, 0.001)
    few = calibrate(np.linspace(0.1, 1, 8), 100)
    assert (few.threshold, few.family_wise) == (0, 0)
    assert "only exact copies are near-copies" in few.remark
    assert calibrate(np.linspace(0.1, 1, 100), 100).remark == ""


def test_tails_grow_from_ten_to_a_tenth() -> None:
    assert [tail.count for tail in tails(5000)] == [10, 20, 40, 80, 160, 320]
    assert [tail.count for tail in tails(20)] == [10]
    assert tails(10) == ()
    # E[F] at the depth of a rate, from draws of the beta and the gamma variable.
    tail, draws = Tail(10, 300), np.random.default_rng(0)
    edge, gaps = draws.beta(10, 291, 10**6), stats.gamma(9).rvs(10**6, random_state=draws)
    share = edge * np.exp(-tail.depth(0.002) * gaps / 9)
    assert share.mean() == pytest.approx(0.002, rel=0.01)
