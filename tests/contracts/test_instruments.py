"""Every instrument, on every kind of denoiser: same numbers twice, labelled, and nothing disturbed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scorelens import instruments
from scorelens.core import evaluation
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.spectrum import Spectrum
from scorelens.data import Data
from scorelens.results import Run, schema
from scorelens.results.config import MeasurementConfig, RunConfig, SamplerConfig

CONFIG = RunConfig(
    seed=3,
    sampler=SamplerConfig(n_sigmas=8),
    measurement=MeasurementConfig(n_generated=40, n_probes=30, n_transfer_sigmas=5, n_images=4),
)


class Network(nn.Module):
    """A small network with dropout, so that evaluation mode and random draws would show."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x, sigma):
        level = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1)
        out = self.dropout(torch.tanh(self.layer(x.flatten(1)))) / (1 + level)
        return out.reshape(x.shape)


def _data(event_shape: tuple[int, ...], n: int = 50) -> Data:
    dim = int(np.prod(event_shape))
    rng = np.random.default_rng(0)
    values = rng.standard_normal((n, dim)) * np.geomspace(2.0, 0.1, dim) + 0.3
    kind = "image" if len(event_shape) == 3 else "vector"
    return Data("test", values.reshape(n, *event_shape), kind=kind)


def _spectrum(data: Data, n_modes: int | None = None) -> Spectrum:
    x = data[np.arange(len(data))].reshape(len(data), -1).astype(float)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    k = n_modes or data.dim
    kept = np.maximum(values[::-1], 0)
    return Spectrum(
        x.mean(axis=0), kept[:k], vectors[:, ::-1][:, :k], len(x), float(kept.sum()), data.event_shape
    )


SETTINGS = {
    "vector": ((5,), None),
    "few modes": ((5,), 3),
    "image": ((1, 3, 2), None),
}


@pytest.fixture(params=SETTINGS)
def setting(request):
    event_shape, n_modes = SETTINGS[request.param]
    train, held_out = _data(event_shape).split(0.2, seed=0)
    return train, held_out, _spectrum(train, n_modes)


def _denoiser(kind: str, spectrum: Spectrum):
    if kind == "linear":
        return optimal_linear_denoiser(spectrum)
    torch.manual_seed(0)
    return Network(spectrum.dim) if kind == "network" else lambda x, sigma: x / _noise(x, sigma)


def _noise(x, sigma):
    """``1 + sigma^2`` of every row of ``x``."""
    return 1 + torch.as_tensor(sigma).reshape(-1, *[1] * (x.ndim - 1)) ** 2


@pytest.fixture(params=["linear", "network", "function"])
def denoiser(request, setting):
    return _denoiser(request.param, setting[2])


def _built(cls, setting):
    return cls.for_run(*setting, CONFIG)


def test_standard_holds_every_instrument(setting):
    names = [type(instrument) for instrument in instruments.standard(*setting, CONFIG)]
    assert names == list(instruments.ALL)
    assert len({cls.name for cls in instruments.ALL}) == len(instruments.ALL)


@pytest.mark.parametrize("cls", instruments.ALL)
def test_facts_are_stated(cls):
    assert cls.name
    assert cls.title
    assert cls.reference


@pytest.mark.parametrize("cls", instruments.ALL)
def test_same_numbers_from_a_second_call_and_a_second_instrument(cls, setting, denoiser):
    instrument = _built(cls, setting)
    first = instrument.measure(denoiser)
    torch.manual_seed(1)
    assert first.identical(instrument.measure(denoiser))
    assert first.identical(_built(cls, setting).measure(denoiser))


@pytest.mark.parametrize("cls", instruments.ALL)
def test_the_seed_changes_the_draws(cls, setting):
    denoiser = _denoiser("network", setting[2])
    other = cls.for_run(*setting, CONFIG.model_copy(update={"seed": 4}))
    assert not _built(cls, setting).measure(denoiser).equals(other.measure(denoiser))


@pytest.mark.parametrize("cls", instruments.ALL)
def test_global_random_states_and_the_network_stay_as_they_were(cls, setting):
    network = _denoiser("network", setting[2]).train()
    network.dropout.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    _built(cls, setting).measure(network)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert (network.training, network.layer.training, network.dropout.training) == (True, True, False)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("cls", instruments.ALL)
def test_dropout_is_off(cls, setting):
    network = _denoiser("network", setting[2]).train()
    measured = _built(cls, setting).measure(network)
    assert measured.identical(_built(cls, setting).measure(network.eval()))


@pytest.mark.parametrize("cls", instruments.ALL)
def test_results_follow_the_schema(cls, setting, denoiser):
    measured = _built(cls, setting).measure(denoiser)
    schema.check(measured)
    assert "step" not in measured.dims
    assert measured.sizes.get("mode", setting[2].n_modes) == setting[2].n_modes
    levels = 3 if cls is instruments.Geometry else 5
    assert measured.sizes.get("sigma", levels) == levels
    told_apart = measured.get("resolved", True)  # the one reason why a number may be missing
    assert all(np.isfinite(values.where(told_apart, 0)).all() for values in measured.data_vars.values())


def test_results_can_be_stored(setting, tmp_path):
    battery = instruments.standard(*setting, CONFIG)
    measured = instruments.measure_all(battery, optimal_linear_denoiser(setting[2]))
    run = Run.create(tmp_path / "run", CONFIG)
    run.write_measurement(7, measured)
    for name, dataset in measured.items():
        again = run.measurement(name).isel(step=0, drop=True)
        assert all(again[key].equals(dataset[key]) for key in dataset.data_vars)


@pytest.mark.parametrize("cls", instruments.ALL)
def test_a_denoiser_that_has_diverged_is_refused(cls, setting):
    with pytest.raises(ValueError, match="not finite: the denoiser has diverged"):
        _built(cls, setting).measure(lambda x, sigma: x * torch.nan)


@pytest.mark.parametrize("cls", instruments.ALL)
def test_batches_are_bounded(cls, setting, monkeypatch):
    monkeypatch.setattr(evaluation, "MAX_ROWS", 7)
    sizes = []

    def watched(x, sigma):
        sizes.append(len(x))
        return x / _noise(x, sigma)

    _built(cls, setting).measure(watched)
    assert 0 < max(sizes) <= 7


def test_measuring_together_gives_the_same_numbers_with_fewer_questions(setting):
    questions = []

    def watched(x, sigma):
        questions.append(len(x))
        return torch.tanh(x) / _noise(x, sigma)

    battery = instruments.standard(*setting, CONFIG)
    together = instruments.measure_all(battery, watched)
    asked_together = sum(questions)
    alone = {instrument.name: instrument.measure(watched) for instrument in battery}
    assert together.keys() == alone.keys()
    assert all(together[name].identical(alone[name]) for name in alone if name != "samples")
    np.testing.assert_allclose(together["samples"].image, alone["samples"].image, rtol=1e-5, atol=1e-6)
    assert asked_together < 0.85 * (sum(questions) - asked_together)


def test_nothing_is_remembered_between_sittings(setting):
    battery = instruments.standard(*setting, CONFIG)
    network = _denoiser("network", setting[2])
    before = instruments.measure_all(battery, network)
    with torch.no_grad():
        network.layer.weight.mul_(1.1)
    after = instruments.measure_all(battery, network)
    assert not any(before[name].equals(after[name]) for name in before)


def test_the_spectrum_of_other_data_is_refused(setting):
    other = _spectrum(_data((4,)))
    with pytest.raises(ValueError, match="make the spectrum from these data"):
        instruments.standard(setting[0], setting[1], other, CONFIG)
