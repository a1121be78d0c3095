"""The forecast of a configuration: variances, emergence, gray zone, responsibilities, labels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from scorelens.analysis import CRITERIA, forecast
from scorelens.core.spectrum import Spectrum
from scorelens.results import Run, RunConfig, schema
from scorelens.results.config import NoiseConfig, PreconditioningConfig, TrainingConfig

EIGENVALUES = np.geomspace(20.0, 0.005, 14)


def _config(name="edm", **preconditioning) -> RunConfig:
    return RunConfig(preconditioning=PreconditioningConfig(name=name, **preconditioning))


def _heun(gains: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """[E11] as a plain loop over the grid, ``gains (s, mode)``."""
    factor = np.ones(gains.shape[1])
    for (g, s), (g2, s2) in pairwise(zip(gains, sigmas, strict=True)):
        first = (1 - g) / s
        factor = factor * (1 + (s2 - s) / 2 * (first + (1 - g2) / s2 * (1 + (s2 - s) * first)))
    return sigmas[0] ** 2 * factor**2


@pytest.fixture(scope="module")
def edm():
    """The forecast with EDM's scalars, sigma_data 0.5."""
    spectrum = Spectrum(np.zeros(14), EIGENVALUES, np.eye(14), 1000, float(EIGENVALUES.sum()), (14,))
    return forecast(spectrum, _config(sigma_data=0.5))


@pytest.mark.parametrize("name", ["edm", "spectral", "spectral-skip"])
def test_it_follows_the_schema_and_can_be_stored(make_spectrum, tmp_path, name):
    predicted = forecast(make_spectrum([*EIGENVALUES, 0.0]), _config(name))
    schema.check(predicted, theory=["generated_variance", "emergence_time", "responsibility", "gray"])
    run = Run.create(tmp_path / "run", RunConfig())
    run.write_dataset("forecast", predicted)
    again = run.dataset("forecast")
    assert set(again.variables) == set(predicted.variables)
    assert all(again[key].equals(predicted[key]) for key in predicted.data_vars)
    assert np.isfinite(predicted.generated_variance).all()


def test_edm_starts_every_mode_at_the_variance_it_assumes(edm):
    """[E6] with the exact ODE: sigma_T^2 (g + sigma_0^2) / (g + sigma_T^2); EDM's defaults give 0.249994."""
    np.testing.assert_allclose(edm.generated_variance_exact[0], 0.249994, atol=1e-6)
    np.testing.assert_allclose(edm.generated_variance[0], edm.start_variance)
    np.testing.assert_allclose(edm.start_variance, 0.249994, rtol=0.03)  # 40 points


def _gains(sigmas: np.ndarray, dose: float) -> np.ndarray:
    """Relaxation from EDM's skip to Wiener's filter written out by hand ([E3]), ``(s, mode)``."""
    s2 = sigmas[:, None] ** 2
    density = np.exp(-0.5 * ((np.log(sigmas) + 1.2) / 1.2) ** 2)[:, None] / (1.2 * np.sqrt(2 * np.pi))
    best, skip = EIGENVALUES / (EIGENVALUES + s2), 0.25 / (0.25 + s2)
    return best + (skip - best) * np.exp(-dose * density * (EIGENVALUES + s2) / (0.25 + s2))


@pytest.mark.parametrize("at", [0, 40, 80, 120])
def test_transfer_relaxes_and_variance_is_heuns_product_of_it(edm, at):
    dose = float(edm.flow_time[at])
    np.testing.assert_allclose(edm.transfer[at], _gains(edm.sigma.values, dose), rtol=1e-9)
    sigmas = RunConfig().sigmas()
    np.testing.assert_allclose(edm.generated_variance[at], _heun(_gains(sigmas, dose), sigmas), rtol=1e-7)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_each_mode_crosses_its_threshold_at_its_emergence_time(edm, criterion):
    predicted = edm.sel(criterion=criterion)
    start, data = predicted.start_variance.values, EIGENVALUES
    means = {
        "harmonic": 2 * start * data / (start + data),
        "geometric": np.sqrt(start * data),
        "arithmetic": (start + data) / 2,
        "band": data * 1.25 ** np.sign(start - data),
    }
    checked = 0
    for k in np.flatnonzero(predicted.emergence_status_by_criterion.values == "emerged"):
        log_time = np.log(predicted.flow_time.values[1:])
        curve = np.log(predicted.generated_variance.values[1:, k])
        at = np.interp(np.log(float(predicted.emergence_time_by_criterion[k])), log_time, curve)
        assert at == pytest.approx(np.log(means[criterion][k]), abs=0.02)
        checked += 1
    assert checked >= 9


def test_gray_rising_and_unreachable_modes_are_named(make_spectrum):
    predicted = forecast(make_spectrum([4.0, 0.3, 0.13, 0.05, 0.0]), _config(sigma_data=0.5))
    assert predicted.gray.values.tolist() == [False, True, True, False, False]
    assert predicted.rising.values.tolist() == [True, True, False, False, False]
    statuses = predicted.emergence_status.values.tolist()
    assert statuses == ["emerged", "gray", "gray", "emerged", "unreachable"]
    assert np.isinf(predicted.emergence_time[-1])


@pytest.mark.parametrize("name", ["spectral", "spectral-skip"])
def test_spectral_preconditioning_starts_on_target(make_spectrum, name):
    predicted = forecast(make_spectrum(EIGENVALUES), _config(name))
    np.testing.assert_allclose(predicted.start_variance, predicted.limit_variance, rtol=1e-12)
    np.testing.assert_allclose(predicted.generated_variance[-1], predicted.start_variance, rtol=1e-9)
    assert predicted.gray.values.all()
    assert (predicted.n_fitted == 0).all()


def test_modes_beyond_the_rank_are_assumed_alike(make_spectrum):
    spectrum = make_spectrum(EIGENVALUES)
    predicted = forecast(spectrum, _config("spectral", rank=4))
    rest = EIGENVALUES[4:].mean()
    np.testing.assert_allclose(predicted.assumed_variance, [*EIGENVALUES[:4], *[rest] * 10])
    assert predicted.gray.values[:4].all()
    assert not predicted.gray.values[-1]
    assert predicted.attrs["assumed_rest_variance"] == pytest.approx(rest)


def test_shrinkage_reads_samples_and_is_said_to_be_left_out_without_them(make_spectrum):
    spectrum = make_spectrum(EIGENVALUES)
    config = _config("spectral", shrinkage="held-out")
    block = np.random.default_rng(0).standard_normal((500, 14)) * np.sqrt(2 * EIGENVALUES)
    shrunk, plain = forecast(spectrum, config, samples=[block]), forecast(spectrum, config)
    np.testing.assert_allclose(shrunk.assumed_variance, (block**2).mean(axis=0))
    np.testing.assert_allclose(plain.assumed_variance, EIGENVALUES)
    assert "left out" in plain.attrs["notes"]
    assert "left out" not in shrunk.attrs["notes"]


def test_loss_weights_are_the_same_law_for_edm_only(make_spectrum):
    spectrum = make_spectrum(EIGENVALUES)

    def times(name: str, loss: str) -> np.ndarray:
        config = RunConfig(
            preconditioning=PreconditioningConfig(name=name, rank=2 if name == "spectral" else None),
            training=TrainingConfig(loss=loss),  # pyright: ignore[reportArgumentType]
        )
        return forecast(spectrum, config).emergence_time.values

    np.testing.assert_allclose(times("edm", "pixel"), times("edm", "target"), rtol=1e-9)
    assert not np.allclose(times("spectral", "pixel"), times("spectral", "target"), rtol=0.1)


def test_the_noise_law_moves_emergence(make_spectrum):
    spectrum = make_spectrum(EIGENVALUES)
    uniform = RunConfig(noise=NoiseConfig(name="loguniform"))
    low, default = RunConfig(noise=NoiseConfig(p_mean=-2.5)), RunConfig()
    small_mode = [float(forecast(spectrum, c).emergence_time[-1]) for c in (low, default, uniform)]
    assert small_mode[0] < 0.75 * small_mode[1]
    assert small_mode[2] != pytest.approx(small_mode[1], rel=0.1)


def test_responsibilities_are_densities_between_sigma_data_and_the_modes_own_level(edm):
    predicted = edm
    total = np.trapezoid(predicted.responsibility, np.log(predicted.sigma), axis=0)
    np.testing.assert_allclose(total, 1.0, atol=0.02)
    middle = predicted.sigma.values[predicted.responsibility.argmax("sigma").values]
    assert np.abs(np.log(middle[-1] / (0.25 * EIGENVALUES[-1]) ** 0.25)) < 0.5


def test_the_harmonic_law_is_nearly_inverse(make_spectrum):
    """Regressions of section 3 on range B, on a grid so fine that it is the exact ODE."""
    rising, falling = np.geomspace(0.5, 50, 40), np.geomspace(1e-3, 0.125, 40)
    config = _config(sigma_data=0.5).model_copy(
        update={"sampler": RunConfig().sampler.model_copy(update={"n_sigmas": 160})}
    )
    fits = forecast(make_spectrum([*rising, *falling]), config).sel(source="law")
    expected = {"harmonic": (-0.976, -1.188), "geometric": (-0.355, -0.470)}
    for criterion, exponents in expected.items():
        np.testing.assert_allclose(fits.exponent.sel(criterion=criterion), exponents, atol=0.02)


def test_a_long_spectrum_leaves_the_transfer_out(make_spectrum):
    predicted = forecast(make_spectrum(np.geomspace(10, 0.01, 200)), _config())
    assert "transfer" not in predicted
    assert predicted.generated_variance.shape == (121, 200)


PLANE = Spectrum(np.zeros(2), np.array([4.0, 1.0]), np.eye(2), 9, 5.0, (2,))


def _forecast_of(noise="lognormal", **training):
    return forecast(PLANE, RunConfig.model_validate({"training": training, "noise": {"name": noise}}))


def test_flow_matching_is_forecast_as_the_denoising_that_it_is():
    flow = _forecast_of(objective="flow-matching")
    same = _forecast_of(loss="velocity", noise="flow-time")
    assert flow.identical(same)
    other = _forecast_of(loss="velocity")
    assert np.all(np.abs(np.log(flow.emergence_time / other.emergence_time)) > 0.1)


def test_the_weight_of_the_loss_changes_the_forecast_as_it_must():
    # Of one likelihood, whatever levels are drawn; of the score, the noise's with levels drawn by variance.
    times = {
        name: _forecast_of(**settings).emergence_time.values
        for name, settings in {
            "likelihood": {"loss": "likelihood", "noise": "loguniform"},
            "likelihood elsewhere": {"loss": "likelihood", "noise": "variance"},
            "score by variance": {"loss": "score", "noise": "variance"},
            "noise": {"loss": "noise", "noise": "loguniform"},
        }.items()
    }
    np.testing.assert_allclose(times["likelihood"], times["likelihood elsewhere"], rtol=1e-8)
    ratio = 2 * np.log(80.0 / 0.002) / (80.0**2 - 0.002**2)  # of the constants of the two densities
    np.testing.assert_allclose(times["score by variance"] * ratio, times["noise"], rtol=1e-8)
    assert abs(np.log(times["noise"] / times["likelihood"])).max() > 0.1


def test_a_forecast_says_what_it_leaves_out_of_the_objective():
    def told(**training):
        return _forecast_of(**training).attrs["notes"]

    assert "left out" not in told(objective="denoising")
    assert "left out" not in told(objective="flow-matching")
    assert "how sliced score matching changes its noise is left out" in told(objective="sliced")
    assert "d times smaller" not in told(objective="sliced")
    assert "d times smaller" in told(objective="sliced", projections="unit-sphere")
    assert "d times smaller" not in told(objective="hutchinson", projections="unit-sphere")
