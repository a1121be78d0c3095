"""What the folder of an estimate holds, part by part: what cannot be read is named, not fatal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import xarray as xr

from scorelens.core.spectrum import Spectrum
from scorelens.results import CorruptMeasurement, Estimation


@final
@dataclass(frozen=True)
class EstimateEvidence:
    """An ``estimation`` with its ``datasets`` by name and the ``spectrum`` of its training data."""

    estimation: Estimation
    datasets: Mapping[str, xr.Dataset]
    spectrum: Spectrum | None
    problems: tuple[str, ...] = ()

    @property
    def order(self) -> list[str]:
        """The estimators that were measured, as they were asked for."""
        known = (
            self.datasets["explained"]["estimator"].values.tolist() if "explained" in self.datasets else []
        )
        return [spec for spec in self.estimation.config.estimators if spec in known]


def collect(folder: str | Path) -> EstimateEvidence:
    """Gather what ``folder`` holds; ``ValueError`` if it is not that of an estimate."""
    made = Estimation.open(folder)
    datasets, problems = {}, []
    for name in made.store.names():
        try:
            datasets[name] = made.store.read(name)
        except CorruptMeasurement as error:
            problems.append(f"Left out: {error}")
    if "explained" not in datasets and not problems:
        problems.append(f"{made.store.folder} holds no measurements; make the estimate again.")
    spectrum = None
    try:
        spectrum = Spectrum.load(made.spectrum_path)
    except (OSError, ValueError) as error:
        problems.append(f"Left out: {error}")
    return EstimateEvidence(made, datasets, spectrum, tuple(problems))
