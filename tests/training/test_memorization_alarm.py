"""The alarm of training: it rings once, when the measurements say so, also in a resumed run."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from scorelens import training
from scorelens.core.evaluation import device_of
from scorelens.results import Run


class RisingLoss:
    """A stand-in for the instrument of the loss whose held-out loss rises from the second measurement on."""

    name = "loss"

    def __init__(self, first: int = 0) -> None:
        self.count = first

    def measure(self, denoiser) -> xr.Dataset:
        assert device_of(denoiser).type
        self.count += 1
        facts = {"long_name": "loss", "units": "1"}
        numbers = {
            "held_out_loss": 5.0 + self.count if self.count > 1 else 9.0,
            "held_out_standard_error": 0.01,
            "train_loss": 1.0 / self.count,
            "train_standard_error": 0.01,
        }
        return xr.Dataset({k: ("sigma", [v], facts) for k, v in numbers.items()}, {"sigma": [0.2]})


@pytest.fixture
def start(configure, spectrum, data, tmp_path):
    config = configure()

    def begin(instrument, **options):
        folder = tmp_path / "run"
        run = Run.open(folder) if folder.exists() else Run.create(folder, config)
        denoiser = training.build_denoiser(config, spectrum)
        training.train(config, run, data, denoiser, [instrument], progress=False, **options)
        return run

    return begin


def test_it_rings_once_at_the_third_rise(start):
    heard = []
    run = start(RisingLoss(), on_memorization=heard.append)
    assert len(heard) == 1
    assert heard[0].step == run.measured_steps[4]
    assert "held-out loss at σ 0.2 has risen for 3 measurements, since step 1" in str(heard[0])


def test_by_default_it_is_a_python_warning(start):
    with pytest.warns(training.MemorizationWarning, match="learning its training data by heart"):
        start(RisingLoss())


def test_it_rings_again_when_the_run_is_resumed(start):
    start(RisingLoss(), on_memorization=lambda warning: None)
    heard = []
    start(RisingLoss(), on_memorization=heard.append, resume=True)
    assert len(heard) == 1


class EnoughError(Exception):
    pass


def test_it_may_end_training_and_what_was_stored_stays(start, tmp_path):
    def stop(warning):
        raise EnoughError

    with pytest.raises(EnoughError):
        start(RisingLoss(), on_memorization=stop)
    assert np.isfinite(Run.open(tmp_path / "run").measurement("loss")["held_out_loss"]).all()


class FallingLoss(RisingLoss):
    def measure(self, denoiser) -> xr.Dataset:
        made = super().measure(denoiser)
        return made.assign(held_out_loss=("sigma", [9.0 / self.count], made["held_out_loss"].attrs))


def test_it_is_silent_where_held_out_loss_falls(start):
    heard = []
    start(FallingLoss(), on_memorization=heard.append)
    assert heard == []
