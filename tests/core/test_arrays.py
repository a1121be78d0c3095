"""NumPy and torch through one formula."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from scorelens.core.arrays import against, floating, namespace


def test_namespace_follows_the_array() -> None:
    assert namespace(torch.ones(2)) is torch
    assert namespace(torch.nn.Parameter(torch.ones(2))) is torch
    assert namespace(np.ones(2)) is np
    assert namespace(1.0) is np


def test_floating_keeps_torch_and_widens_the_rest() -> None:
    single = torch.ones(2)
    assert floating(single) is single
    assert floating(torch.ones(2, dtype=torch.int64)).dtype == torch.float32
    assert floating(np.ones(2, dtype=np.float32)).dtype == np.float64
    assert floating([1, 2]).dtype == np.float64


def test_levels_are_set_against_events() -> None:
    x = np.zeros((4, 3, 2))
    assert against(2.0, x) == 2.0
    assert against(np.ones(4), x).shape == (4, 1, 1)
    assert against(torch.ones(4), torch.zeros(4)).shape == (4,)
    with pytest.raises(ValueError, match=r"shape \(4,\); got \(3,\)"):
        against(np.ones(3), x)


def test_processes_do_not_import_torch() -> None:
    code = (
        "import sys; from scorelens.core.processes import ALL; "
        "[m().sigma(0.5) for m in ALL]; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
