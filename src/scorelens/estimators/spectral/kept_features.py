"""Features inside a fitted denoiser: their arrays are buffers, so that one file holds both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

_PREFIX = "features_"


def kept(features: Any) -> dict[str, Tensor]:
    """The arrays of ``features`` as buffers named ``features_...``."""
    return {_PREFIX + key: torch.tensor(value) for key, value in features.arrays().items()}


def taken_back(buffers: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The arrays that `kept` made, from among all buffers."""
    found = {key: value for key, value in buffers.items() if key.startswith(_PREFIX)}
    return {key.removeprefix(_PREFIX): value.cpu().numpy() for key, value in found.items()}
