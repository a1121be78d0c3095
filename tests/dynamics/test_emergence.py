"""Emergence times of the laws: stated tables, first crossings, statuses."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.core.sigma_grid import karras
from scorelens.dynamics import (
    DeepLinear,
    DeepResidual,
    DenseOneLayer,
    ExactSampler,
    HeunSampler,
    OneLayer,
    PixelWeight,
    PreconditionedOneLayer,
    emergence_time,
    gain_emergence_time,
    gray_zone,
)

EDM = PreconditionedOneLayer.edm
CRITERIA = ["harmonic", "geometric", "arithmetic", "band"]


def _slope(law, lam, criterion):
    found = emergence_time(law, lam, criterion=criterion)
    return np.polyfit(np.log(lam), np.log(found.flow_time), 1)[0]


# Exponents of the preconditioned law, section 3: grid A rising / falling, three densities, all criteria.
GRID_A = np.geomspace(0.5, 1000, 40), np.geomspace(1e-4, 0.125, 40)
STATED = {
    LogNormal(-1.2, 1.2): [(-0.988, -1.450), (-0.260, -0.532), (0.884, -0.008), (1.200, -1.734)],
    LogUniform(0.002, 80.0): [(-0.990, -0.953), (-0.528, -0.470), (-0.038, -0.011), (0.033, -1.014)],
    LogNormal(-0.4, 1.0): [(-0.992, -2.120), (-0.365, -0.780), (0.863, -0.012), (1.271, -2.557)],
}


@pytest.mark.parametrize("noise", STATED)
@pytest.mark.parametrize("i", range(4))
def test_stated_exponents_of_the_preconditioned_law(noise, i):
    found = [_slope(EDM(noise=noise), lam, CRITERIA[i]) for lam in GRID_A]
    np.testing.assert_allclose(found, STATED[noise][i], atol=6e-4)


@pytest.mark.parametrize(
    ("gain", "criterion", "rising"),
    [
        (0.0, "harmonic", 1.077),
        (0.0, "geometric", 0.985),
        (0.1, "harmonic", 1.183),
        (0.5, "geometric", 1.169),
    ],
)
def test_stated_exponents_of_the_one_layer_law(gain, criterion, rising):
    lam = np.geomspace(1e-3, 1e2, 20)
    law = OneLayer(gain)
    start = np.exp(law.log_start_variance(lam, 0.002, 80.0))
    used = (lam > start) & ~gray_zone(start, lam)
    assert -_slope(law, lam[used], criterion) == pytest.approx(rising, abs=6e-4)


# Band emergence, preconditioned law, section 5: scalar EDM; disturbed start; assumed variance wrong by two.
SPECTRAL_TABLE = {
    0.003: (1318, 2.6, 10, 14, 30, 10, 32),
    0.1: (9.2, 1.6, 2.3, 6.4, 7.0, 3.2, 6.3),
    4.6: (23, 3.1, 0.64, 30, 2.3, 9.9, 1.8),
    100.0: (845, 7.4, 0.23, 636, 2.0, 217, 1.6),
}


@pytest.mark.parametrize("lam", SPECTRAL_TABLE)
def test_stated_emergence_under_spectral_preconditioning(lam):
    spectral, pixel = PreconditionedOneLayer.spectral, PixelWeight(0.5)
    laws = [
        EDM(),
        spectral(lam, initial_weight=0.1),
        spectral(lam, initial_weight=0.1, loss=pixel),
        spectral(2 * lam),
        spectral(2 * lam, loss=pixel),
        spectral(lam / 2),
        spectral(lam / 2, loss=pixel),
    ]
    found = [float(emergence_time(law, lam, criterion="band").flow_time) for law in laws]
    np.testing.assert_allclose(found, SPECTRAL_TABLE[lam], rtol=0.045)


@pytest.mark.parametrize(
    "law", [OneLayer(0.0), OneLayer(0.3), EDM(), EDM(initial_weight=0.5), EDM(initial_weight=-0.8)]
)
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("target", ["data", "asymptote"])
def test_first_crossing_against_a_dense_scan(law, criterion, target):
    lam = np.array([50.0, 1.0, 0.3, 0.02, 4e-4, 1e-5])
    found = emergence_time(law, lam, criterion=criterion, target=target)
    log_time = np.arange(-25.0, 32.0, 0.01)
    path = law.log_generated_variance(lam, np.exp(log_time)[:, None], 0.002, 80.0)
    start = np.broadcast_to(law.log_start_variance(lam, 0.002, 80.0), lam.shape)
    goal = np.log(lam) if target == "data" else law.log_limit_variance(lam, 0.002, 80.0)
    y0, y1 = np.exp(start), np.exp(goal)
    threshold = {
        "harmonic": np.log(2 * y0 * y1 / (y0 + y1)),
        "geometric": 0.5 * (start + goal),
        "arithmetic": np.log(0.5 * (y0 + y1)),
        "band": goal + np.clip(start - goal, -np.log(1.25), np.log(1.25)),
    }[criterion]
    for k in range(lam.size):
        beyond = np.flatnonzero(np.sign(threshold[k] - start[k]) * (path[:, k] - threshold[k]) >= 0)
        if found.status[k] == "emerged":
            crossing = np.log(found.flow_time[k])
            assert log_time[beyond[0]] - 0.0101 <= crossing <= log_time[beyond[0]] + 1e-9
        elif found.status[k] == "at start":
            assert abs(threshold[k] - start[k]) < 1e-12
            assert found.flow_time[k] == 0.0
        else:
            assert beyond.size == 0
            assert found.flow_time[k] == np.inf


def test_the_first_of_two_crossings_hidden_between_scan_points_is_found():
    # A falling mode that undershoots: on its way down it crosses the band long before it has learned.
    law, lam = OneLayer(0.3), np.array([3e-5])
    found = emergence_time(law, lam, criterion="band")
    times = np.geomspace(1e-6, found.flow_time[0], 4000)
    path = law.log_generated_variance(lam, times[:, None], 0.002, 80.0)[:, 0]
    start = float(law.log_start_variance(lam, 0.002, 80.0)[0])
    edge = np.log(lam[0]) + np.sign(start - np.log(lam[0])) * np.log(1.25)
    assert np.all(np.sign(start - edge) * (path[:-1] - edge) > 0.0)


def test_peak_between_scan_points():
    """A trajectory that is beyond its threshold only for a tenth of an e-fold of time."""
    from scorelens.dynamics.emergence.first_crossing import UNREACHED, first_crossing
    from scorelens.dynamics.gain_law import VarianceTrajectory

    class Bump(VarianceTrajectory):
        def growth(self, flow_time):
            return np.exp(-((np.log(flow_time) - 2.43) ** 2))

        def growth_and_slope(self, flow_time):
            z = np.log(flow_time) - 2.43
            return np.exp(-(z**2)), -2 * z * np.exp(-(z**2)) / flow_time

    found = first_crossing(Bump(), np.array([np.exp(-0.0025), 1.01]), monotone=False)
    assert found[0] == pytest.approx(2.38, abs=1e-9)
    assert found[1] == UNREACHED


def test_statuses():
    law = EDM()
    start = float(np.exp(law.log_start_variance(1.0, 0.002, 80.0)))
    found = emergence_time(law, [0.0, 1e6, 1.1 * start, 4.0], criterion="band")
    assert found.status.tolist() == ["unreachable", "unreachable", "at start", "emerged"]
    assert found.flow_time[:3].tolist() == [np.inf, np.inf, 0.0]
    assert found.emerged.tolist() == [False, False, False, True]
    still = emergence_time(PreconditionedOneLayer.spectral(0.04), 0.04, target="asymptote")
    assert still.status == "at start"


def test_late_times_are_returned_not_capped():
    late = emergence_time(EDM(noise=LogNormal(-1.2, 0.4)), 1e-4, criterion="band", target="asymptote")
    assert 1e12 < float(late.flow_time) < 1e60
    # Doubling the density at the last level to learn halves the time: the log-normal has its slope there.
    assert late.status == "emerged"


def test_levels_never_drawn_leave_a_mode_unreachable():
    found = emergence_time(EDM(noise=LogUniform(0.05, 0.4)), 25.0, criterion="band")
    assert found.status == "unreachable"


def test_emergence_on_the_grid_crosses_on_the_grid():
    sampler, lam = HeunSampler(karras(40, 0.002, 80.0)), np.array([20.0, 0.01])
    found = emergence_time(EDM(), lam, criterion="geometric", sampler=sampler)
    reached = sampler.log_variance(EDM(), lam, found.flow_time)
    np.testing.assert_allclose(reached, 0.5 * (sampler.log_start(EDM(), lam) + np.log(lam)), rtol=1e-12)
    exact = emergence_time(EDM(), lam, criterion="geometric", sampler=ExactSampler())
    assert np.all(np.abs(found.flow_time / exact.flow_time - 1) > 1e-4)


@pytest.mark.parametrize("criterion", ["harmonic", "geometric", "arithmetic"])
@pytest.mark.parametrize("law", [OneLayer(0.05), EDM(), EDM(loss=PixelWeight(0.3), initial_weight=0.1)])
def test_gain_crosses_its_mean_at_the_closed_form_time(criterion, law):
    lam, noise = np.array([2.0, 0.1]), 0.3
    found = gain_emergence_time(law, lam, noise, criterion=criterion)
    start, limit = law.start_gain(lam, noise), law.limit_gain(lam, noise)
    mean = {
        "harmonic": 2 * start * limit / (start + limit),
        "geometric": np.sqrt(start * limit),
        "arithmetic": 0.5 * (start + limit),
    }[criterion]
    np.testing.assert_allclose(law.gain(lam, noise, found.flow_time), mean, rtol=1e-13)


def test_statuses_of_gains():
    lam, noise = np.array([1.0, 0.0]), 0.5
    negative = gain_emergence_time(OneLayer(-0.2), lam, noise)
    assert negative.status.tolist() == ["undefined", "unreachable"]
    assert np.isnan(negative.flow_time[0])
    assert (
        gain_emergence_time(OneLayer(-0.2), lam, noise, criterion="arithmetic").status.tolist()
        == ["emerged"] * 2
    )
    assert gain_emergence_time(OneLayer(0.0), lam, noise).status.tolist() == ["at start", "at start"]
    assert gain_emergence_time(OneLayer(2.0 / 3.0), 1.0, noise).status == "at start"
    never = gain_emergence_time(EDM(noise=LogUniform(1.0, 2.0)), 1.0, 0.1)
    assert never.status == "unreachable"


def test_gray_zone_edges():
    assert gray_zone(0.25, np.array([0.125, 0.1249, 0.5, 0.501])).tolist() == [True, False, True, False]
    with pytest.raises(ValueError, match="start_variance"):
        gray_zone(0.0, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "harmonik"}, "did you mean 'harmonic'"),
        ({"target": "dat"}, "did you mean 'data'"),
        ({"criterion": "band", "band": 1.0}, "band must be a factor > 1"),
    ],
)
def test_unknown_names_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        emergence_time(EDM(), 1.0, **options)


@pytest.mark.parametrize("law", [OneLayer(1e15), DeepResidual(80, 1.0)], ids=lambda law: law.name)
def test_a_start_too_far_off_for_float64_is_said_to_be_unresolved(law):
    found = emergence_time(law, np.array([1.0]))
    assert found.status.tolist() == ["unresolved"]
    assert np.isnan(found.flow_time[0])
    assert emergence_time(OneLayer(1e6), 1.0).status == "emerged"


def test_laws_of_matrices_have_no_emergence_times_of_modes():
    with pytest.raises(TypeError, match="emergence times are those of gain laws, got DenseOneLayer"):
        emergence_time(DenseOneLayer(np.eye(2)), 1.0)
    with pytest.raises(ValueError, match=r"factor must exceed 1, got 0\.5"):
        gray_zone(1.0, 1.0, factor=0.5)


def test_no_warning_where_a_trajectory_is_flat_or_a_start_is_zero():
    late = emergence_time(DeepLinear(3, 1e-12, tied=True), np.array([1000.0]))
    assert float(late.flow_time[0]) == pytest.approx(3.33231, rel=1e-5)
    half = gain_emergence_time(DeepLinear(1, 0.0), 1.0, 1.0, criterion="arithmetic")
    assert float(half.flow_time) == pytest.approx(np.log(2.0) / 2.0, rel=1e-12)
