"""The patch law against the gradient of its loss, the dense sampling ODE and direct quadrature."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from scorelens.dynamics import (
    FullConvolution,
    OneLayer,
    PatchConvolution,
    autocovariance,
    fourier_variance,
    power_autocovariance,
    square_patch,
)
from scorelens.dynamics.emergence.first_crossing import first_crossing

LOW, HIGH = 0.02, 20.0
EVEN, SKEWED, PLANE = [-1, 0, 1], [0, 1, -2], [[0, 0], [0, 1], [0, -1], [1, 0], [-1, -1]]


def covariance(n: int, seed: int = 0) -> np.ndarray:
    mixing = np.random.default_rng(seed).standard_normal((2 * n, n))
    return mixing.T @ mixing / (4 * n)


def line(offsets=SKEWED, n=6, seed=1, start=True) -> PatchConvolution:
    taps = np.random.default_rng(seed).uniform(-0.4, 0.4, len(offsets)) if start else None
    return PatchConvolution(autocovariance(covariance(n, seed)), offsets, taps)


def plane(seed=2) -> PatchConvolution:
    taps = np.random.default_rng(seed).uniform(-0.3, 0.3, len(PLANE))
    return PatchConvolution(autocovariance(covariance(12, seed), (3, 4)), PLANE, taps)


def test_autocovariance_is_the_diagonal_in_fourier_space():
    for matrix, grid in ((covariance(6), (6,)), (covariance(12), (3, 4))):
        rows = [np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n) / np.sqrt(n) for n in grid]
        transform = rows[0] if len(rows) == 1 else np.kron(*rows)
        diagonal = np.diag(transform.conj().T @ matrix @ transform).real.reshape(grid)
        power = fourier_variance(autocovariance(matrix, grid))
        np.testing.assert_allclose(power, diagonal, rtol=1e-13)
        np.testing.assert_allclose(power_autocovariance(power), autocovariance(matrix, grid), rtol=1e-12)


def test_the_loss_summed_over_pixels_is_what_its_gradient_descends():
    """Plain gradient descent on the taps of the dense loss: learning is ``N`` times that of one layer."""
    n, sigma, offsets = 5, 0.6, SKEWED
    data, taps = covariance(n, 3), np.array([0.3, -0.1, 0.2])
    law = PatchConvolution(autocovariance(data), offsets, taps)
    shifts = [np.roll(np.eye(n), offset, axis=1) for offset in offsets]

    def descend(rate: float, steps: int) -> np.ndarray:
        w = taps.copy()
        for _ in range(steps):
            matrix = sum(tap * shift for tap, shift in zip(w, shifts, strict=True))
            by_matrix = 2.0 * (matrix @ (data + sigma**2 * np.eye(n)) - data)  # (1.6)
            w = w - rate * np.array([np.sum(by_matrix * shift) for shift in shifts])
        return w

    # First order in the step: Richardson's combination of two steps is second order.
    flowed = 2.0 * descend(2e-5, 4000) - descend(4e-5, 2000)
    found = law.parameters(sigma, 2.0 * 2e-5 * 4000)
    np.testing.assert_allclose(found, flowed, atol=2e-6)
    # Erratum 29: for the loss averaged over pixels there is no such factor.
    slower = 2.0 * descend(2e-5 / n, 4000) - descend(4e-5 / n, 2000)
    np.testing.assert_allclose(law.parameters(sigma, 2.0 * 2e-5 * 4000 / n), slower, atol=2e-6)
    assert np.abs(slower - flowed).max() > 0.05


@pytest.mark.parametrize("law", [line(EVEN), line(SKEWED), line(range(6)), plane()])
def test_filter_solves_its_ode_at_every_training_time(law):
    """Erratum 8: the exponent of the published filter lacks the training time."""
    sigma = 0.4
    times = np.array([0.05, 0.4, 3.0])
    ode = solve_ivp(
        lambda _, w: law.rate(w, sigma), (0.0, 3.0), law.start(sigma), t_eval=times, rtol=1e-11, atol=1e-13
    )
    found = np.stack([law.parameters(sigma, time) for time in times], axis=1)
    np.testing.assert_allclose(found, ode.y, atol=1e-9)
    np.testing.assert_allclose(law.rate(law.limit(sigma), sigma), 0.0, atol=1e-12)
    half = law.evolve(law.parameters(sigma, 0.3), sigma, 0.5)
    np.testing.assert_allclose(half, law.parameters(sigma, 0.8), atol=1e-14)


@pytest.mark.parametrize(
    ("law", "centre"), [(line(EVEN), [0, 1, 0]), (line(SKEWED), [1, 0, 0]), (plane(), [1, 0, 0, 0, 0])]
)
def test_optimum_is_the_regression_of_a_pixel_on_its_patch(law, centre):
    total = law.patch_covariance + 0.09 * np.eye(len(centre))
    np.testing.assert_allclose(law.limit(0.3), np.linalg.solve(total, law.patch_covariance @ centre))


def test_weight_is_the_convolution_and_transfer_its_eigenvalues():
    for law in (line(SKEWED), plane()):
        taps = law.start(1.0)
        matrix, gamma = law.weight(taps), law.transfer(taps).ravel()
        x = np.random.default_rng(0).standard_normal(law.dim)
        conv = sum(
            tap * np.roll(x.reshape(law.grid), -np.atleast_1d(k), tuple(range(len(law.grid))))
            for tap, k in zip(taps, SKEWED if law.grid == (6,) else PLANE, strict=True)
        )
        np.testing.assert_allclose(matrix @ x, conv.ravel(), atol=1e-14)
        waves = np.stack([np.fft.fftn(e.reshape(law.grid)).ravel() for e in np.eye(law.dim)])
        np.testing.assert_allclose(matrix @ waves, waves * gamma, atol=1e-12)


@pytest.mark.parametrize("law", [line(EVEN), line(SKEWED), plane()])
@pytest.mark.parametrize("time", [0.0, 0.02, 2.0])
def test_generated_spectrum_is_that_of_the_dense_sampling_ode(law, time):
    """Errata 10 and 17: closed form, with the real part of a complex gain."""
    dense = law.generated_covariance(time, LOW, HIGH)
    stationary = autocovariance(dense, law.grid)
    np.testing.assert_allclose(dense[0].reshape(law.grid), stationary, atol=1e-9 * np.abs(stationary).max())
    np.testing.assert_allclose(
        law.generated_variance(time, LOW, HIGH), fourier_variance(stationary), rtol=1e-8
    )
    np.testing.assert_allclose(
        law.generated_autocovariance(time, LOW, HIGH), stationary, atol=1e-9 * np.abs(stationary).max()
    )


def by_quadrature(law, gain) -> np.ndarray:
    """Logarithm of the generated spectrum from gains ``gain(sigma) -> grid`` (learning dynamics (4.3))."""
    edges = np.linspace(np.log(LOW), np.log(HIGH), 15)
    total = np.zeros(law.grid, complex)
    for m in np.ndindex(law.grid):
        for part in (np.real, np.imag):
            value = sum(
                quad(lambda u, p=part, at=m: float(p(gain(np.exp(u))[at])), a, b, epsabs=1e-12)[0]
                for a, b in pairwise(edges)
            )
            total[m] += value if part is np.real else 1j * value
    return 2.0 * np.log(LOW) + 2.0 * total


def test_square_of_a_complex_ratio_is_no_variance():
    """Erratum 10: the published square has a phase; the variance is its modulus."""
    law, time = line(SKEWED), 0.1
    published = np.exp(by_quadrature(law, lambda sigma: law.transfer(law.parameters(sigma, time))))
    assert np.abs(published.imag).max() > 1e-2 * np.abs(published).max()
    np.testing.assert_allclose(np.abs(published), law.generated_variance(time, LOW, HIGH), rtol=1e-9)


def test_symmetric_filter_counts_both_sides():
    """Erratum 9: ``w_0 + 2 sum w_k cos``, not ``w_0 + sum w_k cos``."""
    law = PatchConvolution(autocovariance(covariance(6)), EVEN, [0.1, 0.5, 0.1])
    cosine = np.cos(2.0 * np.pi * np.arange(6) / 6)
    np.testing.assert_allclose(law.transfer(law.start(1.0)), 0.5 + 2.0 * 0.1 * cosine, atol=1e-15)
    start = law.log_start_variance(LOW, HIGH)
    gain = 0.5 + 0.2 * cosine
    np.testing.assert_allclose(start, 2.0 * (gain * np.log(HIGH) + (1.0 - gain) * np.log(LOW)), rtol=1e-13)
    halved = 0.5 + 0.1 * cosine
    assert np.abs(start - 2.0 * (halved * np.log(HIGH) + (1 - halved) * np.log(LOW))).max() > 0.5


def test_gradients_by_filter_and_by_spectrum():
    """Erratum 26: ``grad_w = sqrt(N) F* grad_gamma``; ``sqrt(N) F grad_gamma`` is that of the mirrored
    filter."""
    n, rng = 5, np.random.default_rng(7)
    fourier = np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n) / np.sqrt(n)
    target, weights = fourier @ rng.standard_normal(n) * np.sqrt(n), np.array([1.0, 2.0, 3.0, 3.0, 2.0])
    w = rng.standard_normal(n)

    def loss(taps):
        return float(np.sum(weights * np.abs(np.sqrt(n) * fourier @ taps - target) ** 2))

    steps = 1e-6 * np.eye(n)
    by_filter = np.array([(loss(w + step) - loss(w - step)) / 2e-6 for step in steps])
    by_spectrum = 2.0 * weights * (np.sqrt(n) * fourier @ w - target)
    np.testing.assert_allclose(np.sqrt(n) * fourier.conj().T @ by_spectrum, by_filter, atol=1e-6)
    assert np.abs(np.sqrt(n) * fourier @ by_spectrum - by_filter).max() > 1.0


def test_closed_form_needs_one_pace_at_all_noise_levels():
    """Erratum 27: with a loss weight that depends on sigma only quadrature is left."""
    law, time = line(EVEN), 0.3

    def weighted(sigma):
        return law.transfer(law.parameters(sigma, time * (sigma**2 + 0.25) / (0.25 * sigma**2)))

    plain = by_quadrature(law, lambda sigma: law.transfer(law.parameters(sigma, time))).real
    np.testing.assert_allclose(law.log_generated_variance(time, LOW, HIGH), plain, atol=1e-9)
    assert np.abs(by_quadrature(law, weighted).real - plain).max() > 0.1


def test_filter_as_large_as_the_image_is_the_full_convolution():
    x = autocovariance(covariance(6))
    taps = np.random.default_rng(3).uniform(-0.3, 0.3, 6)
    law = PatchConvolution(x, range(6), taps)
    full = FullConvolution(6, OneLayer(np.fft.fft(taps).real))
    times = np.array([0.0, 0.01, 0.5, 40.0])
    expected = full.log_generated_variance(fourier_variance(x), times[:, None], LOW, HIGH)
    np.testing.assert_allclose(law.log_generated_variance(times, LOW, HIGH), expected, atol=1e-12)
    limit = full.log_limit_variance(fourier_variance(x), LOW, HIGH)
    np.testing.assert_allclose(law.log_limit_variance(LOW, HIGH), limit, atol=1e-12)
    small = PatchConvolution(x, EVEN).log_limit_variance(LOW, HIGH)
    assert np.abs(small - limit).max() > 0.05


@pytest.mark.parametrize("law", [line(EVEN), line(SKEWED), plane(), line(EVEN, start=False)])
def test_deviation_is_the_distance_to_the_limit(law):
    times = np.array([0.0, 0.01, 1.0])
    sign, size = law.log_deviation(times, LOW, HIGH)
    expected = law.log_generated_variance(times, LOW, HIGH) - law.log_limit_variance(LOW, HIGH)
    np.testing.assert_allclose(sign * np.exp(size), expected, rtol=1e-9, atol=1e-12)
    late = law.log_deviation(np.array([1e3, 2e3]), LOW, HIGH)[1]
    slowest = law.dim * (np.linalg.eigvalsh(law.patch_covariance) + LOW**2).min()
    # Late, the slowest patch mode is left: the deviation halves at its pace, far below the least float.
    assert late.max() < -800.0
    assert np.all(late[1] - late[0] <= -0.999 * 1e3 * slowest)


@pytest.mark.parametrize("law", [line(SKEWED), plane()])
def test_trajectory_takes_shared_times_and_a_time_per_frequency(law):
    trajectory = law.trajectory(LOW, HIGH)
    each = np.geomspace(1e-3, 10.0, law.dim).reshape(law.grid)
    growth, slope = trajectory.growth_and_slope(each)
    for m in np.ndindex(law.grid):
        shared = trajectory.growth_and_slope(float(each[m]))
        assert growth[m] == pytest.approx(float(shared[0][m]), rel=1e-12)
        assert slope[m] == pytest.approx(float(shared[1][m]), rel=1e-11)
    ahead, behind = trajectory.growth(each * (1 + 1e-5)), trajectory.growth(each * (1 - 1e-5))
    np.testing.assert_allclose((ahead - behind) / 2e-5, each * slope, rtol=1e-6, atol=1e-9)
    stacked = np.stack([each, np.full(law.grid, 0.3)])
    np.testing.assert_allclose(trajectory.growth(stacked)[0], growth, rtol=1e-13)
    assert np.all(trajectory.growth(0.0) == 0.0)


@pytest.mark.parametrize("law", [line(SKEWED), plane()])
def test_trajectory_of_chosen_frequencies_is_part_of_the_whole(law):
    chosen = np.array([4, 0, 3])
    whole, part = law.trajectory(LOW, HIGH), law.trajectory(LOW, HIGH, chosen)
    time = np.array([0.0, 0.02, 3.0])
    shared = whole.growth(time.reshape(-1, *(1,) * len(law.grid))).reshape(3, -1)[:, chosen]
    np.testing.assert_array_equal(part.growth(time[:, None]), shared)
    np.testing.assert_allclose(part.growth(time), np.diag(shared), rtol=1e-12)
    slope = whole.growth_and_slope(3.0)[1].ravel()[chosen]
    np.testing.assert_allclose(part.growth_and_slope(time)[1][2], slope[2], rtol=1e-11)
    for found, expected in zip(part.log_deviation(time), whole.log_deviation(time), strict=True):
        np.testing.assert_array_equal(found, expected.reshape(3, -1)[:, chosen])


def test_first_crossing_finds_the_time_of_every_frequency():
    law = line(EVEN, start=False)
    way = law.log_limit_variance(LOW, HIGH) - law.log_start_variance(LOW, HIGH)
    log_time = first_crossing(law.trajectory(LOW, HIGH), 0.5 * way, monotone=False)
    reached = law.trajectory(LOW, HIGH).growth(np.exp(log_time))
    np.testing.assert_allclose(reached, 0.5 * way, rtol=1e-12)


def test_patch_without_data_or_with_a_constant_image_only():
    law = PatchConvolution(np.zeros((4, 4)), square_patch(3))
    np.testing.assert_allclose(law.generated_variance([0.0, 1.0, 1e12], LOW, HIGH), LOW**2, rtol=1e-12)
    constant = PatchConvolution(np.full((4, 4), 7.0), square_patch(3))
    late = constant.generated_variance(1e12, LOW, HIGH)
    np.testing.assert_allclose(late, np.exp(constant.log_limit_variance(LOW, HIGH)), rtol=1e-12)


def test_image_of_many_pixels_costs_memory_of_the_output_only():
    power = 1.0 / (1e-3 + np.add.outer(np.fft.fftfreq(128) ** 2, np.fft.fftfreq(128) ** 2))
    law = PatchConvolution.of_power(power, square_patch(5))
    tracemalloc.start()
    out = law.log_generated_variance(np.geomspace(1e-8, 1.0, 60), 0.002, 80.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.0 * out.nbytes + 64 * 2**20
    with pytest.raises(ValueError, match="no matrix of more than"):
        law.weight(law.start(1.0))


def test_digits_are_not_lost_and_nothing_warns_in_the_whole_box():
    rng = np.random.default_rng(5)
    times = [0.0, 1e-8, 1e-3, 1.0, 1e5, 1e12]
    for scale in (0.0, 1e-12, 1.0, 1e6):
        law = PatchConvolution(scale * autocovariance(covariance(6)), SKEWED, rng.uniform(-1, 1, 3))
        results = [
            law.generated_variance(times, 0.002, 80.0),
            *law.trajectory(0.002, 80.0).growth_and_slope(np.reshape(times, (-1, 1))),
            np.stack([law.parameters(sigma, time) for sigma in (0.002, 1.0, 80.0) for time in times]),
        ]
        assert all(np.isfinite(result).all() for result in results)
        assert not np.isnan(law.log_deviation(times, 0.002, 80.0)[1]).any()


X6 = autocovariance(covariance(6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PatchConvolution(X6, [-3, 0, 3]), "a filter must fit in the image: the offsets span 7"),
        (lambda: PatchConvolution(np.eye(3)[0], [-2, -1, 0, 1, 2]), "the image is 3"),
        (lambda: PatchConvolution(np.ones((4, 4)), square_patch(5)), "span 5x5, the image is 4x4"),
        (lambda: square_patch(4), "odd size, got 4; take 3 or 5"),
        (lambda: square_patch(0), "at least 1"),
        (lambda: square_patch(3, n_axes=3), "n_axes must be 1"),
        (lambda: PatchConvolution(X6, [1, -1]), "must contain 0"),
        (lambda: PatchConvolution(X6, [0, 1, 1]), r"given once each, got \[1\]"),
        (lambda: PatchConvolution(X6, [[0, 0]]), r"offsets must have shape \(K,\)"),
        (lambda: PatchConvolution(np.ones((2, 2)), [0]), r"offsets must have shape \(K, 2\)"),
        (lambda: PatchConvolution(X6, []), "with K >= 1"),
        (lambda: PatchConvolution(np.arange(4.0), [0]), "autocovariance must be the same at k and -k"),
        (lambda: PatchConvolution([1.0, 2.0, 1.0, 2.0], [0]), "no negative power, got -2 at frequency"),
        (lambda: PatchConvolution(np.ones((2, 2, 2)), [0]), r"must have shape \(N,\) or \(N1, N2\)"),
        (lambda: PatchConvolution(X6, EVEN, [0.0]), r"initial_filter must have shape \(3,\), got \(1,\)"),
        (lambda: PatchConvolution(X6, EVEN, [0.0, np.nan, 1.0]), "initial_filter holds 1 non-finite"),
        (lambda: power_autocovariance([1.0, -1.0]), "power must be finite and >= 0"),
        (lambda: power_autocovariance([1.0, 2.0, 3.0]), "power must be the same at k and -k"),
        (lambda: autocovariance(np.ones((2, 3))), r"covariance must have shape \(N, N\)"),
        (lambda: autocovariance(np.triu(np.ones((2, 2)))), "covariance must be symmetric"),
        (lambda: autocovariance(np.eye(4), (2, 3)), r"grid \(2, 3\) has 6 pixels, and covariance 4"),
        (lambda: line().generated_variance(-1.0, LOW, HIGH), "flow_time"),
        (lambda: line().generated_variance(1.0, 2.0, 1.0), "sigma_max must exceed"),
        (lambda: line().trajectory(LOW, HIGH, np.array([[0]])), r"frequencies must have shape \(n,\)"),
        (lambda: line().parameters(0.0, 1.0), "sigma must be finite and > 0"),
        (lambda: line().parameters(1.0, -1.0), "flow_time must be finite and >= 0"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_fractions_are_no_offsets():
    with pytest.raises(TypeError, match="offsets must be whole numbers"):
        PatchConvolution(X6, [0.0, 1.0])
