"""What every gain law must do; registering a law in `dynamics.ALL` buys all of it."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import fixed_quad, solve_ivp

from scorelens import dynamics
from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.dynamics import (
    AsymmetricTwoLayer,
    DeepLinear,
    DeepResidual,
    FlowOneLayer,
    FlowTwoLayer,
    FullConvolution,
    InfiniteDepth,
    OneLayer,
    PixelWeight,
    PreconditionedOneLayer,
    ResidualOneLayer,
    SymmetricTwoLayer,
    UnitWeight,
)
from scorelens.dynamics.laws.sampling_integral import LawOfAllLevels

EDM = PreconditionedOneLayer.edm
VARIANTS = {
    OneLayer: [OneLayer(0.3), OneLayer(-0.4), OneLayer(1.0), OneLayer(2.5)],
    PreconditionedOneLayer: [
        EDM(initial_weight=0.4),
        EDM(initial_weight=-0.3),
        EDM(1.7, LogNormal(-0.4, 2.0)),
        EDM(noise=LogUniform(0.002, 80.0)),
        EDM(loss=UnitWeight()),
        PreconditionedOneLayer.spectral(0.04, loss=PixelWeight(0.5), initial_weight=0.2),
        PreconditionedOneLayer.spectral_skip(0.04, loss=PixelWeight(0.5), initial_weight=0.2),
    ],
    ResidualOneLayer: [ResidualOneLayer(0.4, 0.55, 0.2), ResidualOneLayer(0.0, -2.0, 0.3)],
    SymmetricTwoLayer: [SymmetricTwoLayer(q) for q in (0.0, 1e-6, 0.6, 1.0, 2.5)],
    AsymmetricTwoLayer: [
        AsymmetricTwoLayer(*pair)
        for pair in ((0.2, 0.2), (0.5, -0.1), (-0.2, -0.9), (0.4, -0.4), (0.0, 0.3), (2.0, 0.7), (0.0, 0.0))
    ],
    FullConvolution: [
        FullConvolution(1, OneLayer(-0.4)),
        FullConvolution(9, OneLayer(0.3)),
        FullConvolution(9, SymmetricTwoLayer(0.2)),
    ],
    DeepLinear: [
        DeepLinear(1, -0.3),
        DeepLinear(2, 1e-3),
        DeepLinear(3, -0.4, tied=True),
        DeepLinear(4, 0.6, tied=True),
        DeepLinear(9, 1.8),
        DeepLinear(3, 0.0),
    ],
    InfiniteDepth: [InfiniteDepth(c) for c in (-0.2, 0.7, 2.0)],
    DeepResidual: [DeepResidual(4, -0.3, tied=True), DeepResidual(3, -1.6)],
    FlowOneLayer: [FlowOneLayer(q) for q in (0.3, -1.0, 1.0, 2.5)],
    FlowTwoLayer: [FlowTwoLayer(q) for q in (0.0, 0.02, 1.0, 2.5)],
}
DEFAULTS = {FullConvolution: FullConvolution(9)}
LAWS = [
    law
    for member in dynamics.ALL
    for law in [DEFAULTS[member] if member in DEFAULTS else member(), *VARIANTS.get(member, [])]
]
IDS = [f"{law.name}-{i}" for i, law in enumerate(LAWS)]
SIGMA_MIN, SIGMA_MAX = 0.002, 80.0
MODES = np.array([30.0, 1.0, 0.25, 0.01, 0.0])
SIGMAS = np.array([0.01, 0.3, 4.0])
TIMES = np.array([0.0, 1e-3, 0.2, 3.0, 80.0])

every_law = pytest.mark.parametrize("law", LAWS, ids=IDS)


@every_law
def test_facts_are_stated(law):
    assert law.name
    assert law.equation
    assert law.reference


@every_law
def test_time_zero_is_the_start(law):
    noise = SIGMAS[:, None] ** 2
    np.testing.assert_allclose(law.gain(MODES, noise, 0.0), law.start_gain(MODES, noise), rtol=1e-14)
    assert np.all(law.log_growth(MODES, 0.0, SIGMA_MIN, SIGMA_MAX) == 0.0)


@every_law
def test_start_and_limit_variance_integrate_start_and_limit_gain(law):
    for gain, stated in (
        (law.start_gain, law.log_start_variance(MODES, SIGMA_MIN, SIGMA_MAX)),
        (law.limit_gain, law.log_limit_variance(MODES, SIGMA_MIN, SIGMA_MAX)),
    ):
        for mode, expected in zip(MODES, stated, strict=True):
            assert _log_variance_by_quad(lambda s, k=mode, f=gain: f(k, s**2)) == pytest.approx(
                float(expected), rel=1e-9
            )


@every_law
def test_infinite_time_is_the_limit(law):
    modes, noise = MODES[:-1], SIGMAS[:, None] ** 2
    gap = np.exp(law.log_gap(modes, noise, 1e12)[1])
    np.testing.assert_allclose(
        law.gain(modes, noise, 1e12), law.limit_gain(modes, noise), rtol=1e-12, atol=1.001 * gap.max()
    )
    late = law.log_generated_variance(modes, 1e12, SIGMA_MIN, SIGMA_MAX)
    np.testing.assert_allclose(late, law.log_limit_variance(modes, SIGMA_MIN, SIGMA_MAX), atol=1e-6)


@every_law
def test_limit_is_the_best_gain_unless_stuck(law):
    noise = SIGMAS[:, None] ** 2
    free = np.broadcast_to(~law.stuck(MODES, noise), (3, 5))
    best = np.broadcast_to(MODES / (MODES + noise), (3, 5))
    np.testing.assert_array_equal(np.broadcast_to(law.limit_gain(MODES, noise), (3, 5))[free], best[free])
    stopped = law.limit_gain(MODES, noise)
    assert np.all(law.rate(stopped, MODES, noise)[~free] == pytest.approx(0.0, abs=1e-12))


@every_law
def test_change_and_gap_are_the_gain_less_start_and_limit(law):
    noise, times = SIGMAS[:, None] ** 2, TIMES[:, None, None]
    gain = law.gain(MODES, noise, times)
    change = law.change(MODES, noise, times)
    np.testing.assert_allclose(change, gain - law.start_gain(MODES, noise), atol=1e-14)
    sign, size = law.log_gap(MODES, noise, times)
    gap = sign * np.exp(size)
    np.testing.assert_allclose(gap, gain - law.limit_gain(MODES, noise), rtol=1e-9, atol=1e-14)
    early = law.change(MODES, noise, 1e-12)
    slope = np.broadcast_to(law.rate(law.start_gain(MODES, noise), MODES, noise), early.shape)
    np.testing.assert_allclose(early, 1e-12 * slope, rtol=1e-7, atol=1e-26)


@every_law
def test_travel_time_is_the_inverse_of_the_gain(law):
    noise, time = SIGMAS[:, None] ** 2, 0.6
    start = np.broadcast_to(law.start_gain(MODES, noise), (3, 5))
    sign, size = law.log_gap(MODES, noise, time)
    way, left = law.change(MODES, noise, time), -sign * np.exp(size)
    taken = law.travel_time(start, way, left, MODES, noise)
    moving = np.abs(way) > 1e-9 * np.abs(start)
    np.testing.assert_allclose(taken[moving], time, rtol=1e-6)
    assert np.all(law.travel_time(start, 0.0 * way, left, MODES, noise) == 0.0)
    assert np.all(np.isinf(law.travel_time(start, -way, left + 2.0 * way, MODES, noise)[moving]))


@every_law
def test_limit_ratio_is_limit_over_data(law):
    ratio = np.broadcast_to(law.log_limit_ratio(MODES, SIGMA_MIN, SIGMA_MAX), MODES.shape)
    limit = law.log_limit_variance(MODES[:-1], SIGMA_MIN, SIGMA_MAX)
    np.testing.assert_allclose(ratio[:-1], limit - np.log(MODES[:-1]), atol=1e-14)
    assert ratio[-1] == np.inf


@every_law
def test_continuous_at_eigenvalue_zero(law):
    zero, tiny = (law.log_generated_variance(k, TIMES, SIGMA_MIN, SIGMA_MAX) for k in (0.0, 1e-16))
    np.testing.assert_allclose(zero, tiny, atol=1e-9)
    np.testing.assert_allclose(law.gain(0.0, 0.09, TIMES), law.gain(1e-16, 0.09, TIMES), atol=1e-12)


@every_law
def test_time_is_a_semigroup(law):
    noise, first, second = SIGMAS[:, None] ** 2, 0.7, 2.3
    halfway = law.gain(MODES, noise, first)
    in_two = law.evolve(halfway, MODES, noise, second)
    np.testing.assert_allclose(in_two, law.gain(MODES, noise, first + second), rtol=1e-12, atol=1e-14)


@every_law
def test_gain_moves_at_its_rate(law):
    noise, time, step = SIGMAS[:, None] ** 2, 0.8, 1e-4
    ahead, behind = (law.gain(MODES, noise, time + s) for s in (step, -step))
    rate = law.rate(law.gain(MODES, noise, time), MODES, noise)
    speed = np.abs(rate).max()
    np.testing.assert_allclose((ahead - behind) / (2 * step), rate, rtol=1e-5, atol=1e-7 * speed)


@every_law
def test_rate_is_mobility_times_pull(law):
    if not isinstance(law, LawOfAllLevels):
        return
    noise, gain = SIGMAS[:, None] ** 2, law.gain(MODES, SIGMAS[:, None] ** 2, 0.3)
    pull = MODES - (MODES + noise) * gain
    np.testing.assert_allclose(
        law.mobility(gain, MODES, noise) * pull, law.rate(gain, MODES, noise), rtol=1e-10, atol=1e-13
    )


@every_law
def test_gain_is_the_solution_of_its_ode(law):
    mode, noise, end = 0.8, 0.2, 5.0
    start = np.atleast_1d(law.start_gain(mode, noise))
    ode = solve_ivp(
        lambda _, g: np.atleast_1d(law.rate(g, mode, noise)), (0.0, end), start, rtol=1e-11, atol=1e-13
    )
    assert float(law.gain(mode, noise, end)) == pytest.approx(float(ode.y[0, -1]), rel=1e-8)


@every_law
@pytest.mark.parametrize("time", [0.05, 4.0])
def test_variance_is_the_solution_of_the_sampling_ode(law, time):
    for mode in (20.0, 0.02, 0.0):
        direct = _log_variance_by_quad(lambda s, k=mode: law.gain(k, s**2, time))
        stated = float(law.log_generated_variance(mode, time, SIGMA_MIN, SIGMA_MAX))
        assert stated == pytest.approx(direct, rel=1e-9)


@every_law
def test_growth_slope_is_the_derivative(law):
    time, step = np.array([[0.05], [2.0], [40.0]]), 1e-4
    ahead, behind = (law.log_growth(MODES, time * (1 + s), SIGMA_MIN, SIGMA_MAX) for s in (step, -step))
    slope = time * law.log_growth_slope(MODES, time, SIGMA_MIN, SIGMA_MAX)
    np.testing.assert_allclose((ahead - behind) / (2 * step), slope, rtol=1e-6, atol=1e-9)


@every_law
def test_deviation_is_the_distance_to_the_limit(law):
    time = np.array([[0.0], [0.3], [30.0]])
    sign, size = law.log_deviation(MODES, time, SIGMA_MIN, SIGMA_MAX)
    limit = law.log_limit_variance(MODES, SIGMA_MIN, SIGMA_MAX)
    expected = law.log_generated_variance(MODES, time, SIGMA_MIN, SIGMA_MAX) - limit
    np.testing.assert_allclose(sign * np.exp(size), expected, rtol=1e-9, atol=1e-12)


@every_law
def test_monotone_laws_are_monotone(law):
    times = np.geomspace(1e-6, 1e8, 300)[:, None]
    change = np.diff(law.log_growth(MODES, times, SIGMA_MIN, SIGMA_MAX), axis=0)
    one_way = np.all(change >= -1e-12, axis=0) | np.all(change <= 1e-12, axis=0)
    assert one_way.all() or not law.monotone


@every_law
def test_broadcasts_over_modes_times_and_sigmas(law):
    gain = law.gain(MODES, SIGMAS[:, None] ** 2, TIMES[:, None, None])
    assert gain.shape == (5, 3, 5)
    assert gain[2, 1, 3] == law.gain(MODES[3], SIGMAS[1] ** 2, TIMES[2])
    table = law.log_generated_variance(MODES, TIMES[:, None], SIGMA_MIN, SIGMA_MAX)
    assert table.shape == (5, 5)
    one = law.log_generated_variance(MODES[1], TIMES[3], SIGMA_MIN, SIGMA_MAX)
    assert table[3, 1] == pytest.approx(float(one), rel=1e-14)
    paired = law.log_generated_variance(MODES, TIMES, SIGMA_MIN, SIGMA_MAX)
    np.testing.assert_allclose(paired, np.diag(table), rtol=1e-14)


@every_law
def test_computes_in_float64(law):
    modes, times = MODES.astype(np.float32), TIMES.astype(np.float32)
    assert law.gain(modes, np.float32(0.25), np.float32(1.0)).dtype == np.float64
    assert law.log_generated_variance(modes, times, SIGMA_MIN, SIGMA_MAX).dtype == np.float64


@every_law
def test_gain_function_is_what_a_linear_denoiser_takes(law):
    gain = law.gain_function(MODES, 1.5)(SIGMAS)
    assert gain.shape == (3, 5)
    assert gain[2, 1] == law.gain(MODES[1], SIGMAS[2] ** 2, 1.5)


@every_law
def test_a_denoiser_has_one_flow_time(law):
    for bad, message in ((np.array([1.0, 2.0]), "one flow time"), (-1.0, "flow_time"), (np.nan, "flow_time")):
        with pytest.raises(ValueError, match=message):
            law.gain_function(MODES, bad)


@every_law
def test_units_of_the_data_matter_only_to_a_law_with_a_unit_of_its_own(law):
    scale = 7.0
    times = TIMES[:, None]
    here = law.log_generated_variance(MODES, times, SIGMA_MIN, SIGMA_MAX)
    root = np.sqrt(scale)
    there = law.log_generated_variance(scale * MODES, times / scale, root * SIGMA_MIN, root * SIGMA_MAX)
    same = np.isclose(there, here + np.log(scale), rtol=1e-11, atol=1e-11)
    assert same.all() if law.scale_free else not same.any(), there - here - np.log(scale)


@every_law
def test_bad_input_is_refused(law):
    for bad in (-1.0, np.nan, np.inf, np.array([1.0, -1e-9])):
        with pytest.raises(ValueError, match="eigenvalue"):
            law.gain(bad, 1.0, 1.0)
        with pytest.raises(ValueError, match="eigenvalue"):
            law.log_generated_variance(bad, 1.0, SIGMA_MIN, SIGMA_MAX)
        with pytest.raises(ValueError, match="flow_time"):
            law.gain(1.0, 1.0, bad)
        with pytest.raises(ValueError, match="flow_time"):
            law.log_generated_variance(1.0, bad, SIGMA_MIN, SIGMA_MAX)
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="noise_variance"):
            law.gain(1.0, bad, 1.0)
        with pytest.raises(ValueError, match="sigma_min"):
            law.log_deviation(1.0, 1.0, bad, SIGMA_MAX)
    with pytest.raises(ValueError, match="sigma_max"):
        law.log_start_variance(1.0, 2.0, 1.0)


@every_law
def test_no_warning_and_no_nan_in_the_whole_box(law):
    modes = np.array([0.0, 1e-12, 1e-6, 0.3, 1e3, 1e6])
    times = np.array([0.0, 1e-8, 1e-3, 1.0, 1e5, 1e12])[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = [
            law.gain(modes, np.array([4e-6, 0.1, 6400.0])[:, None, None], times),
            *law.trajectory(modes, SIGMA_MIN, SIGMA_MAX).growth_and_slope(times),
            law.generated_variance(modes, times, SIGMA_MIN, SIGMA_MAX),
        ]
        sign, size = law.log_deviation(modes, times, SIGMA_MIN, SIGMA_MAX)
    assert all(np.isfinite(result).all() for result in results)
    assert not np.isnan(size).any()
    assert np.array_equal(sign == 0.0, size == -np.inf)


def _log_variance_by_quad(gain):
    def drift(u):
        return gain(np.exp(u)) - 1.0

    edges = np.linspace(np.log(SIGMA_MIN), np.log(SIGMA_MAX), 25)
    parts = [_integral(drift, a, b) for a, b in pairwise(edges)]
    return 2.0 * np.log(SIGMA_MAX) + 2.0 * sum(parts)


def _integral(function, low, high):
    middle = 0.5 * (low + high)
    whole, left, right = (
        fixed_quad(function, a, b, n=20)[0] for a, b in ((low, high), (low, middle), (middle, high))
    )
    if abs(left + right - whole) < 1e-13 or high - low < 1e-12:
        return left + right
    return _integral(function, low, middle) + _integral(function, middle, high)
