"""Train once uninterrupted, then train again and again while being killed; run by `test_resume.py`.

    python killed_training.py FOLDER N_KILLS SEED

Each training is a forked child (so that PyTorch is imported once) that is sent SIGKILL after a random time
and resumed until it completes. Prints one JSON line: the completed folders, and the last checkpoint that was
there at each kill.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from scorelens import instruments, training
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import Data
from scorelens.results import Run, RunConfig

CONFIG = RunConfig.model_validate(
    {
        "network": {"width": 8, "depth": 1, "embedding": 4},
        "training": {"steps": 24, "batch_size": 8, "checkpoint_every": 3, "ema_decay": 0.9},
        "sampler": {"n_sigmas": 4},
        "measurement": {
            "n_measurements": 7,
            "n_generated": 16,
            "n_probes": 16,
            "n_transfer_sigmas": 3,
            "n_images": 4,
        },
    }
)


def train(folder: Path) -> None:
    """Begin or continue the run in ``folder``."""
    rng = np.random.default_rng(0)
    values = rng.choice([-1.0, 1.0], size=(80, 1)) * np.ones(4) + 0.3 * rng.normal(size=(80, 4))
    whole = Data("two clusters", values.astype("float32"), kind="vector")
    data, held_out = whole.split(0.2, seed=0)
    spectrum = fit_spectrum(data.blocks, data.event_shape)
    run = Run.create(folder, CONFIG, resume=True)
    denoiser = training.build_denoiser(CONFIG, spectrum)
    watching = instruments.standard(data, held_out, spectrum, CONFIG)
    training.train(CONFIG, run, data, denoiser, watching, resume=True, progress=False)


def progress(folder: Path) -> int:
    """A number that grows with every measurement and checkpoint."""
    if not (folder / "config.json").exists():
        return 0
    run = Run.open(folder)
    return len(run.measured_steps) + max(run.checkpoints, default=0)


def kill(child: int, folder: Path, rng: np.random.Generator, seconds: float) -> None:
    """Kill at a random instant: some way on from here, however fast the machine is now, and a bit later."""
    target = progress(folder) + int(rng.integers(0, 8))
    deadline = time.perf_counter() + 3 * seconds
    while progress(folder) < target and time.perf_counter() < deadline:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.1 * seconds))
    os.kill(child, signal.SIGKILL)


def in_child(folder: Path, interrupt: Callable[[int, Path], None] | None = None) -> bool:
    """Train in a forked child that ``interrupt`` may kill; whether it completed."""
    child = os.fork()
    if child == 0:
        try:
            train(folder)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if interrupt is not None:
        interrupt(child, folder)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    if os.WEXITSTATUS(status):
        raise SystemExit(f"training in {folder} failed")
    return True


def main(root: Path, n_kills: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    torch.optim.Adam([torch.zeros(1)])  # the children inherit what this imports
    in_child(root / "warm-up")
    started = time.perf_counter()
    in_child(root / "uninterrupted")
    seconds = time.perf_counter() - started

    def interrupt(child: int, folder: Path) -> None:
        kill(child, folder, rng, seconds)

    completed, kills = [], []
    while len(kills) < n_kills:
        folder = root / f"killed-{len(completed)}"
        while not in_child(folder, interrupt if len(kills) < n_kills else None):
            checkpoints = Run.open(folder).checkpoints if (folder / "config.json").exists() else ()
            kills.append(checkpoints[-1] if checkpoints else 0)
        completed.append(folder.name)
    print(json.dumps({"completed": completed, "kills": kills}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
