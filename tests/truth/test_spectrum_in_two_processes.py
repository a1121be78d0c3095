"""Moments gathered from two processes: the same bits on both, and the spectrum of one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scorelens.core.moments import Moments
from scorelens.core.spectrum import Spectrum

pytestmark = pytest.mark.slow

WORKER = """
import sys
import numpy as np
import torch.distributed as dist
from scorelens.core.moments import Moments

folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)

def save_gathered(name, rows):
    moments = Moments(24)
    for block in np.array_split(rows, 3):
        moments.update(block)
    moments.gather().spectrum((24,)).save(f"{folder}/{name}{rank}.safetensors")

x = np.load(f"{folder}/x.npy")
save_gathered("split", x[:700] if rank == 0 else x[700:])
save_gathered("one-is-empty", x if rank == 1 else x[:0])
try:
    Moments(3 + rank).gather()
except ValueError as error:
    print(error)
dist.barrier()
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    rng = np.random.default_rng(0)
    return 50.0 + rng.standard_normal((1000, 24)) * np.arange(1, 25) ** -1.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory, x) -> Path:
    """What two processes joined by gloo left behind."""
    path = tmp_path_factory.mktemp("two-processes")
    np.save(path / "x.npy", x)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), str(rank)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    for rank, worker in enumerate(workers):
        out, error = worker.communicate(timeout=180)
        assert worker.returncode == 0, error
        (path / f"refusal{rank}").write_text(out)
    return path


@pytest.mark.parametrize("name", ["split", "one-is-empty"])
def test_two_processes_give_the_spectrum_of_one(folder, x, name):
    first, second = (Spectrum.load(folder / f"{name}{rank}.safetensors") for rank in (0, 1))
    alone = Moments(24)
    alone.update(x)
    expected = alone.spectrum((24,))
    for array in ("mean", "eigenvalues", "eigenvectors"):
        np.testing.assert_array_equal(getattr(first, array), getattr(second, array))
        np.testing.assert_allclose(getattr(first, array), getattr(expected, array), rtol=1e-9, atol=1e-10)
    assert first.n_samples == second.n_samples == 1000
    assert first.total_variance == second.total_variance


@pytest.mark.parametrize("rank", [0, 1])
def test_different_dimensions_are_refused_on_both(folder, rank):
    refusal = (folder / f"refusal{rank}").read_text()
    assert "every process must hold the same dimension, got [3, 4] by rank" in refusal
