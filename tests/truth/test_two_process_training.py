"""Two processes train the same model as one, up to the rounding of their sums."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scorelens.results import Run
from scorelens.training import load_denoiser


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_processes_equal_one(tmp_path: Path):
    script = Path(__file__).parent / "trained_together.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "12"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    one, two = Run.open(tmp_path / "one"), Run.open(tmp_path / "two")
    assert one.environment["n_processes"] == 1
    assert two.environment["n_processes"] == 2

    expected, found = load_denoiser(one.path).state_dict(), load_denoiser(two.path).state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-6, msg=name)

    assert two.measured_steps == one.measured_steps
    assert two.checkpoints == one.checkpoints
    for name in one.measurement_names():
        for key, values in one.measurement(name).data_vars.items():
            np.testing.assert_allclose(two.measurement(name)[key], values, rtol=2e-4, atol=1e-6)
