"""How far a denoiser is from each clean point that it was shown with noise."""

from __future__ import annotations

import numpy as np

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import undisturbed
from scorelens.instruments.probes import Probes


def squared_errors(denoiser: Denoiser, probes: Probes, sigmas: np.ndarray) -> np.ndarray:
    """``||D(x_0 + sigma n, sigma) - x_0||^2`` of each point, averaged over its noises: ``(sigma, n_points)``.

    Two denoisers meet the same points and the same noise, so their errors can be compared pair by pair.
    Raises ``ValueError`` if an output is not finite.
    """
    with undisturbed(denoiser):
        levels = enumerate(np.asarray(sigmas, dtype=float).tolist())
        return np.stack([_at_level(denoiser, probes, level, sigma) for level, sigma in levels])


def squared_distances(probes: Probes, centre: np.ndarray) -> np.ndarray:
    """``||x_0 - centre||^2`` of each point of ``probes``, ``(n_points,)``; ``centre`` is flat ``(d,)``."""
    points = probes.data[probes.indices]
    return ((points.reshape(len(points), -1).astype(np.float64) - centre) ** 2).sum(axis=1)


def _at_level(denoiser: Denoiser, probes: Probes, level: int, sigma: float) -> np.ndarray:
    errors = []
    for points, _, output in probes.answers(denoiser, level, sigma):
        errors.append((output - points).flatten(1).double().square().sum(dim=1).numpy())
    return np.concatenate(errors).reshape(probes.repeats, probes.n_points).mean(axis=0)
