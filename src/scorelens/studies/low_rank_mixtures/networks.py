"""What a small network learned of planted subspaces: its Jacobian near unseen points, and its samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import generator
from scorelens.core.jacobian import JacobianAt
from scorelens.core.sigma_grid import karras
from scorelens.generalization.memorization.near_copies import nearness
from scorelens.sampling.sampler import sample

SAMPLER = karras(18, 0.01, 20.0)
COPY = 1 / 3
"""A sample is a copy if the nearest training point is within this share of the distance to the second
nearest (yoon2023)."""


class Generated(NamedTuple):
    """``off``: share of the samples' square norm off the nearest subspace; ``copies``: share of them."""

    off: float
    copies: float


def jacobians(denoiser: Denoiser, points: np.ndarray, sigma: float) -> Tensor:
    """``dD/dx`` at ``points (..., ambient)``, float64 ``(..., ambient, ambient)``."""
    rows = torch.as_tensor(points.reshape(-1, points.shape[-1]), dtype=torch.float32)
    full = JacobianAt(denoiser, rows, sigma, way="reverse").full().double().cpu()
    return full.reshape(*points.shape, points.shape[-1])


def leading_subspaces(denoiser: Denoiser, noisy: np.ndarray, sigma: float, dim: int) -> np.ndarray:
    """Leading ``dim`` eigenvectors of the Jacobian's symmetric part, averaged over points of a subspace.

    ``noisy (k, m, ambient)`` are points near each of ``k`` subspaces; ``(k, ambient, dim)``.
    """
    mean = jacobians(denoiser, noisy, sigma).mean(1)
    _, vectors = torch.linalg.eigh((mean + mean.mT) / 2)
    return vectors.flip(-1)[..., :dim].numpy()


def generated(denoiser: Denoiser, frames: np.ndarray, train: np.ndarray, n: int, seed: int) -> Generated:
    """``n`` samples of ``denoiser``, against ``frames (k, ambient, dim)`` and ``train (N, ambient)``."""
    noise = torch.randn(n, train.shape[1], generator=generator(seed, "samples of a low-rank mixture"))
    samples = sample(denoiser, noise, SAMPLER, denoise_last=True).double().numpy()
    on = (np.einsum("knd,sn->skd", frames, samples) ** 2).sum(2).max(1)
    size = (samples**2).sum(1)
    apart = np.linalg.norm(samples[:, None] - train, axis=2)
    copies = nearness(np.sort(apart, axis=1)[:, :2]) < COPY
    return Generated(float(1 - on.sum() / size.sum()), float(copies.mean()))
