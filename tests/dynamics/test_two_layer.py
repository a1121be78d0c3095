"""The tied two-layer law: random points of the box against multi-precision arithmetic, and what it says."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import SymmetricTwoLayer, emergence_time, gain_emergence_time, learning_curve
from scorelens.dynamics.laws.sampling_integral import QuadratureTrajectory, quadrature_deviation

LOW, HIGH = 0.002, 80.0
DIGITS = 300
KNOWN = mp.mpf(10) ** -280


def _point(rng):
    eigenvalue = float(rng.choice([0.0, 10 ** rng.uniform(-12, 6)]))
    gain = float(rng.choice([10 ** rng.uniform(-12, 0), rng.uniform(0, 3), 1.0, 10 ** rng.uniform(-120, 0)]))
    return eigenvalue, 10 ** rng.uniform(-5.4, 3.8), 10 ** rng.uniform(-8, 12), gain


class _Exact:
    """Learning dynamics (7.3)-(7.5) in multi-precision, straight from the printed forms."""

    def __init__(self, eigenvalue, noise, time, gain):
        self.mode, self.noise, self.time, self.start = map(mp.mpf, (eigenvalue, noise, time, gain))
        self.left, self.elapsed, self.base = self._clock(self.time)
        self.gain = self.start / (self.base + self.start * self.elapsed * self.noise)
        pull = self.start * (self.mode + self.noise) - self.mode
        self.gap = self.left * pull / (self.mode + self.noise) * self.gain / self.start
        self.growth = self._growth(self.time)

    def _clock(self, time):
        left = mp.exp(-4 * self.mode * time)
        elapsed = (1 - left) / self.mode if self.mode > 0 else 4 * time
        return left, elapsed, left + self.start * self.mode * elapsed

    def _growth(self, time):
        low, high = mp.mpf(LOW**2), mp.mpf(HIGH**2)
        _, elapsed, base = self._clock(time)
        share, slope = self.start / base, self.start * elapsed
        return (share - self.start) * mp.log(high / low) + share * mp.log(
            (base + slope * low) / (base + slope * high)
        )

    @property
    def slope(self):
        step = mp.mpf(10) ** -60
        return (self._growth(self.time * (1 + step)) - self._growth(self.time * (1 - step))) / (
            2 * step * self.time
        )

    @property
    def deviation(self):
        low, high = mp.mpf(LOW**2), mp.mpf(HIGH**2)
        limit = mp.log(high / low) + mp.log((self.mode + low) / (self.mode + high)) if self.mode > 0 else 0
        return self.growth + self.start * mp.log(high / low) - limit


def _close(got, exact, relative):
    return abs(mp.mpf(float(got)) - exact) <= relative * abs(exact)


def _log_close(sign_and_log, exact):
    sign, size = sign_and_log
    log = mp.log(abs(exact))
    return int(sign) == mp.sign(exact) and abs(mp.mpf(float(size)) - log) <= 1e-11 * (1 + abs(log))


@pytest.mark.parametrize("seed", range(60))
def test_random_point_of_the_box(seed):
    rng = np.random.default_rng(seed)
    with mp.workdps(DIGITS):
        eigenvalue, noise, time, gain = _point(rng)
        law, exact = SymmetricTwoLayer(gain), _Exact(eigenvalue, noise, time, gain)
        assert _close(law.gain(eigenvalue, noise, time), exact.gain, 1e-12)
        assert _close(law.change(eigenvalue, noise, time), exact.gain - exact.start, 1e-12)
        assert _log_close(law.log_gap(eigenvalue, noise, time), exact.gap)
        # Rising and falling noise levels nearly cancel where the trajectory turns: four digits may go.
        assert _close(law.log_growth(eigenvalue, time, LOW, HIGH), exact.growth, 1e-11)
        if abs(exact.slope) > KNOWN:
            assert _close(law.log_growth_slope(eigenvalue, time, LOW, HIGH), exact.slope, 1e-10)
        if abs(exact.deviation) > KNOWN:
            assert _log_close(law.log_deviation(eigenvalue, time, LOW, HIGH), exact.deviation)


@pytest.mark.parametrize("seed", range(30))
def test_travel_time_at_random_points(seed):
    rng = np.random.default_rng(100 + seed)
    with mp.workdps(DIGITS):
        eigenvalue, noise, time, gain = _point(rng)
        exact = _Exact(eigenvalue, noise, time, gain)
        way, left = float(exact.gain - exact.start), float(-exact.gap)
        if abs(left) > 1e-290 and abs(way) > 1e-290:
            taken = SymmetricTwoLayer(gain).travel_time(gain, way, left, eigenvalue, noise)
            assert float(taken) == pytest.approx(time, rel=1e-11)


def test_quadrature_over_the_noise_levels_agrees_with_the_closed_form():
    modes, times = np.array([0.0, 1e-12, 1e-3, 1.0, 40.0, 1e6]), np.geomspace(1e-8, 1e12, 21)[:, None]
    for gain in (1e-9, 1e-3, 0.4, 1.0, 3.0):
        law = SymmetricTwoLayer(gain)
        closed = law.trajectory(modes, LOW, HIGH)
        growth, slope = QuadratureTrajectory(law, modes, LOW, HIGH).growth_and_slope(times)
        np.testing.assert_allclose(growth, closed.growth(times), rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(slope, closed.growth_and_slope(times)[1], rtol=1e-8, atol=1e-300)
        signs, sizes = law.log_deviation(modes, times, LOW, HIGH)
        other_signs, other_sizes = quadrature_deviation(law, modes, times, LOW, HIGH)
        np.testing.assert_array_equal(signs, other_signs)
        np.testing.assert_allclose(sizes, other_sizes, rtol=1e-10, atol=1e-9)


def test_a_start_of_zero_is_stuck_and_the_status_says_so():
    law = SymmetricTwoLayer(np.array([0.0, 0.1]))
    assert law.stuck(np.array([1.0, 1.0]), 0.5).tolist() == [True, False]
    assert law.gain(1.0, 0.5, 1e6)[0] == 0.0
    for found in (emergence_time(law, np.array([1.0, 1.0])), gain_emergence_time(law, 1.0, 0.5)):
        assert found.status.tolist() == ["stuck", "emerged"]
        assert found.flow_time[0] == np.inf


def test_erratum_the_emergence_time_without_a_start_is_that_of_the_weight_and_the_harmonic_mean_only():
    # Printed: tau* = ln 2 / (8 eta lambda), that is flow time ln 2 / (4 lambda), as "the" emergence time.
    published = np.log(2.0) / (4.0 * 0.7)
    variance = []
    for gain in (1e-6, 0.01, 0.1):
        law = SymmetricTwoLayer(gain)
        assert float(gain_emergence_time(law, 0.7, 0.3).flow_time) == pytest.approx(published, rel=1e-12)
        for criterion in ("geometric", "arithmetic"):
            weight = gain_emergence_time(law, 0.7, 0.3, criterion=criterion)
            assert abs(np.log(weight.flow_time / published)) > 0.3
        variance.append(float(emergence_time(law, 0.7).flow_time))
    assert max(variance) > 5.0 * min(variance)


def test_erratum_the_variance_of_a_positive_start_dips_before_it_rises():
    growth = SymmetricTwoLayer(0.1).log_growth(1.0, np.geomspace(1e-6, 1e2, 200), LOW, HIGH)
    assert growth.min() < -0.2
    assert growth[-1] > 5.0


def test_error_curve_sums_the_squared_gaps_and_keeps_what_is_never_learned():
    modes, noise, time = np.array([2.0, 0.5, 0.0]), 0.4, 0.3
    curve = learning_curve(SymmetricTwoLayer(0.05), modes, np.sqrt([noise]), np.array([0.0, time]))
    some = modes[:2]
    decay, optimum = np.exp(-4.0 * some * time), some / (some + noise)
    printed = some**2 / (some + noise)
    printed = printed * ((optimum - 0.05) * decay / ((optimum - 0.05) * decay + 0.05)) ** 2  # (6.3)
    nothing = noise * (0.05 / (1.0 + 4.0 * time * noise * 0.05)) ** 2
    assert float(curve.excess[1, 0]) == pytest.approx(float(printed.sum() + nothing), rel=1e-12)
    stuck = learning_curve(SymmetricTwoLayer(0.0), modes, np.sqrt([noise]), np.array([1e9]))
    assert float(stuck.excess[0, 0]) == pytest.approx(float((modes**2 / (modes + noise)).sum()), rel=1e-12)


def test_a_negative_start_is_refused():
    with pytest.raises(ValueError, match=r"initial_gain must be finite and >= 0, got -0\.1; P P\^T"):
        SymmetricTwoLayer(-0.1)
