"""The preconditioned one-layer law against its closed forms, the gradient of the raw loss, and its
symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import exp1, i0e

from scorelens.core.noise_level import LogNormal, LogUniform
from scorelens.dynamics import (
    PixelWeight,
    Population,
    PreconditionedOneLayer,
    ScoreWeight,
    TargetWeight,
    UnitWeight,
    VelocityWeight,
)
from scorelens.dynamics.laws.mode_scaling import MatchedScaling, SpectralSkipScaling
from scorelens.dynamics.numerics.exponential_integral import ein
from scorelens.dynamics.numerics.quadrature import panel_rule

SHIFTED = -1.2 + 0.5 * np.log(7.0)

EDM = PreconditionedOneLayer.edm
LOW, HIGH = 0.002, 80.0


def _ratio(lam, g, sigma):
    return (lam + sigma**2) / (g + sigma**2)


@pytest.mark.parametrize("lam", [0.0, 1e-4, 0.25, 3.0, 1e4])
@pytest.mark.parametrize("time", [1e-6, 0.3, 40.0, 1e7])
def test_uniform_density_has_a_closed_form(lam, time):
    g, law = 0.25, EDM(noise=LogUniform(LOW, HIGH))
    kappa = time / np.log(HIGH / LOW)
    near, far = _ratio(lam, g, LOW), _ratio(lam, g, HIGH)
    expected = ein(kappa * near) - ein(kappa * far)  # [E8]
    assert float(law.log_growth(lam, time, LOW, HIGH)) == pytest.approx(float(expected), rel=1e-11, abs=1e-13)
    if lam != g and kappa * min(near, far) < 600:
        deviation = exp1(kappa * near) - exp1(kappa * far)
        sign, size = law.log_deviation(lam, time, LOW, HIGH)
        assert float(sign * np.exp(size)) == pytest.approx(deviation, rel=1e-9)


def test_levels_outside_the_density_never_move():
    lam, g, a, b = 3.0, 0.25, 0.05, 5.0
    law = EDM(noise=LogUniform(a, b))
    kappa = 1e9 / np.log(b / a)
    expected = np.log(_ratio(lam, g, a) / _ratio(lam, g, b))
    assert float(law.log_growth(lam, 1e9, LOW, HIGH)) == pytest.approx(expected, rel=1e-12)
    middle = float(law.log_growth(lam, 2.0, LOW, HIGH))
    kappa = 2.0 / np.log(b / a)
    assert middle == pytest.approx(
        float(ein(kappa * _ratio(lam, g, a)) - ein(kappa * _ratio(lam, g, b))), rel=1e-12
    )
    # ... so that the trajectory ends short of the converged sampler, which the deviation reports.
    sign, size = law.log_deviation(lam, 1e9, LOW, HIGH)
    start = float(law.log_start_variance(lam, LOW, HIGH) - law.log_limit_variance(lam, LOW, HIGH))
    assert float(sign * np.exp(size)) == pytest.approx(start + expected, rel=1e-10)


@pytest.mark.parametrize("lam", [1e-3, 0.4, 20.0])
@pytest.mark.parametrize("weight", [-0.5, 0.7])
def test_uniform_density_with_initial_weight(lam, weight):
    # [E9] holds on the whole half line; the uniform density only has to cover a wide range.
    low, high, g = 1e-7, 1e7, 0.25
    law, time = EDM(noise=LogUniform(low, high), initial_weight=weight), 30.0
    kappa = time / np.log(high / low)
    middle = kappa * (lam / g - 1) / 2
    bessel = np.exp(-kappa * (1 + lam / g) / 2 + abs(middle)) * i0e(middle)
    expected = exp1(kappa * lam / g) - exp1(kappa) + np.pi * weight * bessel
    found = law.log_generated_variance(lam, time, low, high) - law.log_limit_variance(lam, low, high)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "loss", [TargetWeight(), UnitWeight(), PixelWeight(0.7), ScoreWeight(), VelocityWeight()]
)
@pytest.mark.parametrize("maker", [PreconditionedOneLayer.spectral, PreconditionedOneLayer.spectral_skip])
def test_rate_is_the_gradient_of_the_loss_of_the_raw_weight(maker, loss):
    g, lam, sigma, weight, step = 0.09, 0.4, 0.35, 0.2, 1e-6
    law = maker(g, loss=loss, initial_weight=weight)
    skip, output, input_ = law.scaling.at(np.array(sigma**2))
    loss_weight = {
        "target": 1 / output**2,
        "unit": 1.0,
        "pixel": (sigma**2 + 0.49) / (sigma**2 * 0.49),
        "score": sigma**-4,
        "velocity": (1 + 1 / sigma) ** 2,
    }[loss.name]

    def weighted_loss(raw):
        gain = skip + output * raw * input_
        return loss_weight * (lam * (gain - 1) ** 2 + sigma**2 * gain**2)

    gradient = (weighted_loss(weight + step) - weighted_loss(weight - step)) / (2 * step)
    density = float(law.noise.density(np.log(sigma)))
    # One unit of dose is 2 x learning rate x time.
    expected = -0.5 * density * gradient * output * input_
    gain = law.start_gain(lam, sigma**2)
    assert float(law.rate(gain, lam, sigma**2)) == pytest.approx(float(expected), rel=1e-7)


def test_gradient_descent_on_cells_of_noise_levels_follows_the_dose():
    # 6 cells of width 0.5 in log(sigma), hit with their probability: plain gradient descent in the mean.
    law, lam, width, rate, n_steps = EDM(), 2.0, 0.5, 2e-3, 1500
    u = -2.5 + width * np.arange(6)
    sigma = np.exp(u)
    skip, output, input_ = law.scaling.at(sigma**2)
    raw = np.zeros(6)
    for _ in range(n_steps):
        gain = skip + output * raw * input_
        gradient = (2 * lam * (gain - 1) + 2 * sigma**2 * gain) * output * input_ / output**2
        raw -= rate * law.noise.density(u) * width * gradient
    dose = 2 * rate * width * n_steps  # [E2]
    np.testing.assert_allclose(law.gain(lam, sigma**2, dose), skip + output * raw * input_, rtol=2e-3)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_spectral_mode_is_a_shifted_scalar_one(weight):
    g, lam, time, p_mean = 0.04, 0.1, 5.0, -1.2
    root = np.sqrt(g)
    spectral = PreconditionedOneLayer.spectral(g, LogNormal(p_mean, 1.2), initial_weight=weight)
    scalar = EDM(1.0, LogNormal(p_mean - np.log(root), 1.2), initial_weight=weight)
    here = spectral.log_generated_variance(lam, time, LOW, HIGH)
    there = scalar.log_generated_variance(lam / g, time, LOW / root, HIGH / root)
    assert float(here) == pytest.approx(float(there) + np.log(g), rel=1e-12)  # [E25]


def test_pixel_weight_of_the_assumed_variance_is_the_target_weight():
    one, other = EDM(0.5), EDM(0.5, loss=PixelWeight(0.5))
    times = np.array([0.1, 3.0, 50.0])
    found = [law.log_growth(3.0, times, LOW, HIGH) for law in (one, other)]
    np.testing.assert_allclose(*found, rtol=1e-12)


def test_known_covariance_and_zero_output_is_right_from_the_start():
    lam = np.array([4.0, 0.3, 0.002])
    for maker in (PreconditionedOneLayer.spectral, PreconditionedOneLayer.spectral_skip):
        law = maker(lam)
        assert np.all(law.log_growth(lam, 7.0, LOW, HIGH) == 0.0)
        start, limit = law.log_start_variance(lam, LOW, HIGH), law.log_limit_variance(lam, LOW, HIGH)
        np.testing.assert_allclose(start, limit, rtol=1e-14)
        sign, size = law.log_deviation(lam, 7.0, LOW, HIGH)
        assert np.all(sign == 0.0)
        assert np.all(size == -np.inf)


def test_spectral_skip_scalings_are_means_over_the_population():
    g, rest = np.array([2.0, 0.5]), 0.01
    population = Population(np.append(g, rest), np.array([1, 1, 8]))
    scaling = SpectralSkipScaling(g, population)
    sigma = np.array([0.1, 1.0])
    scalings = scaling.at(sigma[:, None] ** 2)
    everything = np.concatenate([g, np.full(8, rest)])
    for i, s in enumerate(sigma):
        posterior = np.mean(s**2 * everything / (everything + s**2))
        assert float(np.squeeze(scalings.output[i])) == pytest.approx(np.sqrt(posterior), rel=1e-14)
        assert float(np.squeeze(scalings.input[i])) == pytest.approx(
            (everything.mean() + s**2) ** -0.5, rel=1e-14
        )
        np.testing.assert_allclose(scalings.skip[i], g / (g + s**2), rtol=1e-14)


def test_rise_and_fall_are_never_undershot_from_a_zero_output():
    times = np.geomspace(1e-4, 1e9, 400)[:, None]
    lam = np.array([100.0, 1.0, 0.2, 1e-4])
    for noise in (LogNormal(-1.2, 1.2), LogNormal(-0.4, 2.0), LogUniform(0.01, 10.0)):
        change = np.diff(EDM(noise=noise).log_growth(lam, times, LOW, HIGH), axis=0)
        assert np.all(np.sign(lam - 0.25) * change >= -1e-13)


def test_a_narrow_density_is_resolved():
    law, lam, time = EDM(noise=LogNormal(-1.2, 0.15)), 5.0, 1e4
    fine = panel_rule(np.linspace(np.log(LOW), np.log(HIGH), 20_001))
    speed = law.speed(lam, fine.noise_variance)
    expected = (2 * fine.weight * law.offset(lam, fine.noise_variance) * np.expm1(-time * speed)).sum()
    assert float(law.log_growth(lam, time, LOW, HIGH)) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.array([1.0, 0.0])])
def test_an_assumed_variance_that_is_not_positive_is_refused(bad):
    with pytest.raises(ValueError, match=r"assumed_variance.*floor"):
        MatchedScaling(bad)


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match="sigma_data"):
        EDM(0.0)
    with pytest.raises(ValueError, match="sigma_data"):
        PixelWeight(-1.0)
    with pytest.raises(ValueError, match="initial_weight"):
        EDM(initial_weight=np.nan)


@pytest.mark.parametrize(
    ("law", "scaled", "time_factor"),
    [
        (
            PreconditionedOneLayer.edm(),
            PreconditionedOneLayer.edm(0.5 * 7**0.5, LogNormal(SHIFTED, 1.2)),
            1.0,
        ),
        (
            PreconditionedOneLayer.spectral(0.04, loss=PixelWeight(0.5), initial_weight=0.2),
            PreconditionedOneLayer.spectral(
                0.28, LogNormal(SHIFTED, 1.2), loss=PixelWeight(0.5 * 7**0.5), initial_weight=0.2
            ),
            1.0,
        ),
        (
            PreconditionedOneLayer.edm(noise=LogUniform(0.002, 80.0), loss=UnitWeight()),
            PreconditionedOneLayer.edm(
                0.5 * 7**0.5, LogUniform(0.002 * 7**0.5, 80.0 * 7**0.5), loss=UnitWeight()
            ),
            1.0 / 7.0,
        ),
    ],
)
def test_units_of_the_data_do_not_matter_if_every_setting_follows(law, scaled, time_factor):
    modes, times, root = np.array([30.0, 1.0, 0.01, 0.0]), np.array([[0.2], [3.0], [80.0]]), 7**0.5
    here = law.log_generated_variance(modes, times, 0.002, 80.0)
    there = scaled.log_generated_variance(7.0 * modes, time_factor * times, root * 0.002, root * 80.0)
    np.testing.assert_allclose(there, here + np.log(7.0), rtol=1e-11, atol=1e-11)
