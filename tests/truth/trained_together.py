"""Train in one process, then the same in two; run by `test_two_process_training.py`.

    python trained_together.py FOLDER STEPS

Makes the runs FOLDER/one and FOLDER/two. The processes are forked (so that PyTorch is imported once) and find
their place in the environment, as `torchrun` or `accelerate launch` would put it there. Training is stopped
half way and resumed, so that both are met with several processes.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from pathlib import Path

import numpy as np
import torch.distributed
from accelerate import PartialState

from scorelens import training
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import Data
from scorelens.results import Run, RunConfig
from scorelens.training.batches import Batches


def train(folder: Path, steps: int) -> None:
    """Train ``steps`` steps in ``folder``, interrupted before step ``steps / 2``."""
    config = RunConfig.model_validate(
        {
            "network": {"width": 8, "depth": 1, "embedding": 4},
            "training": {"steps": steps, "batch_size": 9, "checkpoint_every": 4, "learning_rate": 1e-2},
            "measurement": {"n_measurements": 5},
        }
    )
    rng = np.random.default_rng(0)
    values = rng.choice([-1.0, 1.0], size=(80, 1)) * np.ones(4) + 0.3 * rng.normal(size=(80, 4))
    data = Data("two clusters", values.astype("float32"), kind="vector")
    spectrum = fit_spectrum(data.blocks, data.event_shape)
    with PartialState(cpu=True).main_process_first():
        run = Run.create(folder, config, resume=True)
    draw = Batches.at

    def interrupted(self: Batches, step: int):
        if step == steps // 2:
            raise KeyboardInterrupt
        return draw(self, step)

    Batches.at = interrupted
    try:
        training.train(config, run, data, training.build_denoiser(config, spectrum), progress=False)
    except KeyboardInterrupt:
        Batches.at = draw
    denoiser = training.build_denoiser(config, spectrum)
    training.train(config, run, data, denoiser, resume=True, progress=False)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def launch(folder: Path, steps: int, n_processes: int) -> None:
    """Train in so many forked processes and wait for all."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    children = []
    for rank in range(n_processes):
        child = os.fork()
        if child == 0:
            if n_processes > 1:
                place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(n_processes)}
                os.environ.update(place | address)
            _exit_after(folder, steps)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    if failed:
        raise SystemExit(f"{len(failed)} of {n_processes} processes failed")


def _exit_after(folder: Path, steps: int) -> None:
    try:
        train(folder, steps)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    torch.optim.Adam([torch.zeros(1)])  # the children inherit what this imports
    launch(Path(sys.argv[1], "one"), int(sys.argv[2]), 1)
    launch(Path(sys.argv[1], "two"), int(sys.argv[2]), 2)
