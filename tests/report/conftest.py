"""Run folders as a study leaves them, made from closed forms in about a second."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import xarray as xr

from scorelens import analysis, report
from scorelens.results import Run, RunConfig

STEPS = 3000


def _fake() -> ModuleType:
    path = Path(__file__).with_name("fake_run.py")
    spec = importlib.util.spec_from_file_location("fake_run", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def write_run(tmp_path_factory) -> Callable[..., Run]:
    """Make a run folder: ``write_run((1, 8, 8))``; it is killed at ``until``, ``None``: before training."""
    fake_run = _fake()

    def write(
        event_shape: tuple[int, ...],
        *,
        spec: str = "digits",
        until: int | None = STEPS,
        n_modes: int | None = None,
        seed: int = 0,
        count: int = 6,
    ) -> Run:
        fake = fake_run.FakeRun(event_shape, steps=STEPS, n_modes=n_modes, count=count)
        config = RunConfig.model_validate(
            {"seed": seed, "data": {"spec": spec}, "training": {"steps": STEPS}}
        )
        run = Run.create(tmp_path_factory.mktemp("run") / "fake", config)
        fake.spectrum.save(run.spectrum_path)
        run.write_dataset("forecast", analysis.forecast(fake.spectrum, config))
        run.write_dataset("examples", fake.images(STEPS, 36))
        for step in fake.steps.tolist() if until is not None else []:
            if step <= until:
                run.write_measurement(step, fake.measurement(step))
        if until == STEPS:
            run.checkpoint_path(STEPS).mkdir(parents=True)
        return run

    return write


@pytest.fixture(scope="session")
def image_run(write_run) -> Run:
    return write_run((1, 8, 8), count=12)


@pytest.fixture(scope="session")
def image_page(image_run) -> Path:
    return report.build(image_run.path)


@pytest.fixture(scope="session")
def small_run(write_run) -> Run:
    return write_run((1, 4, 4))


@pytest.fixture(scope="session")
def measured(image_run) -> dict[str, xr.Dataset]:
    return {name: image_run.measurement(name) for name in image_run.measurement_names()}
