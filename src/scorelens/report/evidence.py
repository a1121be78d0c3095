"""Everything a run folder has to show, gathered part by part: what cannot be read is named, not fatal."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import xarray as xr

from scorelens import analysis
from scorelens.core.spectrum import Spectrum
from scorelens.results import Run, RunConfig


@final
@dataclass(frozen=True)
class Evidence:
    """The parts of a run; what it does not hold is ``None`` or empty. ``problems`` names what is damaged."""

    config: RunConfig
    environment: Mapping[str, Any] = field(default_factory=dict)
    spectrum: Spectrum | None = None
    forecast: xr.Dataset | None = None
    comparison: xr.Dataset | None = None
    transfer: xr.Dataset | None = None
    loss: xr.Dataset | None = None
    samples: xr.Dataset | None = None
    memorization: xr.Dataset | None = None
    geometry: xr.Dataset | None = None
    examples: xr.Dataset | None = None
    summary: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    checkpoints: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def curves(self) -> xr.Dataset | None:
        """Variance over time as the figures take it: the comparison, or else the forecast alone."""
        if self.comparison is not None:
            return self.comparison
        return None if self.forecast is None else _as_curves(self.forecast)

    @property
    def last_step(self) -> int | None:
        """The last measured step; ``None`` if nothing was measured."""
        return self.steps[-1] if self.steps else None

    @property
    def is_forecast(self) -> bool:
        """Whether this is a forecast alone: nothing was trained, and nothing measured."""
        return not self.steps and not self.checkpoints

    @property
    def of_frequencies(self) -> bool:
        """Whether the modes are spatial frequencies of images, not eigenmodes of their covariance."""
        kind = {} if self.forecast is None else self.forecast.attrs
        return kind.get("law_kind") in ("frequencies", "patch")

    @property
    def model(self) -> str | None:
        """The model that was measured, where the run measures one that was trained elsewhere."""
        return self.environment.get("model")

    @property
    def unfinished(self) -> bool:
        """Whether training was begun and did not reach its last step."""
        if self.model is not None:
            return False
        begun = bool(self.checkpoints) or len(self.steps) > 1 or self.steps == (0,)
        return begun and self.config.training.steps not in self.checkpoints


def collect(run: Run) -> Evidence:
    """Read what the folder of ``run`` holds."""
    reader = _Reader()
    names = run.measurement_names()
    parts = {
        "environment": reader.read("the record of the environment", lambda: run.environment) or {},
        "spectrum": reader.read("the spectrum", lambda: _spectrum(run)),
        "forecast": reader.read("the forecast", lambda: _stored(run, "forecast")),
        "examples": reader.read("the example data", lambda: _stored(run, "examples")),
        "transfer": reader.read("the transfer function", lambda: _measured(run, names, "transfer_function")),
        "loss": reader.read("the loss", lambda: _measured(run, names, "loss")),
        "samples": reader.read("the samples", lambda: _measured(run, names, "samples")),
        "memorization": reader.read(
            "the nearness to the training data", lambda: _measured(run, names, "memorization")
        ),
        "geometry": reader.read("the local geometry", lambda: _measured(run, names, "geometry")),
        "comparison": reader.read("the comparison with the forecast", lambda: _comparison(run, names)),
        "summary": tuple(reader.read("the summary", lambda: analysis.summary(run)) or ()),
    }
    if parts["comparison"] is None:
        parts["comparison"] = reader.read("the generated variance", lambda: _measured_alone(run, names))
    return Evidence(
        config=run.config,
        steps=run.measured_steps,
        checkpoints=run.checkpoints,
        problems=tuple(dict.fromkeys(reader.problems)),
        **parts,
    )


class _Reader:
    """Reads part after part and keeps what went wrong as sentences."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, what: str, part: Callable[[], Any]) -> Any:
        """The part, or ``None`` with a sentence in ``problems`` if it cannot be read."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            try:
                result = part()
            except Exception as error:  # a page that shows the rest and names the damage beats no page
                self.problems.append(f"{what[:1].upper()}{what[1:]} could not be shown: {_sentence(error)}")
                result = None
        for warning in caught:
            self._note(warning)
        return result

    def _note(self, warning: warnings.WarningMessage) -> None:
        """Damaged steps that were left out concern the reader of the page; other warnings, the programmer."""
        if str(warning.message).startswith("left out"):
            self.problems.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _spectrum(run: Run) -> Spectrum | None:
    return Spectrum.load(run.spectrum_path) if run.spectrum_path.exists() else None


def _stored(run: Run, name: str) -> xr.Dataset | None:
    return run.dataset(name) if name in run.dataset_names() else None


def _measured(run: Run, names: tuple[str, ...], name: str) -> xr.Dataset | None:
    return run.measurement(name, on_corrupt="warn") if name in names else None


def _comparison(run: Run, names: tuple[str, ...]) -> xr.Dataset | None:
    return analysis.compare(run) if "generated_variance" in names else None


def _measured_alone(run: Run, names: tuple[str, ...]) -> xr.Dataset | None:
    """Generated variance under the names of a comparison."""
    found = _measured(run, names, "generated_variance")
    return None if found is None else found.rename(generated_variance="measured")


def cumulative(eigenvalues: np.ndarray, total_variance: float) -> xr.Dataset:
    """A spectrum as a Dataset for the figure: ``eigenvalue(mode)`` and ``cumulative_share(mode)``."""
    share = np.cumsum(eigenvalues) / max(total_variance, np.finfo(float).tiny)
    return xr.Dataset(
        {"cumulative_share": ("mode", share)},
        {"mode": np.arange(len(eigenvalues)), "eigenvalue": ("mode", eigenvalues)},
    )


def _as_curves(forecast: xr.Dataset) -> xr.Dataset:
    """The forecast under the names of a comparison: what it calls times are doses."""
    names = {"generated_variance": "forecast", "emergence_time": "forecast_emergence_step"}
    return forecast.drop_dims("sigma").rename(names)
