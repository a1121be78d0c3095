"""The zero-padded convolution against the gradient of its loss and regression on shifted pixels."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import toeplitz

from scorelens.dynamics import ToeplitzConvolution, generated_covariance

D, OFFSETS, TAPS = 5, [-2, 0, 1], np.array([0.1, 0.4, -0.2])


def covariance(d: int = D, seed: int = 0) -> np.ndarray:
    mixing = np.random.default_rng(seed).standard_normal((2 * d, d))
    return mixing.T @ mixing / (2 * d)


LAW = ToeplitzConvolution(covariance(), OFFSETS, TAPS)


def _trace(matrix):
    return mp.fsum(matrix[i, i] for i in range(matrix.rows))


def test_weight_is_a_toeplitz_matrix_with_zero_padding():
    row, column = np.zeros(D), np.zeros(D)
    row[[0, 1]], column[[0, 2]] = TAPS[[1, 2]], TAPS[[1, 0]]
    np.testing.assert_array_equal(LAW.weight(TAPS), toeplitz(column, row))
    assert not LAW.bias(TAPS).any()


@pytest.mark.parametrize("offsets", [OFFSETS, list(range(1 - D, D)), [2], [-4, 3]])
def test_moments_are_traces_of_shifts(offsets):
    law, sigma = ToeplitzConvolution(covariance(), offsets), 0.7
    total = covariance() + sigma**2 * np.eye(D)
    shift = {k: np.eye(D, k=k) for k in offsets}
    traces = [[np.trace(shift[m] @ total @ shift[k].T) for m in offsets] for k in offsets]
    np.testing.assert_allclose(law.moment(sigma), traces, atol=1e-14)
    target = [np.trace(shift[k] @ covariance()) for k in offsets]
    np.testing.assert_allclose(law.limit(sigma), np.linalg.solve(traces, target), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(law.rate(law.limit(sigma), sigma), 0.0, atol=1e-13)


@pytest.mark.parametrize("sigma", [0.05, 0.6, 5.0])
def test_filter_solves_the_ode_of_its_gradient(sigma):
    end = 2.0
    ode = solve_ivp(
        lambda _, w: LAW.rate(w, sigma), (0.0, end), TAPS, rtol=1e-10, atol=1e-12, t_eval=[0.1, end]
    )
    for time, expected in zip((0.1, end), ode.y.T, strict=True):
        np.testing.assert_allclose(LAW.parameters(sigma, time), expected, atol=1e-8)
    half = LAW.evolve(LAW.parameters(sigma, 0.2), sigma, 0.5)
    np.testing.assert_allclose(half, LAW.parameters(sigma, 0.7), atol=1e-14)
    np.testing.assert_allclose(LAW.parameters(sigma, 1e9), LAW.limit(sigma), rtol=1e-12)


def test_rate_is_half_the_negative_gradient_of_the_loss():
    sigma, total = 0.4, covariance() + 0.16 * np.eye(D)

    def loss(taps):
        w = LAW.weight(taps)
        return np.trace(w @ total @ w.T) - 2.0 * np.trace(w @ covariance())

    steps = 1e-5 * np.eye(3)
    slope = [(loss(TAPS + step) - loss(TAPS - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(LAW.rate(TAPS, sigma), -0.5 * np.array(slope), rtol=1e-8)


def test_generated_covariance_is_that_of_the_sampling_ode():
    taps_at = LAW.parameters
    expected = generated_covariance(lambda sigma: LAW.weight(taps_at(sigma, 0.3)), 0.05, 10.0)
    np.testing.assert_allclose(LAW.generated_covariance(0.3, 0.05, 10.0), expected, rtol=1e-7)


def test_weights_of_two_noise_levels_do_not_commute():
    one, other = (LAW.weight_at(sigma, 0.3) for sigma in (0.1, 3.0))
    assert np.abs(one @ other - other @ one).max() > 1e-3


@pytest.mark.parametrize("seed", range(6))
def test_filter_at_a_random_point_of_the_box(seed):
    """Against 50 digits, from the traces (10.6); data that leave directions empty included."""
    rng = np.random.default_rng(seed)
    data = covariance(4, seed) if seed % 2 else np.ones((4, 4))
    data = data * 10.0 ** rng.uniform(-12, 6)
    sigma, time = 10.0 ** rng.uniform(-2.7, 1.9), 10.0 ** rng.uniform(-8, 12)
    offsets, start = [-1, 0, 2], rng.uniform(-1, 1, 3)
    law = ToeplitzConvolution(data, offsets, start)
    with mp.workdps(50):
        exact = mp.matrix(data.tolist()) + mp.mpf(sigma) ** 2 * mp.eye(4)
        shift = [mp.matrix(np.eye(4, k=k).tolist()) for k in offsets]
        total = mp.matrix([[_trace(m * exact * k.T) for m in shift] for k in shift])
        target = mp.matrix([_trace(k * mp.matrix(data.tolist())) for k in shift])
        rates, frame = mp.eigsy(total)
        start_along, target_along = frame.T * mp.matrix(start.tolist()), frame.T * target
        along = [
            target_along[j] / rates[j] * -mp.expm1(-rates[j] * mp.mpf(time))
            + start_along[j] * mp.exp(-rates[j] * mp.mpf(time))
            for j in range(3)
        ]
        expected = np.array([float(v) for v in frame * mp.matrix(along)])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(law.parameters(sigma, time), expected, rtol=0, atol=1e-11 * scale)


def test_taps_that_the_data_do_not_move_are_not_moved_by_rounding():
    """Rank-one data leave three of seven directions to the noise, 2.5e11 times smaller."""
    pixels, offsets, sigma = np.array([1.0, 2.0, -1.0, 3.0]), range(-3, 4), 0.002
    law = ToeplitzConvolution(1e6 * np.outer(pixels, pixels), offsets)
    with mp.workdps(50):
        data = 10**6 * mp.matrix(pixels.tolist()) * mp.matrix(pixels.tolist()).T
        exact, shift = (
            data + mp.mpf(sigma) ** 2 * mp.eye(4),
            [mp.matrix(np.eye(4, k=k).tolist()) for k in offsets],
        )
        total = mp.matrix([[_trace(m * exact * k.T) for m in shift] for k in shift])
        expected = [float(v) for v in mp.lu_solve(total, mp.matrix([_trace(k * data) for k in shift]))]
    np.testing.assert_allclose(law.limit(sigma), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ToeplitzConvolution(np.eye(3), [0, 3]), "offsets lie between -2 and 2, got 3"),
        (lambda: ToeplitzConvolution(np.eye(3), [0, 0]), "given once each"),
        (lambda: ToeplitzConvolution(np.eye(3), [[0, 0]]), r"offsets must have shape \(K,\)"),
        (lambda: ToeplitzConvolution(np.eye(3), [0], [1.0, 2.0]), r"initial_filter must have shape \(1,\)"),
        (lambda: ToeplitzConvolution(np.ones((2, 3)), [0]), r"covariance must have shape \(d, d\)"),
        (lambda: ToeplitzConvolution(np.triu(np.ones((2, 2))), [0]), "covariance must be symmetric"),
        (lambda: ToeplitzConvolution(-np.eye(2), [0]), "positive semi-definite, got the eigenvalue -1"),
        (lambda: LAW.parameters(-1.0, 1.0), "sigma must be finite and > 0"),
        (lambda: LAW.parameters(1.0, -1.0), "flow_time must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
