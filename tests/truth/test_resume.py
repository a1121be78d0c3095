"""Killed at random instants and resumed, a run completes and equals an uninterrupted one bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scorelens.results import Run
from scorelens.training import checkpoints

N_KILLS = 20


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path: Path):
    script = Path(__file__).parent / "killed_training.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(N_KILLS), "0"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert len(outcome["kills"]) == N_KILLS
    assert len(set(outcome["kills"])) >= 3, "the kills hit too few stages of training to mean anything"
    expected = Run.open(tmp_path / "uninterrupted")
    for name in outcome["completed"]:
        assert_same_run(Run.open(tmp_path / name), expected)


def assert_same_run(run: Run, expected: Run) -> None:
    assert run.measured_steps == expected.measured_steps
    assert run.measurement_names() == expected.measurement_names()
    for name in expected.measurement_names():
        assert run.measurement(name).identical(expected.measurement(name)), name
    assert run.checkpoints == expected.checkpoints
    step = expected.config.training.steps
    found, wanted = (checkpoints.load(r.checkpoint_path(step)) for r in (run, expected))
    assert_same_tensors(found.denoiser.state_dict(), wanted.denoiser.state_dict())
    assert found.ema is not None
    assert wanted.ema is not None
    assert_same_tensors(found.ema.state_dict(), wanted.ema.state_dict())
    assert_same_tensors(found.optimizer, wanted.optimizer)
    assert not [p for p in run.path.rglob("*") if p.name.startswith(".partial-")]


def assert_same_tensors(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name
