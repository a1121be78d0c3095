"""The folder of an estimate: what was fitted to which data, the fitted denoisers, and what they measure."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic import Field, FiniteFloat

from scorelens.results.config import DataConfig, MeasurementConfig, RunConfig, SamplerConfig, Section
from scorelens.results.result_folder import ResultFolder


class EstimateConfig(Section):
    """Everything needed to repeat an estimate; ``estimators`` are written as on the command line."""

    estimators: tuple[str, ...] = Field(min_length=1)
    seed: int = Field(default=0, ge=0)
    data: DataConfig = DataConfig()
    sampler: SamplerConfig = SamplerConfig()
    measurement: MeasurementConfig = MeasurementConfig()

    @property
    def run(self) -> RunConfig:
        """The same data, sampler and measurement as those of a run, for the instruments."""
        return RunConfig(seed=self.seed, data=self.data, sampler=self.sampler, measurement=self.measurement)


class Fit(Section):
    """How one estimator fared: the ``file`` of its denoiser, or the ``problem`` why there is none.

    ``problem`` beside a ``file`` says what could not be done with the denoiser. ``seconds`` are those of the
    fit, ``means``, ``equation`` and ``reference`` say what was fitted.
    """

    spec: str
    means: str
    equation: str
    reference: str
    seconds: float = Field(ge=0)
    file: str | None = None
    problem: str = ""


@final
class Estimation(ResultFolder):
    """Estimators fitted to data, and what they measure at the noise levels ``sigmas``.

    Each fitted denoiser lies in a file of its own, written before the folder is whole; the spectrum is that
    of the training data.
    """

    file: ClassVar[str] = "estimate.json"
    noun: ClassVar[str] = "estimate"
    made_by: ClassVar[str] = "scorelens estimate DATA --out FOLDER"
    datasets: ClassVar[str] = "measurements.zarr"
    in_steps: ClassVar[bool] = True

    version: Literal[1] = 1
    config: EstimateConfig
    sigmas: tuple[FiniteFloat, ...]
    fits: tuple[Fit, ...]

    @property
    def fitted(self) -> tuple[Fit, ...]:
        """Those that have a denoiser."""
        return tuple(fit for fit in self.fits if fit.file is not None)


is_estimation = Estimation.holds
refuse_unfinished = Estimation.refuse_unfinished
