"""What a denoiser does in its own basis: it shrinks the coefficients of its input, up to an offset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.core.jacobian import JacobianAt
from scorelens.geometry.spectrum import JacobianSpectrum


@dataclass(frozen=True)
class AdaptiveBasis:
    """``D(x) = sum_k gain_k <x, e_k> e_k + the rest`` at b points, in the k eigenvectors of its Jacobian.

    The rest is what symmetry, the modes left out and the offset leave over (geometry [P12], [P13]).
    """

    gains: Tensor
    """Eigenvalues ``(b, k)``: the factor by which a coefficient is shrunk."""
    noisy: Tensor
    """``<x, e_k>``, ``(b, k)``: coefficients of the noisy input, data units."""
    denoised: Tensor
    """``<D(x), e_k>``, ``(b, k)``: coefficients of the output."""
    explained: Tensor
    """``1 - |D(x) - sum_k gain_k <x, e_k> e_k|^2 / |D(x)|^2``, ``(b,)``: 1 if the modes say it all."""


def adaptive_basis(spectrum: JacobianSpectrum) -> AdaptiveBasis:
    """Shrinkage factors against projection coefficients (Kadkhodaie et al. 2024).

    >>> from scorelens.geometry.spectrum import jacobian_spectrum
    >>> gains = torch.tensor([0.75, 0.5])
    >>> found = adaptive_basis(jacobian_spectrum(lambda x, sigma: gains * x, torch.ones(1, 2) * 4, 1.0, 2))
    >>> found.gains.tolist(), found.noisy.tolist(), found.denoised.tolist(), found.explained.tolist()
    ([[0.75, 0.5]], [[4.0, 4.0]], [[3.0, 2.0]], [1.0])
    """
    frame = spectrum.eigenvectors
    noisy = (frame.mT @ spectrum.x[..., None])[..., 0]
    denoised = (frame.mT @ spectrum.value[..., None])[..., 0]
    linear = (frame @ (spectrum.eigenvalues * noisy)[..., None])[..., 0]
    missing = (spectrum.value - linear).square().sum(1)
    whole = spectrum.value.square().sum(1)
    explained = 1 - missing / whole.clamp_min(torch.finfo(whole.dtype).tiny)
    return AdaptiveBasis(spectrum.eigenvalues, noisy, denoised, explained)


class Offset(NamedTuple):
    """``vector (b, d)`` is ``r = D(x) - J x``, ``relative (b,)`` is ``|r| / |D(x)|`` (0 where both are 0)."""

    vector: Tensor
    relative: Tensor


def local_offset(jacobian: JacobianAt, center: Tensor | float = 0.0) -> Offset:
    """What the local linearisation leaves out: 0 if ``D(c x) = c D(x)`` (geometry [P11], [P12]).

    About ``center (d,)`` it is ``D(x) - center - J (x - center)``, relative to ``|D(x) - center|``: 0 for an
    affine denoiser with that fixed point.

    >>> at = JacobianAt(lambda x, sigma: 0.5 * x + 1, torch.ones(1, 2), 1.0)
    >>> local_offset(at).vector.tolist()
    [[1.0, 1.0]]
    >>> local_offset(at, center=2 * torch.ones(2)).relative.tolist()  # 2 is kept
    [0.0]
    """
    middle = torch.as_tensor(center).to(jacobian.x)
    kept = jacobian.value - middle
    vector = (kept - jacobian.apply(jacobian.x - middle)).double().cpu()
    return Offset(vector, _relative(vector, kept))


def homogeneity_defect(denoiser: Denoiser, x: Tensor, sigma: Tensor | float, factor: float = 2.0) -> Tensor:
    """``|D(c x) - c D(x)| / |c D(x)|`` per point, ``(b,)``, at the same ``sigma``; ``c = factor`` > 0.

    0 for networks without bias and without additive noise input ([P11]); of an optimal denoiser only where
    the data are a Gaussian of mean 0 ([P12]).

    >>> homogeneity_defect(lambda x, sigma: x.relu(), torch.ones(1, 2), 1.0).item()
    0.0
    """
    return _scaling_defect(denoiser, x, sigma, factor, 1.0)


def joint_scaling_defect(denoiser: Denoiser, x: Tensor, sigma: Tensor | float, factor: float = 2.0) -> Tensor:
    """``|D(c x; c sigma) - c D(x; sigma)| / |c D(x; sigma)|`` per point, ``(b,)``.

    How much a denoiser knows of the scale of its data: 0 if data scaled by ``factor`` were as likely ([P12]).

    >>> def denoiser(x, sigma):
    ...     return x / (1 + sigma.square())[:, None]
    >>> joint_scaling_defect(denoiser, torch.ones(1, 2), 1.0).item()
    0.6
    """
    return _scaling_defect(denoiser, x, sigma, factor, factor)


def _scaling_defect(
    denoiser: Denoiser, x: Tensor, sigma: Tensor | float, factor: float, level_factor: float
) -> Tensor:
    if not 0 < factor < float("inf") or factor == 1:
        raise ValueError(f"factor must be > 0, finite and not 1, got {factor}")
    # No derivative is asked for: the operator only evaluates, in its own precision.
    at = JacobianAt(denoiser, x, sigma, way="differences")
    return scaling_defect(at, factor, level_factor)


def scaling_defect(at: JacobianAt, factor: float = 2.0, level_factor: float = 1.0) -> Tensor:
    """`homogeneity_defect` of an operator that has been had already; ``level_factor`` scales the noise, too.

    >>> scaling_defect(JacobianAt(lambda x, sigma: x.relu(), torch.ones(1, 2), 1.0)).item()
    0.0
    """
    events = (factor * at.x).reshape(at.n_points, *at.event_shape)
    scaled = at.moved(events, level_factor * at.sigma).value
    return _relative(scaled - factor * at.value, factor * at.value)


def _relative(difference: Tensor, whole: Tensor) -> Tensor:
    top, bottom = (t.double().cpu().norm(dim=1) for t in (difference, whole))
    return torch.where(top > 0, top / bottom, 0.0)
