"""Which variances to assume along estimated eigenvectors, given that their eigenvalues are estimates too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from scorelens.core.spectrum import Spectrum

Blocks = Iterable[np.ndarray]


class Variances(NamedTuple):
    """Variance along each kept mode, shape ``(k,)``, and mean variance per direction outside (0 if none)."""

    modes: np.ndarray
    rest: float


def unshrunk(spectrum: Spectrum, blocks: Blocks | None = None) -> Variances:
    """The eigenvalues as they are; ``blocks`` are not read."""
    return Variances(spectrum.eigenvalues, spectrum.residual_variance)


def ledoit_wolf(spectrum: Spectrum, blocks: Blocks | None) -> Variances:
    """Linear shrinkage toward the mean variance ([E26]; Ledoit & Wolf 2004).

    ``blocks`` of shape ``(b, *event)`` are the samples that ``spectrum`` was computed from. Directions
    outside the kept modes count with their mean variance.
    """
    eigenvalues, rest = spectrum.eigenvalues, spectrum.residual_variance
    n_rest, mean_variance = spectrum.dim - spectrum.n_modes, spectrum.total_variance / spectrum.dim
    squared_norms = _squared_norms(spectrum, blocks, "ledoit-wolf")
    frobenius = float(np.sum(eigenvalues**2) + n_rest * rest**2)
    spread = frobenius - spectrum.dim * mean_variance**2
    noise = (float(np.mean(squared_norms**2)) - frobenius) / len(squared_norms)
    weight = 1.0 if noise >= spread else max(noise, 0.0) / spread
    return Variances(
        (1 - weight) * eigenvalues + weight * mean_variance,
        (1 - weight) * rest + weight * mean_variance if n_rest else 0.0,
    )


def held_out(spectrum: Spectrum, blocks: Blocks | None) -> Variances:
    """Second moments of held-out samples about the mean, along the eigenvectors ([E26]).

    Unbiased for the variance that the population has along the estimated eigenvectors. ``blocks`` of shape
    ``(b, *event)`` are samples that ``spectrum`` has not seen.
    """
    n_samples, modes, total = 0, np.zeros(spectrum.n_modes), 0.0
    for block in _required(blocks, "held-out"):
        flat = np.asarray(block, dtype=np.float64).reshape(len(block), -1)
        modes += np.sum(spectrum.project(flat) ** 2, axis=0)
        total += float(np.sum((flat - spectrum.mean) ** 2))
        n_samples += len(flat)
    if n_samples == 0:
        raise ValueError("shrinkage 'held-out' needs held-out samples, got none; hold some out or use 'none'")
    n_rest = spectrum.dim - spectrum.n_modes
    rest = max(total - float(modes.sum()), 0.0) / n_rest if n_rest else 0.0
    return Variances(modes / n_samples, rest / n_samples)


ALL: dict[str, Callable[[Spectrum, Blocks | None], Variances]] = {
    "none": unshrunk,
    "ledoit-wolf": ledoit_wolf,
    "held-out": held_out,
}


def _squared_norms(spectrum: Spectrum, blocks: Blocks | None, name: str) -> np.ndarray:
    norms = [
        np.sum((np.asarray(block, dtype=np.float64).reshape(len(block), -1) - spectrum.mean) ** 2, axis=1)
        for block in _required(blocks, name)
    ]
    return np.concatenate(norms)


def _required(blocks: Blocks | None, name: str) -> Blocks:
    if blocks is None:
        raise ValueError(f"shrinkage {name!r} needs samples, got none; give `samples` or use 'none'")
    return blocks
