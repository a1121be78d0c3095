"""Run folders whose measurements follow the law exactly, on a time scale that the test chooses."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import xarray as xr

from scorelens.analysis.forecast import forecast
from scorelens.analysis.run_law import assumed_covariance, law_of
from scorelens.core.spectrum import Spectrum
from scorelens.dynamics import HeunSampler, log_variance_table
from scorelens.instruments.labels import PURE, VARIANCE, mode_coordinates, sigma_coordinate, variable
from scorelens.results import Run, RunConfig

STEPS = (0, *(int(step) for step in np.unique(np.geomspace(1, 3000, 15).round())))


@pytest.fixture
def make_spectrum():
    """Spectrum of diagonal data; eigenvalues are sorted, modes are the axes."""
    return _spectrum


def _spectrum(eigenvalues) -> Spectrum:
    values = np.sort(np.asarray(eigenvalues, dtype=float))[::-1]
    d = len(values)
    return Spectrum(np.zeros(d), values, np.eye(d), 1000, float(values.sum()), (d,))


@lru_cache
def _forecast(eigenvalues: tuple[float, ...], configuration: str) -> xr.Dataset:
    return forecast(_spectrum(eigenvalues), RunConfig.model_validate_json(configuration))


@pytest.fixture
def law_variance():
    """Variance ``(step, mode)`` by the law of a configuration, one dose taking ``steps_per_dose`` steps."""

    def variance(spectrum, config, steps, steps_per_dose, exponent=1.0) -> np.ndarray:
        law = law_of(spectrum, config, assumed_covariance(spectrum, config))
        doses = (np.asarray(steps, dtype=float) / steps_per_dose) ** exponent
        sampler = HeunSampler(config.sigmas())
        return np.exp(log_variance_table(law, spectrum.eigenvalues, doses, sampler=sampler))

    return variance


@pytest.fixture
def make_run(tmp_path, make_spectrum, law_variance):
    """A run folder; ``scatter`` is the standard deviation of the log variance around the law,
    ``frozen`` are modes that never move."""

    def make(
        eigenvalues, *, config=None, steps=STEPS, steps_per_dose=20.0, exponent=1.0, scatter=0.0,
        frozen=(), with_forecast=True, with_spectrum=True, losses=None,
    ) -> Run:  # fmt: skip
        config = config or RunConfig()
        spectrum = make_spectrum(eigenvalues)
        run = Run.create(tmp_path / f"run{len(list(tmp_path.iterdir()))}", config)
        if with_spectrum:
            spectrum.save(run.spectrum_path)
        if with_forecast:
            known = _forecast(tuple(spectrum.eigenvalues), config.model_dump_json())
            run.write_dataset("forecast", known)
        if not steps:
            return run
        exact = law_variance(spectrum, config, steps, steps_per_dose, exponent)
        exact[:, list(frozen)] = exact[0, list(frozen)]
        noise = scatter * np.random.default_rng(0).standard_normal(exact.shape)
        for i, step in enumerate(steps):
            found = {"generated_variance": _measured(spectrum, exact[i] * np.exp(noise[i] if step else 0))}
            if losses is not None:
                found["loss"] = _losses(**losses)
            run.write_measurement(step, found)
        return run

    return make


def _measured(spectrum: Spectrum, variance: np.ndarray) -> xr.Dataset:
    parts = {"generated_variance": variance, "standard_error": 0.02 * variance}
    parts |= {"alignment": np.ones_like(variance), "alignment_ceiling": np.ones_like(variance)}
    variables = {name: variable(("mode",), part, name, VARIANCE) for name, part in parts.items()}
    return xr.Dataset(
        variables, mode_coordinates(spectrum.eigenvalues), {"n_generated": 5000, "n_sigmas": 40}
    )


def _losses(**values: float) -> xr.Dataset:
    variables = {name: variable((), value, name, PURE) for name, value in values.items()}
    return xr.Dataset(variables, sigma_coordinate(np.array([0.1, 1.0])))
