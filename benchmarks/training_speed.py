"""Training steps per second against a plain eager PyTorch loop on the same network, in one process.

The plain loop is what one writes by hand: ``torch.optim.Adam`` with its defaults, ``torch.randint`` and
``torch.randn`` from the global generator, the same preconditioned network, loss, batch size and data. Ours
also records the loss, checks that it is finite, and draws each batch from the step's own generator; its
time includes the final checkpoint. Blocks of both alternate, so that a busy machine slows both alike.

    python benchmarks/training_speed.py [--data digits] [--preconditioning edm] [--steps 300] [--rounds 7]
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import torch

from scorelens import data, training
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.networks import PreconditionedDenoiser
from scorelens.results import Run, RunConfig
from scorelens.results.config import DataConfig, MeasurementConfig, PreconditioningConfig, TrainingConfig


def plain_seconds(denoiser: PreconditionedDenoiser, x: torch.Tensor, config: RunConfig) -> float:
    """Seconds that a hand-written loop takes for the configured number of steps."""
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=config.training.learning_rate)
    sigma_data = denoiser.preconditioner.mean_variance**0.5
    batch = config.training.batch_size
    denoiser.train()
    start = time.perf_counter()
    for _ in range(config.training.steps):
        x0 = x[torch.randint(len(x), (batch,))]
        sigma = (config.noise.p_mean + config.noise.p_std * torch.randn(batch)).exp()
        noisy = x0 + sigma.view(-1, *[1] * (x0.ndim - 1)) * torch.randn_like(x0)
        weight = (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2
        loss = (weight * (denoiser(noisy, sigma) - x0).flatten(1).square().mean(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def our_seconds(denoiser: PreconditionedDenoiser, train: data.Data, config: RunConfig) -> float:
    """Seconds that `training.train` takes for the same steps."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder, "run"), config)
        start = time.perf_counter()
        training.train(config, run, train, denoiser, progress=False)
        return time.perf_counter() - start


def main() -> None:
    """Print the steps per second of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--preconditioning", default="edm", choices=["edm", "spectral", "spectral-skip"])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    config = RunConfig(
        data=DataConfig(spec=arguments.data),
        preconditioning=PreconditioningConfig(name=arguments.preconditioning),
        training=TrainingConfig(steps=arguments.steps),
        measurement=MeasurementConfig(n_measurements=2),
    )
    train, held_out = data.load(arguments.data).split(0.1, 0)
    spectrum = fit_spectrum(train.blocks, train.event_shape)
    fresh = training.build_denoiser(config, spectrum, held_out, train)
    x = torch.cat([torch.from_numpy(block) for block in train.blocks()])
    ours, plain = [], []
    for _ in range(arguments.rounds):
        plain.append(plain_seconds(copy.deepcopy(fresh), x, config))
        ours.append(our_seconds(copy.deepcopy(fresh), train, config))
    ratios = [p / o for p, o in zip(plain, ours, strict=True)]
    print(f"{arguments.data}, {arguments.preconditioning}, {torch.get_num_threads()} threads")
    print(f"plain loop  {arguments.steps / statistics.median(plain):8.1f} steps/s")
    print(f"scorelens   {arguments.steps / statistics.median(ours):8.1f} steps/s")
    print(f"ratio       {statistics.median(ratios):8.2f}  (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
