"""A tiny study: data, configuration, run folder and an instrument that reads every weight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from scorelens.core.spectrum import Spectrum
from scorelens.results import Run, RunConfig


class TwoClusters:
    """32 samples of two by two pixels, around two points: a linear denoiser cannot be the best one."""

    event_shape = (1, 2, 2)

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        sign = rng.choice([-1.0, 1.0], size=(32, 1))
        flat = sign * np.array([1.0, 1.0, -1.0, 0.3]) + 0.2 * rng.normal(size=(32, 4))
        self.values = flat.reshape(32, 1, 2, 2).astype("float32")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        return self.values[indices]

    def blocks(self, size: int | None = None) -> Iterator[np.ndarray]:
        yield from np.array_split(self.values, 3)


class Probe:
    """Denoises a fixed batch; uses the global random state, which must not matter to training."""

    name = "probe"

    def __init__(self) -> None:
        self.modes: list[bool] = []

    def measure(self, denoiser) -> xr.Dataset:
        self.modes.append(denoiser.training)
        torch.rand(7)
        np.random.rand(7)  # noqa: NPY002
        with torch.no_grad():
            out = denoiser(torch.linspace(-1, 1, 8).reshape(2, 1, 2, 2), 0.5).numpy()
        dims = ("sample", "channel", "height", "width")
        return xr.Dataset({"denoised": (dims, out, {"long_name": "denoised", "units": "1"})})


@pytest.fixture
def data() -> TwoClusters:
    return TwoClusters()


@pytest.fixture
def spectrum(data: TwoClusters) -> Spectrum:
    flat = data.values.reshape(32, 4).astype(float)
    centred = flat - flat.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / 32)
    return Spectrum(flat.mean(0), values[::-1], vectors[:, ::-1], 32, float(values.sum()), data.event_shape)


@pytest.fixture
def configure() -> Callable[..., RunConfig]:
    def build(**training) -> RunConfig:
        settings = {"steps": 12, "batch_size": 8, "checkpoint_every": 5} | training
        return RunConfig.model_validate(
            {
                "network": {"width": 8, "depth": 1, "embedding": 4},
                "training": settings,
                "measurement": {"n_measurements": 5},
            }
        )

    return build


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[RunConfig], Run]:
    counter = iter(range(100))
    return lambda config: Run.create(tmp_path / f"run{next(counter)}", config)
