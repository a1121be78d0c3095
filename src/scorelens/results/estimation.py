"""The folder of an estimate: what was fitted to which data, the fitted denoisers, and what they measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scorelens.core import storage
from scorelens.core.spectrum import Spectrum
from scorelens.results import environment
from scorelens.results.config import DataConfig, MeasurementConfig, RunConfig, SamplerConfig
from scorelens.results.dataset_store import DatasetStore

FILE = "estimate.json"
UNFINISHED = "unfinished.txt"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EstimateConfig(_Part):
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


class Fit(_Part):
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


class _Description(_Part):
    version: Literal[1] = 1
    config: EstimateConfig
    sigmas: tuple[float, ...]
    fits: tuple[Fit, ...]
    environment: dict[str, Any]


@final
@dataclass(frozen=True)
class Estimation:
    """A folder made by `Estimation.create` or opened by `Estimation.open`.

    ``estimate.json`` says what was fitted; ``measurements.zarr`` holds what was measured at the noise levels
    ``sigmas``; each fitted denoiser lies in a file of its own. ``estimate.json`` is written last, so a folder
    that has it is whole; until then ``unfinished.txt`` lies there (`begin`).
    """

    path: Path
    config: EstimateConfig
    sigmas: np.ndarray
    fits: tuple[Fit, ...]
    environment: dict[str, Any]

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: EstimateConfig,
        sigmas: np.ndarray,
        fits: Sequence[Fit],
        spectrum: Spectrum,
        datasets: dict[str, Any],
    ) -> Estimation:
        """Store ``spectrum`` of the training data, the labelled ``datasets`` and, last, the description.

        The files that ``fits`` name are written by whoever fitted them, before. `StorageError` if something
        cannot be written.
        """
        made = cls(Path(path), config, np.asarray(sigmas, dtype=float), tuple(fits), environment.describe())
        spectrum.save(made.spectrum_path)
        made.store.prepare()
        for name, dataset in datasets.items():
            made.store.write(name, dataset)
        described = _Description(
            config=config, sigmas=tuple(made.sigmas.tolist()), fits=made.fits, environment=made.environment
        )
        storage.write_text(made.path / FILE, described.model_dump_json(indent=1) + "\n")
        storage.remove(made.path / UNFINISHED)
        return made

    @classmethod
    def open(cls, path: str | Path) -> Estimation:
        """Open an existing folder; raises ``ValueError`` if it is none or its description is damaged."""
        refuse_unfinished(path)
        file = Path(path) / FILE
        if not file.is_file():
            raise ValueError(
                f"{path} holds no {FILE}; give a folder that `scorelens estimate DATA --out FOLDER` made"
            )
        try:
            found = _Description.model_validate_json(file.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise ValueError(
                f"{file} is damaged ({where}: {first['msg']}); make the estimate again in another folder"
            ) from error
        return cls(Path(path), found.config, np.array(found.sigmas), found.fits, found.environment)

    @property
    def fitted(self) -> tuple[Fit, ...]:
        """Those that have a denoiser."""
        return tuple(fit for fit in self.fits if fit.file is not None)

    @property
    def store(self) -> DatasetStore:
        """Its Datasets."""
        return DatasetStore(self.path / "measurements.zarr")

    @property
    def spectrum_path(self) -> Path:
        """File of the spectrum of the training data."""
        return self.path / "spectrum.safetensors"

    @property
    def report_path(self) -> Path:
        """File of the page."""
        return self.path / "report.html"


def begin(path: str | Path) -> None:
    """Mark ``path`` as the folder of an estimate that is being made; `Estimation.create` unmarks it."""
    storage.write_text(
        Path(path) / UNFINISHED,
        "An estimate is being made here. If no process works at it, delete this folder and run it again.\n",
    )


def refuse_unfinished(path: str | Path) -> None:
    """Raise ``ValueError`` if ``path`` is the folder of an estimate that was begun and is not whole."""
    if (Path(path) / UNFINISHED).is_file() and not is_estimation(path):
        raise ValueError(
            f"{path} holds an estimate that did not finish (unless it still runs); delete the folder and "
            "make the estimate again"
        )


def is_estimation(path: str | Path) -> bool:
    """Whether ``path`` is the folder of an estimate."""
    return (Path(path) / FILE).is_file()
