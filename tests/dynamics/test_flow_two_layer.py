"""Two tied linear layers trained by flow matching: the stuck half of the path."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from scorelens.dynamics import FlowSampler, FlowTwoLayer, emergence_time, gain_emergence_time

MODES = np.array([30.0, 1.0, 0.2, 1e-3])


def test_stated_values():
    # Numbers integrated independently of every closed form.
    assert float(FlowTwoLayer(0.1).velocity_gain(1.0, 0.8, 1.0)) == pytest.approx(
        0.5160759767622118, rel=1e-12
    )
    assert float(FlowTwoLayer(0.1).velocity_gain(1.0, 0.3, 1.0)) == pytest.approx(
        0.018095544790126872, rel=1e-12
    )
    found = FlowTwoLayer(0.2).log_flow_variance(0.5, 3.0)
    assert float(np.exp(found)) == pytest.approx(1.489481502752958, rel=1e-12)


@pytest.mark.parametrize("t", [0.1, 0.5, 0.55, 0.9])
def test_velocity_gain_descends_the_loss_of_a_tied_layer(t):
    # Erratum 4: the paper's exponent is 4 learning rates; the gradient of the loss by p = sqrt(gain) says 8.
    lam, end = 0.8, 0.9

    def loss(p):
        return lam * (t * p**2 - 1.0) ** 2 + ((1.0 - t) * p**2 + 1.0) ** 2

    def descent(_, p):
        return -0.25e5 * (loss(p + 1e-5) - loss(p - 1e-5))

    ode = solve_ivp(descent, (0.0, end), [np.sqrt(0.2)], rtol=1e-10, atol=1e-12)
    reached = ode.y[0, -1] ** 2
    assert float(FlowTwoLayer(0.2).velocity_gain(lam, t, end)) == pytest.approx(reached, rel=1e-6)
    printed = float(FlowTwoLayer(0.2).velocity_gain(lam, t, 0.5 * end))
    assert abs(printed / reached - 1.0) > 0.1


def test_before_the_turning_time_it_forgets_instead_of_learning():
    # Learning dynamics 11.3: psi* < 0 is out of reach of P P^T.
    law, t = FlowTwoLayer(0.5), 0.4
    lam = 0.5
    pull, turn = t * lam - (1.0 - t), float(law.turning_time(lam))
    assert law.stuck_at(lam, [0.0, t, 0.7, 1.0]).tolist() == [True, True, False, False]
    late = law.velocity_gain(lam, t, np.array([40.0, 41.0]))
    assert float(late[1] / late[0]) == pytest.approx(np.exp(4.0 * pull), rel=1e-12)
    assert float(law.learning_speed(lam, t)) == pytest.approx(-4.0 * pull)
    # At the turning time itself it falls as a power of time.
    algebraic = law.velocity_gain(lam, turn, 1e6)
    assert float(algebraic) == pytest.approx(0.5 / (1.0 + 4e6 * 0.5 * lam / (1.0 + lam)), rel=1e-8)


def test_gain_limit_of_the_denoiser():
    law, sigma = FlowTwoLayer(0.3), np.array([0.1, 0.8, 5.0])
    lam = 0.8
    limit = law.limit_gain(lam, sigma**2)
    np.testing.assert_allclose(limit, [lam / (lam + 0.01), 1 / 1.8, 1 / 6.0], rtol=1e-14)
    assert law.stuck(lam, sigma**2).tolist() == [False, False, True]
    np.testing.assert_allclose(law.gain(lam, sigma**2, 1e9), limit, rtol=1e-9)


def test_trained_for_ever_it_generates_one_plus_the_variance():
    # Learning dynamics (11.5).
    law = FlowTwoLayer(0.3)
    np.testing.assert_allclose(law.log_flow_limit(MODES), np.log1p(MODES), rtol=1e-13)
    np.testing.assert_allclose(law.log_flow_variance(MODES, 1e9), np.log1p(MODES), rtol=1e-8)
    wide = law.log_limit_variance(MODES, 1e-9, 1e9)
    np.testing.assert_allclose(wide, np.log1p(MODES), atol=1e-6)


def test_approach_to_the_limit_is_quadratic_in_time():
    # Both sides of the corner give the integral of z / (e^z - 1): pi^2 / (24 eigenvalue time^2) in all.
    time = 1e7
    sign, size = FlowTwoLayer(0.3).log_deviation(MODES[1:3], time, 1e-4, 1e4)
    assert np.all(sign == 1.0)
    np.testing.assert_allclose(np.exp(size) * 24.0 * MODES[1:3] * time**2, np.pi**2, rtol=1e-5)


def test_a_start_of_zero_never_moves():
    law, times = FlowTwoLayer(np.array([0.0, 0.1])), np.array([[0.0], [1.0], [1e9]])
    assert np.all(law.velocity_gain(np.ones(2), 0.8, times)[:, 0] == 0.0)
    assert np.all(law.log_flow_variance(np.ones(2), times)[:, 0] == 0.0)
    assert law.stuck(np.ones(2), 0.01).tolist() == [True, False]
    found = emergence_time(law, np.array([2.0, 2.0]), sampler=FlowSampler(), target="data")
    assert found.status.tolist() == ["stuck", "emerged"]


def test_emergence_says_stuck_where_the_data_is_out_of_reach():
    # A mode of the data below the noise can never be contracted: the limit is 1 + eigenvalue.
    law = FlowTwoLayer(0.1)
    found = emergence_time(law, [20.0, 0.05], sampler=FlowSampler())
    assert found.status.tolist() == ["emerged", "stuck"]
    assert found.flow_time[1] == np.inf
    reached = float(law.log_flow_variance(20.0, found.flow_time[0]))
    start = np.exp(0.2)
    assert reached == pytest.approx(np.log(2 * start * 20.0 / (start + 20.0)), abs=1e-11)
    asymptote = emergence_time(law, [20.0, 0.05], sampler=FlowSampler(), target="asymptote")
    assert asymptote.status.tolist() == ["emerged", "emerged"]


@pytest.mark.parametrize("criterion", ["harmonic", "geometric", "arithmetic"])
@pytest.mark.parametrize(("lam", "noise", "gain"), [(0.8, 0.04, 0.1), (0.8, 0.04, 1e-9), (3.0, 9.0, 0.2)])
def test_gain_emergence_is_where_the_gain_is(criterion, lam, noise, gain):
    law = FlowTwoLayer(gain)
    found = float(gain_emergence_time(law, lam, noise, criterion=criterion).flow_time)
    start, limit = float(law.start_gain(lam, noise)), float(law.limit_gain(lam, noise))
    level = {"harmonic": 2 * start * limit / (start + limit), "geometric": np.sqrt(start * limit)}
    assert float(law.gain(lam, noise, found)) == pytest.approx(
        level.get(criterion, (start + limit) / 2), rel=1e-12
    )


@pytest.mark.parametrize("sigma", [0.05, 0.7, 3.0])
def test_travel_time_is_inverse_to_evolution(sigma):
    law, lam = FlowTwoLayer(0.4), 0.7
    for before, after in ((0.0, 1e-6), (1e-3, 2.0), (0.5, 30.0)):
        here = law.gain(lam, sigma**2, before)
        sign, size = law.log_gap(lam, sigma**2, after)
        left = -sign * np.exp(size)
        way = law.change(lam, sigma**2, after) - law.change(lam, sigma**2, before)
        found = float(law.travel_time(here, way, left, lam, sigma**2))
        assert found == pytest.approx(after - before, rel=1e-8)


def test_travel_never_arrives_upwards_where_it_sinks():
    law = FlowTwoLayer(0.4)
    assert law.travel_time(law.start_gain(0.1, 1.0), 0.01, 0.1, 0.1, 1.0) == np.inf
    assert FlowTwoLayer(0.0).travel_time(1 / 1.1, 0.01, 0.02, 1.0, 0.01) == np.inf
    assert law.travel_time(0.95, 0.0, 0.1, 1.0, 0.01) == 0.0


def test_negative_gains_are_refused():
    with pytest.raises(ValueError, match=r"initial_gain .* P P\^T"):
        FlowTwoLayer(-0.1)
    with pytest.raises(ValueError, match=r"gain must be at least 1 / \(1 \+ sigma\)"):
        FlowTwoLayer().evolve(0.1, 1.0, 1.0, 1.0)


def test_a_small_start_keeps_its_digits_in_the_gain():
    # The gain t (1 + (1 - t) psi) has no digits of 1e-12; the law remembers its start.
    law, lam, sigma = FlowTwoLayer(1e-12), 0.7, 0.3
    t = 1.0 / 1.3
    velocity = law.velocity_gain(lam, t, 22.0)
    assert 0.01 < float(velocity) < 0.5
    assert float(law.gain(lam, sigma**2, 22.0)) == pytest.approx(
        float(t * (1.0 + (1.0 - t) * velocity)), rel=1e-13
    )


def test_modes_may_each_have_their_start():
    gains = np.array([0.1, 0.5, 0.0, 2.0])
    times = np.array([[0.3], [4.0]])
    together = FlowTwoLayer(gains).log_generated_variance(MODES, times, 0.002, 80.0)
    apart = [
        FlowTwoLayer(q).log_generated_variance(k, times[:, 0], 0.002, 80.0)
        for q, k in zip(gains, MODES, strict=True)
    ]
    np.testing.assert_allclose(together, np.transpose(apart), rtol=1e-13)
    assert not FlowTwoLayer(gains).shared_by_modes
