"""Training: what it stores, resumes, refuses, and that watching changes nothing."""

from __future__ import annotations

import copy
import errno
import io
import os

import numpy as np
import pytest
import torch
from rich.console import Console

from scorelens.core.denoiser import Denoiser
from scorelens.results import StorageError
from scorelens.training import (
    CorruptCheckpoint,
    NonFiniteLoss,
    build_denoiser,
    build_loss,
    checkpoints,
    load_denoiser,
    train,
)
from scorelens.training.batches import Batches
from scorelens.training.progress import progress_bar


@pytest.fixture
def trained(data, spectrum, configure, new_run, probe):
    """Train a configuration in a new run folder; returns the run and the denoiser."""

    def go(config=None, run=None, instruments=None, **options):
        config = config or configure()
        run = run or new_run(config)
        instruments = (probe,) if instruments is None else instruments
        denoiser = build_denoiser(config, spectrum)
        return run, train(config, run, data, denoiser, instruments, progress=False, **options)

    return go


def weights(denoiser) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in denoiser.parameters()])


def same_measurements(one, other) -> bool:
    return one.measurement_names() == other.measurement_names() and all(
        one.measurement(name).identical(other.measurement(name)) for name in one.measurement_names()
    )


@pytest.mark.parametrize("preconditioning", ["edm", "spectral", "spectral-skip"])
@pytest.mark.parametrize("loss", ["pixel", "target"])
def test_training_lowers_the_loss(trained, data, spectrum, configure, preconditioning, loss):
    config = configure(loss=loss, steps=200, learning_rate=1e-2, batch_size=128)
    chosen = config.preconditioning.model_copy(update={"name": preconditioning})
    config = config.model_copy(update={"preconditioning": chosen})
    fixed = Batches(data, 2000, 99, torch.device("cpu")).at(0)
    before = build_denoiser(config, spectrum)
    after = trained(config, instruments=())[1]
    objective = build_loss(config, before.preconditioner)
    with torch.no_grad():
        assert objective(after, *fixed).mean() < 0.97 * objective(before, *fixed).mean()


def test_equals_a_plain_loop(trained, data, spectrum, configure):
    """The loop is Adam on the mean loss of the step's batch, nothing else."""
    config = configure()
    plain = build_denoiser(config, spectrum)
    loss, optimizer = build_loss(config, plain.preconditioner), torch.optim.Adam(plain.parameters(), lr=1e-3)
    stream = Batches(data, 8, config.seed, torch.device("cpu"))
    for step in range(12):
        optimizer.zero_grad()
        loss(plain, *stream.at(step)).mean().backward()
        optimizer.step()
    _, denoiser = trained(config)
    torch.testing.assert_close(weights(denoiser), weights(plain), rtol=1e-4, atol=1e-6)


def test_what_is_measured_and_stored(trained, probe):
    run, denoiser = trained()
    np.testing.assert_array_equal(run.measurement("probe").step, [0, 1, 2, 5, 12])
    np.testing.assert_array_equal(run.measurement("training_loss").step, [1, 2, 5, 12])
    np.testing.assert_array_equal(run.measurement("training_loss").n_steps, [1, 1, 3, 7])
    assert run.checkpoints == (10, 12)
    assert run.finished
    assert probe.modes == [False] * 5
    assert run.environment["device"] == "cpu"
    assert run.environment["precision"] == "float32"
    assert isinstance(denoiser, Denoiser)
    assert not denoiser.training


def test_first_measurement_sees_the_skip_and_the_last_the_trained_weights(trained, spectrum, configure):
    run, denoiser = trained()
    x = torch.linspace(-1, 1, 8).reshape(2, 1, 2, 2)
    fresh = build_denoiser(configure(), spectrum).eval()
    measured = run.measurement("probe").denoised
    with torch.no_grad():
        np.testing.assert_array_equal(measured[0], fresh(x, 0.5))
        np.testing.assert_array_equal(measured[-1], denoiser(x, 0.5))
        np.testing.assert_array_equal(measured[-1], load_denoiser(run.path)(x, 0.5))


def test_instruments_and_global_randomness_do_not_disturb_training(trained):
    torch.manual_seed(1)
    _, watched = trained()
    torch.manual_seed(2)
    _, alone = trained(instruments=())
    assert torch.equal(weights(watched), weights(alone))


@pytest.mark.parametrize("ema_decay", [None, 0.9])
@pytest.mark.parametrize("stop", [1, 5, 7, 11])
def test_resumed_run_is_the_same_run(trained, configure, monkeypatch, stop, ema_decay):
    """Stop at the beginning of any step, resume: weights and measurements bit for bit."""
    config = configure(ema_decay=ema_decay)
    whole, expected = trained(config)
    draw = Batches.at

    def interrupted(self, step):
        if step == stop:
            raise KeyboardInterrupt
        return draw(self, step)

    monkeypatch.setattr(Batches, "at", interrupted)
    run = None
    with pytest.raises(KeyboardInterrupt):
        trained(config, run := whole.create(whole.path.parent / "stopped", config))
    monkeypatch.undo()
    _, denoiser = trained(config, run, resume=True)
    assert torch.equal(weights(denoiser), weights(expected))
    assert same_measurements(run, whole)
    assert run.checkpoints == whole.checkpoints


def test_average_of_weights_is_what_is_watched_and_loaded(trained, configure, spectrum):
    run, averaged = trained(configure(ema_decay=0.9, checkpoint_every=1, checkpoints_kept=12))
    _, raw = trained(configure())
    assert not torch.equal(weights(averaged), weights(raw))
    assert torch.equal(weights(load_denoiser(run.path)), weights(averaged))
    file = run.checkpoint_path(12) / "model.safetensors"
    assert torch.equal(weights(load_denoiser(file)), weights(raw))
    expected = weights(build_denoiser(configure(), spectrum))
    for step in range(1, 13):
        at_step = load_denoiser(run.checkpoint_path(step) / "model.safetensors")
        expected = 0.9 * expected + 0.1 * weights(at_step)
    torch.testing.assert_close(weights(averaged), expected, rtol=1e-5, atol=1e-7)


def test_finished_run_resumes_to_itself(trained):
    run, expected = trained()
    before = sorted((p, p.stat().st_mtime_ns) for p in run.path.rglob("*.safetensors"))
    _, denoiser = trained(run=run, resume=True)
    assert torch.equal(weights(denoiser), weights(expected))
    assert sorted((p, p.stat().st_mtime_ns) for p in run.path.rglob("*.safetensors")) == before


def test_trained_run_is_not_trained_over(trained):
    run, _ = trained()
    with pytest.raises(ValueError, match="is trained already; go on with it"):
        trained(run=run)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "flipped"])
def test_damaged_checkpoint_is_named_and_the_previous_one_used(trained, file, damage):
    run, expected = trained()
    whole = {name: run.measurement(name) for name in run.measurement_names()}
    bad = run.checkpoint_path(12) / file
    content = bad.read_bytes()
    bad.unlink()
    if damage == "truncated":
        bad.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        bad.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    with pytest.raises(CorruptCheckpoint) as caught:
        load_denoiser(run.checkpoint_path(12))
    assert str(bad) in str(caught.value)
    assert "--resume" in str(caught.value)
    with pytest.warns(RuntimeWarning, match="passed over a checkpoint"):
        load_denoiser(run.path)
    with pytest.warns(RuntimeWarning, match="passed over a checkpoint"):
        _, denoiser = trained(run=run, resume=True)
    assert torch.equal(weights(denoiser), weights(expected))
    assert all(run.measurement(name).identical(dataset) for name, dataset in whole.items())
    assert torch.equal(weights(load_denoiser(run.path)), weights(expected))


@pytest.mark.parametrize("failing", ["00000005", "00000002"])
def test_full_disk_stops_with_one_message_and_resumes(trained, configure, monkeypatch, failing):
    """Step 2 is a measurement, step 5 a measurement and then a checkpoint."""
    whole, expected = trained()
    run = whole.create(whole.path.parent / "full", configure())
    rename = os.rename

    def full(source, target):
        if failing in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rename(source, target)

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(StorageError, match=rf"no space left to write .*{failing}; free some disk space"):
        trained(run=run)
    monkeypatch.undo()
    _, denoiser = trained(run=run, resume=True)
    assert torch.equal(weights(denoiser), weights(expected))
    assert same_measurements(run, whole)


def test_lost_measurement_of_the_last_checkpoint_is_made_again(trained):
    run, _ = trained()
    expected = run.measurement("probe")
    damaged = run.path / "measurements.zarr" / "00000012"
    for file in damaged.rglob("*"):
        file.unlink() if file.is_file() else None
    for folder in (*sorted(damaged.rglob("*"), reverse=True), damaged):
        folder.rmdir()
    trained(run=run, resume=True)
    assert run.measurement("probe").identical(expected)


def test_old_checkpoints_are_deleted_as_configured(trained, configure):
    run, _ = trained(configure(checkpoint_every=2, checkpoints_kept=3))
    assert run.checkpoints == (8, 10, 12)


def test_data_that_are_not_finite_stop_training(trained, data):
    data.values[:] = np.nan
    with pytest.raises(NonFiniteLoss, match=r"stopped at step 0: the data of its batch .*learning rate"):
        trained()


def test_network_that_overflows_stops_training(data, spectrum, configure, new_run):
    config = configure()
    denoiser = build_denoiser(config, spectrum)
    with torch.no_grad():
        denoiser.network.exit.bias.fill_(3e38)
    with pytest.raises(NonFiniteLoss, match="step 0: the network's output is not finite"):
        train(config, new_run(config), data, denoiser, progress=False)


def test_gradient_that_is_not_finite_stops_training_and_keeps_the_checkpoint(
    data, spectrum, configure, new_run, monkeypatch
):
    config = configure()
    run, denoiser = new_run(config), build_denoiser(config, spectrum)
    draw = Batches.at

    def poison(self, step):
        if step == 7:
            denoiser.network.entry.weight.register_hook(lambda gradient: gradient * torch.inf)
        return draw(self, step)

    monkeypatch.setattr(Batches, "at", poison)
    with pytest.raises(NonFiniteLoss) as caught:
        train(config, run, data, denoiser, progress=False)
    message = str(caught.value)
    assert message.startswith("training stopped at step 8: the gradient of step 7 was not finite")
    assert f"the checkpoint {run.checkpoint_path(5)} is good" in message
    assert "learning rate below 0.001" in message
    assert torch.isfinite(weights(load_denoiser(run.path))).all()


def test_weights_are_checked_before_they_are_stored(data, spectrum, configure, new_run):
    """A bad gradient in the last step before a checkpoint shows in no loss: the weights themselves tell."""
    config = configure(steps=1)
    denoiser, run = build_denoiser(config, spectrum), new_run(config)
    denoiser.network.exit.weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(NonFiniteLoss, match="step 0: its gradient was not finite"):
        train(config, run, data, denoiser, progress=False)
    assert run.checkpoints == ()


def test_load_denoiser_refuses_what_is_none(tmp_path, configure, new_run):
    with pytest.raises(ValueError, match="does not exist; give a run folder"):
        load_denoiser(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no undamaged checkpoint"):
        load_denoiser(new_run(configure()).path)
    with pytest.raises(CorruptCheckpoint, match=r"state.json: is missing"):
        load_denoiser(tmp_path)


def test_optimizer_state_round_trip(spectrum, configure, data):
    denoiser = build_denoiser(configure(), spectrum)
    optimizer = torch.optim.Adam(denoiser.parameters(), fused=True)
    build_loss(configure(), denoiser.preconditioner)(
        denoiser, *Batches(data, 8, 0, torch.device("cpu")).at(0)
    ).sum().backward()
    optimizer.step()
    flat = copy.deepcopy(checkpoints.flat_optimizer(optimizer))
    fresh = torch.optim.Adam(denoiser.parameters(), fused=True)
    checkpoints.restore_optimizer(fresh, flat)
    again = checkpoints.flat_optimizer(fresh)
    assert flat.keys() == again.keys()
    assert all(torch.equal(flat[key], again[key]) for key in flat)
    assert any(key.endswith("exp_avg_sq") for key in flat)


@pytest.mark.parametrize(("terminal", "shown"), [(True, True), (True, False), (False, True)])
def test_progress_bar_shows_on_terminals_only(terminal, shown):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100)
    with progress_bar(0, 10, shown=shown, console=console) as report:
        for step in range(1, 11):
            report(step, 0.25)
    assert ("10/10" in stream.getvalue()) == (terminal and shown)
    assert ("0.25" in stream.getvalue()) == (terminal and shown)
