"""Forecasts by the laws that can be named: variances, emergence, statuses, labels, rebuilt from a folder."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scorelens.analysis import CRITERIA, forecast, summary
from scorelens.analysis.frequency_modes import FrequencyModes
from scorelens.analysis.record import predicted
from scorelens.core.fourier_spectrum import FourierSpectrum, fourier_spectrum
from scorelens.core.spectrum import Spectrum
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.dynamics import HeunSampler, OneLayer
from scorelens.dynamics.convolution.offsets import square_patch
from scorelens.dynamics.convolution.patch import PatchConvolution
from scorelens.results import Run, RunConfig, schema

EIGENVALUES = np.geomspace(4.0, 0.01, 6)
OF_MODES = [
    "one-layer",
    "residual:skip=0.5",
    "two-layer",
    "two-layer-untied",
    "deep:3",
    "deep-residual:2,initial_layer=-0.5",
    "infinite-depth",
    "flow",
    "flow-two-layer",
]
OF_IMAGES = ["conv", "conv:layers=2", "patch:3x3"]


def _config(law: str, **sampler: float) -> RunConfig:
    return RunConfig.model_validate({"law": {"spec": law}, "sampler": {"n_sigmas": 12, **sampler}})


@pytest.fixture(scope="module")
def images() -> tuple[Spectrum, FourierSpectrum]:
    """Smooth images with two channels, one of them twice as strong, 5 x 5."""
    white = np.random.default_rng(0).standard_normal((400, 2, 5, 5)) * np.array([2.0, 1.0])[:, None, None]
    smooth = white + np.roll(white, 1, axis=2) + np.roll(white, 1, axis=3)
    return fit_spectrum(lambda: [smooth], (2, 5, 5)), fourier_spectrum(lambda: [smooth], (2, 5, 5))


@pytest.mark.parametrize("law", [*OF_MODES, *OF_IMAGES])
def test_every_law_is_labelled_with_its_own_equations_and_can_be_stored(law, images, make_spectrum, tmp_path):
    of_images = law in OF_IMAGES
    spectrum = images[0] if of_images else make_spectrum(EIGENVALUES)
    found = forecast(spectrum, _config(law), fourier=images[1] if of_images else None)
    schema.check(found, theory=["generated_variance", "start_variance", "limit_variance", "emergence_time"])
    assert found.attrs["law"] == law
    equation = found.attrs["law_equation"]
    assert "learning dynamics" in equation
    assert found["generated_variance_exact"].attrs["equation"] == equation
    for name in ("generated_variance", "start_variance", "limit_variance"):
        assert found[name].attrs["equation"].startswith(equation)
        assert "[E5]" not in found[name].attrs["equation"]
    assert found["transfer"].attrs["equation"] == equation
    assert "responsibility" not in found
    assert "assumed_variance" not in found
    assert np.isfinite(found["generated_variance"]).all()
    np.testing.assert_allclose(found["generated_variance"][0], found["start_variance"], rtol=1e-12)
    run = Run.create(tmp_path / "run", _config(law))
    run.write_dataset("forecast", found)
    assert run.dataset("forecast").attrs == found.attrs


def test_variance_is_heuns_product_of_the_gains_of_the_law(make_spectrum):
    found = forecast(make_spectrum(EIGENVALUES), _config("two-layer:initial_gain=0.05"))
    sigmas, dose = _config("one-layer").sigmas(), float(found.flow_time[70])
    s2 = sigmas[:, None] ** 2
    best, pace = EIGENVALUES / (EIGENVALUES + s2), np.exp(-4 * EIGENVALUES * dose)  # (7.3)
    gains = 0.05 * best / (0.05 + (best - 0.05) * pace)
    factor = np.ones(6)
    for (g, s), (g2, s2) in pairwise(zip(gains, sigmas, strict=True)):
        first = (1 - g) / s
        factor = factor * (1 + (s2 - s) / 2 * (first + (1 - g2) / s2 * (1 + (s2 - s) * first)))
    np.testing.assert_allclose(found.generated_variance[70], sigmas[0] ** 2 * factor**2, rtol=1e-8)


def test_modes_that_never_learn_are_called_stuck_and_explained(make_run, make_spectrum):
    run = make_run([*EIGENVALUES, 0.0], config=_config("two-layer:initial_gain=0"), steps=())
    found = run.dataset("forecast")
    assert (found.emergence_status_by_criterion[:, :6] == "stuck").all()
    assert np.isinf(found.emergence_time[:6]).all()
    assert (found.n_fitted == 0).all()
    said = " ".join(summary(run))
    assert (
        "6 modes are stuck (modes 1-6): from a start of exactly 0 a product of layers never learns." in said
    )
    assert "along 0 of 6 modes" in said
    assert "never gets modes 1-6 right" in said


def test_stuck_modes_that_cross_a_threshold_are_not_said_to_be_learned(make_run):
    """From a negative gain three layers only go to 0: far above the start, and far below the data."""
    run = make_run(EIGENVALUES, config=_config("deep:3,initial_gain=-0.2", n_sigmas=40), steps=())
    found = run.dataset("forecast")
    assert found.stuck.values.all()
    assert (found.emergence_status == "emerged").any()
    said = " ".join(summary(run))
    assert "6 modes are stuck (modes 1-6): from a start of 0 or below" in said
    assert "cross the threshold of emergence all the same, without being learned" in said


def test_what_a_tied_flow_cannot_hold_is_not_blamed_on_the_sampler(make_run):
    """Fully trained it generates 1 + eigenvalue ((11.5)), so that modes of variance 4 are 25% too strong."""
    run = make_run([4.0, 0.5, 0.1], config=_config("flow-two-layer", n_sigmas=160), steps=())
    found = run.dataset("forecast")
    exact = found.attrs["law_stuck"]
    assert "negative velocity" in exact
    np.testing.assert_allclose(found.limit_variance, 1.0 + found.eigenvalue, rtol=0.03)
    np.testing.assert_allclose(found.optimal_variance, found.eigenvalue, rtol=0.03)
    said = " ".join(summary(run))
    assert "With this sampler" not in said
    assert "This law never gets" in said


def test_a_filter_as_large_as_the_image_is_the_full_convolution(images):
    spectrum, fourier = images
    patch, full = (forecast(spectrum, _config(law), fourier=fourier) for law in ("patch:5x5", "conv"))
    np.testing.assert_array_equal(patch.eigenvalue, full.eigenvalue)
    np.testing.assert_allclose(np.exp(np.log(patch.limit_variance)), _limit(full), rtol=1e-9)
    dose = patch.flow_time.values
    law = OneLayer(0.1)
    expected = law.generated_variance(full.eigenvalue.values, 25 * dose[:, None], 0.002, 80.0)
    np.testing.assert_allclose(patch.generated_variance, expected, rtol=1e-6)
    gains = law.gain(full.eigenvalue.values, patch.sigma.values[:, None] ** 2, 25 * dose[:, None, None])
    np.testing.assert_allclose(patch.transfer, gains, rtol=1e-6, atol=1e-9)


def _limit(found) -> np.ndarray:
    return np.exp(OneLayer().log_limit_variance(found.eigenvalue.values, 0.002, 80.0))


@pytest.fixture(scope="module")
def patched(images):
    """The forecast of a 3 x 3 filter."""
    return forecast(images[0], _config("patch:3x3"), fourier=images[1])


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_local_filter_crosses_its_threshold_at_the_emergence_time(images, patched, criterion):
    """Against the law's own closed form, channel by channel."""
    fourier, found = images[1], patched.sel(criterion=criterion)
    modes = FrequencyModes.of(fourier)
    start = 0.1 * (square_patch(3) == 0).all(axis=1)
    laws = [PatchConvolution.of_power(power, square_patch(3), start) for power in fourier.power]
    emerged = np.flatnonzero(found.emergence_status_by_criterion.values == "emerged")
    assert len(emerged) > 40
    channel, row, column = modes.place
    for k in emerged[::7]:
        begin, data = float(found.start_variance[k]), float(found.eigenvalue[k])
        threshold = {
            "harmonic": 2 * begin * data / (begin + data),
            "geometric": np.sqrt(begin * data),
            "arithmetic": (begin + data) / 2,
            "band": data * 1.25 ** np.sign(begin - data),
        }[criterion]
        time = float(found.emergence_time_by_criterion[k])
        variance = laws[channel[k]].generated_variance(time, 0.002, 80.0)[row[k], column[k]]
        assert variance == pytest.approx(threshold, rel=1e-9)


def test_a_local_filter_never_learns_what_it_cannot_reach(images):
    spectrum, fourier = images
    found = forecast(spectrum, _config("patch:1x1"), fourier=fourier)
    assert np.abs(np.log(found.limit_variance / found.optimal_variance)).max() > 0.5
    by_channel = [found.limit_variance.values[found.image_channel == c] for c in (0, 1)]
    for variances, power in zip(by_channel, fourier.power, strict=True):
        np.testing.assert_allclose(variances, variances[0], rtol=1e-9)  # one tap: white noise
        mean = power.mean()
        assert variances[0] == pytest.approx(80.0**2 * (mean + 0.002**2) / (mean + 80.0**2), rel=1e-9)


def test_frequencies_descend_in_power_and_one_of_each_pair_is_counted(images):
    modes = FrequencyModes.of(images[1])
    assert (np.diff(modes.power) <= 0).all()
    assert modes.power.sum() == pytest.approx(images[1].total_variance)
    assert modes.counted.sum() == 2 * (1 + 12)  # the mean and 12 pairs of each 5 x 5 channel
    np.testing.assert_allclose(modes.power[modes.counted].sum() * 2, modes.power.sum() + _zero(images[1]))
    found = forecast(images[0], _config("conv"), fourier=images[1])
    assert int(found.n_fitted.max()) <= 26
    assert found.mode.attrs["long_name"].startswith("Spatial frequency")


def _zero(fourier: FourierSpectrum) -> float:
    return float(fourier.power[:, 0, 0].sum())


def test_a_law_of_images_asks_for_the_fourier_spectrum(images):
    with pytest.raises(ValueError, match="give the data's fourier spectrum"):
        forecast(images[0], _config("conv"))


@pytest.mark.parametrize("with_forecast", [True, False])
def test_the_law_of_a_run_is_rebuilt_from_its_folder(make_run, with_forecast):
    config = _config("deep:3,tied,initial_gain=0.02")
    run = make_run(EIGENVALUES, config=config, steps=(), with_forecast=with_forecast)
    again = predicted(Run.open(run.path))
    assert again is not None
    dose = again.forecast.flow_time.values[60]
    variance = HeunSampler(config.sigmas()).log_variance(again.law, EIGENVALUES, dose)
    np.testing.assert_allclose(np.exp(variance), again.forecast.generated_variance[60], rtol=1e-8)


def test_a_law_without_modes_that_learn_apart_says_so(images, tmp_path):
    run = Run.create(tmp_path / "run", _config("patch:3x3"))
    images[0].save(run.spectrum_path)
    images[1].save(run.fourier_path)
    again = predicted(run)
    assert again is not None
    assert again.forecast.attrs["sampler"] == "exact"
    with pytest.raises(ValueError, match="do not learn apart"):
        _ = again.law


def test_an_old_configuration_is_that_of_the_preconditioned_law():
    old = RunConfig().model_dump()
    del old["law"]
    assert RunConfig.model_validate(old) == RunConfig()
    assert RunConfig().law.spec == "preconditioned"
    with pytest.raises(ValueError, match=r"law\.spec"):
        RunConfig.model_validate({"law": {"spec": "<b>"}})
