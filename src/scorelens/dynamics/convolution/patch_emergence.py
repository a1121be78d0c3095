"""When each spatial frequency emerges from a local filter."""

from __future__ import annotations

import numpy as np

from scorelens.core import checks
from scorelens.dynamics import gain_law
from scorelens.dynamics.convolution.autocovariance import mirrored
from scorelens.dynamics.convolution.patch import PatchConvolution
from scorelens.dynamics.emergence.times import TARGETS, Emergence, trajectory_emergence
from scorelens.dynamics.generation.sampler import ExactSampler


def patch_emergence_time(
    law: PatchConvolution,
    *,
    frequencies: np.ndarray | None = None,
    criterion: str = "harmonic",
    target: str = "data",
    band: float = 1.25,
    sampler: ExactSampler | None = None,
) -> Emergence:
    """Flow time at which each frequency's generated variance first crosses its threshold.

    ``frequencies (n,)`` are indices into the flattened image; all of them unless given, which for a large
    image takes minutes. Other arguments as for `emergence_time`: the target ``data`` may never be reached, as
    a filter smaller than the image does not learn the spectrum of the data (learning dynamics (10.5)).

    >>> law = PatchConvolution([2.0, 1.0, 0.0, 1.0], [-1, 0, 1])
    >>> patch_emergence_time(law, frequencies=[0, 1], target="asymptote").flow_time.round(5)
    array([0.00253, 0.00536])
    """
    checks.choice("target", target, TARGETS)
    low, high = (sampler or ExactSampler()).ends
    asked = np.arange(law.dim) if frequencies is None else np.asarray(frequencies)
    # A frequency and its negative have the same variance at all times.
    chosen, place = np.unique(np.minimum(asked, _negative(law.grid)[asked]), return_inverse=True)
    start = law.log_start_variance(low, high).ravel()[chosen]
    if target == "asymptote":
        distance = law.log_limit_variance(low, high).ravel()[chosen] - start
    else:
        distance = gain_law.log_abs(law.fourier_variance.ravel()[chosen]) - start
    trajectory = law.trajectory(low, high, chosen)
    found = trajectory_emergence(trajectory, distance, criterion=criterion, target=target, band=band)
    return Emergence(found.flow_time[place], found.status[place], criterion, target)


def _negative(grid: tuple[int, ...]) -> np.ndarray:
    """Index of the negative of each frequency of the flattened grid."""
    return mirrored(np.arange(int(np.prod(grid))).reshape(grid)).ravel()
