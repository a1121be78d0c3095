"""One layer on data with a mean: whole matrices and the two-dimensional case, to 60 digits; what they
generate."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from scorelens.dynamics import (
    DenseOneLayer,
    OneLayer,
    SingleMode,
    generated_covariance,
    generated_moments,
    phase_portrait,
)

RNG = np.random.default_rng(9)
RANGE = 0.002, 80.0


def exact_flow(eigenvalues, mean, sigma, start, time):
    """``[W | b]`` after gradient flow on diagonal data, from the eigensystem of the second moment in 60
    digits."""
    with mp.workdps(60):
        d, noise = len(eigenvalues), mp.mpf(float(sigma)) ** 2
        q = [mp.mpf(float(m)) for m in mean] + [mp.mpf(1)]
        moment, best = mp.matrix(d + 1, d + 1), mp.matrix(d, d + 1)
        for i in range(d + 1):
            for j in range(d + 1):
                moment[i, j] = q[i] * q[j]
        for k in range(d):
            total = mp.mpf(float(eigenvalues[k])) + noise
            moment[k, k] += total
            best[k, k] = mp.mpf(float(eigenvalues[k])) / total
            best[k, d] = noise * q[k] / total
        values, vectors = mp.eigsy(moment)
        kept = vectors * mp.diag([mp.exp(-v * mp.mpf(float(time))) for v in values]) * vectors.T
        end = best + (mp.matrix(start.tolist()) - best) * kept
        return np.array([[float(end[i, j]) for j in range(d + 1)] for i in range(d)])


def test_weight_and_bias_keep_their_digits_in_the_whole_box():
    for index in range(40):
        d = int(RNG.integers(1, 4))
        lam, mean = 10.0 ** RNG.uniform(-12, 6, d), RNG.standard_normal(d) * 10.0 ** RNG.uniform(-4, 3)
        if index % 4 == 0:
            lam[-1] = lam[0]
        sigma, time = 10.0 ** RNG.uniform(np.log10(0.002), np.log10(80.0)), 10.0 ** RNG.uniform(-8, 12)
        start = RNG.standard_normal((d, d + 1)) * 10.0 ** RNG.uniform(-8, 0)
        law = DenseOneLayer(np.diag(lam), mean, start[:, :d], start[:, d])
        exact, found = exact_flow(lam, mean, sigma, start, time), law.parameters(sigma, time)
        error = np.abs(found - exact)
        assert error[:, :d].max() <= 1e-12 * np.abs(exact[:, :d]).max()
        assert error[:, d].max() <= 1e-12 * np.abs(exact[:, d]).max()


def test_without_a_mean_every_start_relaxes_along_its_columns():
    """(2.1): the component of the start along a mode decays with that mode, aligned or not."""
    lam, sigma, time = np.array([2.0, 0.4]), 0.5, 0.7
    frame = np.linalg.qr(RNG.standard_normal((2, 2)))[0]
    start, bias = RNG.standard_normal((2, 2)), np.array([0.3, -0.2])
    law = DenseOneLayer((frame * lam) @ frame.T, None, start, bias)
    best = (frame * (lam / (lam + 0.25))) @ frame.T
    kept = (frame * np.exp(-(lam + 0.25) * time)) @ frame.T
    np.testing.assert_allclose(law.weight_at(sigma, time), best + (start - best) @ kept, atol=1e-14)
    np.testing.assert_allclose(law.bias_at(sigma, time), bias * np.exp(-time), atol=1e-15)


@pytest.mark.parametrize("time", [1e-8, 1e-3, 1.0, 1e3, 1e6, 1e12])
def test_aligned_centred_start_generates_the_variances_of_one_layer(time):
    lam, start = np.array([100.0, 1.0, 1e-3, 1e-9, 0.0]), np.array([0.3, 0.0, -0.2, 0.5, 0.1])
    covariance = DenseOneLayer(np.diag(lam), None, np.diag(start)).generated_covariance(time, *RANGE)
    expected = OneLayer(start).generated_variance(lam, time, *RANGE)
    np.testing.assert_allclose(np.diag(covariance), expected, rtol=1e-10)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() == 0.0


def test_fully_trained_mean_and_covariance():
    """Section 4.2: the data only as the range of noise widens."""
    lam, mean = np.array([4.0, 0.5, 0.01]), np.array([1.0, -3.0, 0.2])
    frame = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    found = DenseOneLayer((frame * lam) @ frame.T, frame @ mean).generated_moments(1e12, *RANGE)
    ratio = (lam + RANGE[0] ** 2) / (lam + RANGE[1] ** 2)
    np.testing.assert_allclose(frame.T @ found.mean, mean * (1 - np.sqrt(ratio)), rtol=1e-10)
    expected = (frame * (RANGE[1] ** 2 * ratio)) @ frame.T
    np.testing.assert_allclose(found.covariance, expected, atol=1e-10 * expected.max())


@pytest.mark.parametrize("time", [1e-6, 0.02, 1.3, 50.0, 1e8])
def test_one_dimension_three_ways(time):
    """The dense law and the mode-wise one by quadrature generate the same mean and variance."""
    lam, m, w0, b0 = 0.8, 2.5, 0.3, -0.4
    mode = SingleMode(lam, m, w0, b0)
    law = DenseOneLayer([[lam]], [m], [[w0]], [b0])
    for sigma in (0.01, 0.9, 20.0):
        weight, bias = mode.point(sigma, time)
        assert float(weight) == pytest.approx(float(law.weight_at(sigma, time)[0, 0]), rel=1e-12)
        assert float(bias) == pytest.approx(float(law.bias_at(sigma, time)[0]), rel=1e-12)
    mean, covariance = law.generated_moments(time, *RANGE)
    assert float(mode.generated_mean(time, *RANGE)) == pytest.approx(float(mean[0]), rel=1e-10)
    assert float(mode.generated_variance(time, *RANGE)) == pytest.approx(float(covariance[0, 0]), rel=1e-10)


def exact_point(lam, m, w0, b0, sigma, time):
    with mp.workdps(200):
        lam, m, w0, b0, sigma, time = (mp.mpf(float(x)) for x in (lam, m, w0, b0, sigma, time))
        total = lam + sigma**2
        half = (total + m**2 - 1) / 2
        fast = (total + m**2 + 1) / 2 + mp.sqrt(half**2 + m**2)
        slow = total / fast
        keep_slow, keep_fast = mp.exp(-slow * time), mp.exp(-fast * time)
        mixed = (keep_fast - keep_slow) / (fast - slow)
        dw, db = w0 - lam / total, b0 - sigma**2 * m / total
        kept_w, kept_b = keep_slow + mixed * (total + m**2 - slow), keep_slow + mixed * (1 - slow)
        weight = lam / total + kept_w * dw + mixed * m * db
        return weight, sigma**2 * m / total + kept_b * db + mixed * m * dw


def test_single_mode_keeps_every_digit_in_the_whole_box():
    for _ in range(400):
        lam, m = 10.0 ** RNG.uniform(-12, 6), RNG.choice([1, -1]) * 10.0 ** RNG.uniform(-6, 4)
        w0, b0 = RNG.choice([0, 1, -1], 2) * 10.0 ** RNG.uniform(-8, 0.5, 2)
        sigma, time = 10.0 ** RNG.uniform(np.log10(0.002), np.log10(80.0)), 10.0 ** RNG.uniform(-8, 12)
        found = SingleMode(lam, m, w0, b0).point(sigma, time)
        for value, exact in zip(found, exact_point(lam, m, w0, b0, sigma, time), strict=True):
            assert abs(mp.mpf(float(value)) - exact) <= 1e-11 * abs(exact) + mp.mpf(10) ** -300


def test_single_mode_moves_at_its_rate_and_rests_on_its_nullclines():
    mode, sigma, step = SingleMode(1.0, 1.5, -0.4, 2.0), 0.7, 1e-5
    ahead, behind = mode.point(sigma, 0.6 + step), mode.point(sigma, 0.6 - step)
    rate = mode.rate(*mode.point(sigma, 0.6), sigma)
    np.testing.assert_allclose((np.array(ahead) - np.array(behind)) / (2 * step), rate, rtol=1e-8)
    assert mode.rate(mode.weight_nullcline(0.3, sigma), 0.3, sigma).weight == pytest.approx(0.0, abs=1e-15)
    assert mode.rate(0.3, mode.bias_nullcline(0.3), sigma).bias == pytest.approx(0.0, abs=1e-15)
    np.testing.assert_allclose(mode.rate(*mode.optimum(sigma), sigma), 0.0, atol=1e-15)
    slow, fast = mode.rates(sigma)
    assert slow * fast == pytest.approx(1.0 + sigma**2, rel=1e-14)
    assert slow + fast == pytest.approx(1.0 + sigma**2 + 1.5**2 + 1.0, rel=1e-14)


def test_single_mode_broadcasts_and_is_one_layer_without_a_mean():
    lam, time = np.array([3.0, 0.2, 0.0]), np.array([[0.1], [5.0]])
    mode = SingleMode(lam, 0.0, 0.2, 0.5)
    expected = OneLayer(0.2).log_generated_variance(lam, time, *RANGE)
    np.testing.assert_allclose(mode.log_generated_variance(time, *RANGE), expected, atol=1e-11)
    mean = mode.generated_mean(time, *RANGE)
    assert mean.shape == (2, 3)
    alone = SingleMode(0.2, 0.0, 0.2, 0.5).generated_mean(5.0, *RANGE)
    assert mean[1, 1] == pytest.approx(float(alone), rel=1e-14)


def test_generated_mean_of_a_constant_bias_by_hand():
    """Weight 0 and bias b at every level: the mean is b (1 - sigma_min / sigma_max)."""
    mode = SingleMode(0.0, 0.0, 0.0, 1.5)
    assert float(mode.generated_mean(0.0, 0.5, 2.0)) == pytest.approx(1.5 * 0.75, rel=1e-13)
    found = generated_moments(lambda sigma: (np.zeros((1, 1)), np.array([1.5])), 0.5, 2.0)
    assert found.mean[0] == pytest.approx(1.5 * 0.75, rel=1e-13)
    assert found.covariance[0, 0] == pytest.approx(0.25, rel=1e-13)


def test_phase_portrait():
    mode, starts = SingleMode(1.0, 1.0), np.array([[0.0, 0.0], [1.0, -1.0]])
    weights, biases = np.linspace(-1, 2, 4), np.linspace(-1, 1, 3)
    portrait = phase_portrait(mode, 0.5, weights, biases, starts, np.array([0.0, 1.0, 1e3]))
    assert portrait.field.weight.shape == (3, 4)
    assert portrait.field.bias[2, 1] == mode.rate(weights[1], biases[2], 0.5).bias
    np.testing.assert_allclose(portrait.paths.weight[0], starts[:, 0], atol=1e-15)
    np.testing.assert_allclose(portrait.paths.bias[-1], portrait.fixed_point.bias, rtol=1e-12)
    assert portrait.weight_nullcline.shape == (3,)
    assert portrait.bias_nullcline.shape == (4,)
    with pytest.raises(ValueError, match="starts must have shape"):
        phase_portrait(mode, 0.5, weights, biases, np.zeros(2), np.zeros(1))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="initial_weight must have shape"):
        DenseOneLayer(np.eye(2), None, np.eye(3))
    with pytest.raises(ValueError, match="initial_bias must have shape"):
        DenseOneLayer(np.eye(2), None, None, np.zeros(3))
    with pytest.raises(ValueError, match="parameters must be"):
        DenseOneLayer(np.eye(2)).weight(np.eye(2))
    with pytest.raises(ValueError, match="eigenvalue"):
        SingleMode(-1.0, 0.0)
    with pytest.raises(ValueError, match="flow_time"):
        SingleMode(1.0, 0.0).generated_mean(-1.0, *RANGE)
    with pytest.raises(ValueError, match="sigma_max must exceed"):
        SingleMode(1.0, 0.0).generated_variance(1.0, 2.0, 1.0)
    with pytest.raises(ValueError, match="weight and bias must have shapes"):
        generated_moments(lambda sigma: (np.eye(2), np.zeros(3)), *RANGE)
    with pytest.raises(ValueError, match="range of float64"):
        generated_covariance(lambda sigma: 1e3 * np.eye(1), *RANGE)
