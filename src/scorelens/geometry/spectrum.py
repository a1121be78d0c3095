"""Leading eigenpairs of a denoiser's Jacobian at points: the basis in which it denoises there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.block_krylov import Eigenpairs, block_krylov
from scorelens.core.denoiser import Denoiser
from scorelens.core.eigen import fix_signs, mode_count
from scorelens.core.jacobian import FORMED_DIM, JacobianAt
from scorelens.geometry.asymmetry import Asymmetry, asymmetry, exact_asymmetry

METHODS: Final = ("auto", "exact", "krylov")
# The Jacobian is formed up to this many dimensions, and up to this many times the eigenpairs asked for.
_SMALL, _PER_MODE = 256, 16


@dataclass(frozen=True)
class JacobianSpectrum:
    """The k largest eigenpairs of ``(J + J^T) / 2`` at b points of d values, float64 on the CPU.

    Eigenvalues are gains, without unit: 1 keeps a direction, 0 removes it ([P13]); those of an optimal
    denoiser are the variances of ``x_0`` given the point, over ``sigma^2`` ([P3]).
    """

    eigenvalues: Tensor
    """``(b, k)``, descending."""
    eigenvectors: Tensor
    """``(b, d, k)``, orthonormal columns; the largest entry of each is positive."""
    errors: Tensor
    """``(b, k)``: an eigenvalue lies within this of each; the i-th one where `converged`."""
    converged: Tensor
    """``(b, k)``: whether the error met the tolerance, or is all rounding."""
    asymmetry: Asymmetry
    """``|J - J^T|_F / |J|_F`` per point: what a symmetric eigenbasis leaves out."""
    value: Tensor
    """``D(x)``, ``(b, d)``."""
    x: Tensor
    """The points, ``(b, d)``."""
    sigma: Tensor
    """``(b,)``, data units."""
    event_shape: tuple[int, ...]
    method: str
    """``"exact"`` (Jacobian formed) or ``"krylov"``."""
    way: str
    """How products with the Jacobian were computed."""
    n_applied: int
    """Directions that the symmetric part was applied to, all points together."""

    @property
    def images(self) -> Tensor:
        """The eigenvectors as events, ``(b, k, *event)``."""
        b, _, k = self.eigenvectors.shape
        return self.eigenvectors.mT.reshape(b, k, *self.event_shape)

    @property
    def status(self) -> tuple[str, ...]:
        """One line per point: ``"converged"``, or which eigenpairs are not and by how much."""
        return tuple(map(_status, self.converged, self.errors, self.eigenvalues))


def jacobian_spectrum(
    denoiser: Denoiser,
    x: Tensor,
    sigma: Tensor | float,
    n_modes: int,
    *,
    tolerance: float = 1e-3,
    method: str = "auto",
    way: str = "auto",
    block: int | None = None,
    max_passes: int | None = None,
    seed: int = 0,
    dtype: torch.dtype | None = None,
) -> JacobianSpectrum:
    """The ``n_modes`` largest eigenpairs of the symmetric part of ``dD/dx`` at ``x (b, *event)``.

    ``sigma`` > 0 is a scalar or ``(b,)``; ``way`` and ``dtype`` are those of `JacobianAt`. ``method``:
    ``"krylov"`` applies ``J`` and ``J^T`` to ``block`` directions at a time and keeps O(k d) numbers
    (see `scorelens.core.block_krylov`; by default a block holds all modes and some guard modes, and one of 8
    needs about half the products of a network, but counts an eigenvalue repeated more often only 8 times);
    ``"exact"`` forms ``J``; ``"auto"`` forms it where that costs no more. Iteration ends where every residual
    is below ``tolerance`` of its eigenvalue or at ``max_passes``: read ``status``.

    Raises ``ValueError`` for more modes than dimensions and all that `JacobianAt` refuses.

    >>> found = jacobian_spectrum(lambda x, s: x * torch.arange(5.0), torch.ones(1, 5), 0.5, n_modes=2)
    >>> found.eigenvalues.tolist(), found.status, found.method
    ([[4.0, 3.0]], ('converged',), 'exact')
    """
    checks.choice("method", method, METHODS)
    jacobian = JacobianAt(denoiser, x, sigma, way=way, dtype=dtype)
    return spectrum_of(
        jacobian, n_modes, tolerance=tolerance, method=method, block=block, max_passes=max_passes, seed=seed
    )


def spectrum_of(
    jacobian: JacobianAt,
    n_modes: int,
    *,
    tolerance: float = 1e-3,
    method: str = "auto",
    block: int | None = None,
    max_passes: int | None = None,
    seed: int = 0,
) -> JacobianSpectrum:
    """`jacobian_spectrum` of an operator that has been had already, so that no derivative is tried again.

    >>> at = JacobianAt(lambda x, s: x * torch.arange(3.0), torch.ones(1, 3), 0.5)
    >>> spectrum_of(at, 1).eigenvalues.tolist()
    [[2.0]]
    """
    checks.choice("method", method, METHODS)
    mode_count(n_modes, jacobian.dim, default=1)
    if method == "exact" or (method == "auto" and forming_is_cheap(jacobian.dim, n_modes)):
        return exact_spectrum(jacobian, n_modes)
    return krylov_spectrum(
        jacobian, n_modes, tolerance=tolerance, block=block, max_passes=max_passes, seed=seed
    )


def exact_spectrum(jacobian: JacobianAt, n_modes: int) -> JacobianSpectrum:
    """From the formed Jacobian, ``(b, d, d)`` numbers; ``errors`` is its rounding."""
    mode_count(n_modes, jacobian.dim, default=1)
    if jacobian.dim > FORMED_DIM:
        raise ValueError(
            f"the Jacobian is formed up to {FORMED_DIM} dimensions, got {jacobian.dim}; use method='krylov'"
        )
    found, ratios = [], []
    for i in range(jacobian.n_points):
        full = jacobian.point(i).full().double().cpu()
        ratios.append(exact_asymmetry(full))
        values, vectors = np.linalg.eigh((full[0] + full[0].T).numpy() / 2)
        errors = np.full(n_modes, jacobian.accuracy * np.abs(values).max())
        leading = fix_signs(vectors[:, ::-1][:, :n_modes])
        found.append(
            Eigenpairs(values[::-1][:n_modes], leading, errors, np.ones(n_modes, bool), jacobian.dim)
        )
    n_applied = jacobian.dim * jacobian.n_points
    return _gathered(jacobian, found, ratios, "exact", n_applied)


def krylov_spectrum(
    jacobian: JacobianAt,
    n_modes: int,
    *,
    tolerance: float = 1e-3,
    block: int | None = None,
    max_passes: int | None = None,
    seed: int = 0,
) -> JacobianSpectrum:
    """By block Krylov iteration, point by point; nothing of size ``d x d`` is kept."""
    width = n_modes + max(8, n_modes // 8)
    passes = 60 * math.ceil(width / min(block or width, width)) if max_passes is None else max_passes
    found, ratios, n_applied = [], [], 0
    for i in range(jacobian.n_points):
        at = jacobian.point(i)
        counted = _Symmetric(at)
        pairs = block_krylov(
            counted,
            at.dim,
            n_modes,
            tolerance=tolerance,
            max_passes=passes,
            seed=seed,
            semidefinite=False,
            block=block,
            accuracy=jacobian.accuracy,
        )
        found.append(pairs)
        ratios.append(asymmetry(at, seed=seed))
        n_applied += counted.n_applied
    return _gathered(jacobian, found, ratios, "krylov", n_applied)


class _Symmetric:
    """The symmetric part at one point, from and to NumPy, counting the directions."""

    def __init__(self, at: JacobianAt) -> None:
        self._at = at
        self.n_applied = 0

    def __call__(self, directions: np.ndarray) -> np.ndarray:
        self.n_applied += directions.shape[1]
        applied = self._at.apply_symmetric(torch.as_tensor(directions)[None])
        return applied[0].double().numpy()


def forming_is_cheap(dim: int, n_modes: int) -> bool:
    """Whether the whole Jacobian costs no more than iterating for ``n_modes``, so that it is formed."""
    return dim <= min(max(_SMALL, _PER_MODE * n_modes), FORMED_DIM)


def _gathered(
    jacobian: JacobianAt, found: list[Eigenpairs], ratios: list[Asymmetry], method: str, n_applied: int
) -> JacobianSpectrum:
    def stacked(name: str) -> Tensor:
        return torch.as_tensor(np.stack([getattr(pairs, name) for pairs in found]))

    return JacobianSpectrum(
        eigenvalues=stacked("values"),
        eigenvectors=stacked("vectors"),
        errors=stacked("errors"),
        converged=stacked("converged"),
        asymmetry=Asymmetry(*(torch.cat(parts) for parts in zip(*ratios, strict=True))),
        value=jacobian.value.double().cpu(),
        x=jacobian.x.double().cpu(),
        sigma=jacobian.sigma.double().cpu(),
        event_shape=jacobian.event_shape,
        method=method,
        way=jacobian.way,
        n_applied=n_applied,
    )


def _status(converged: Tensor, errors: Tensor, values: Tensor) -> str:
    if bool(converged.all()):
        return "converged"
    relative = float((errors / values.abs().clamp_min(1e-300))[~converged].max())
    return (
        f"{int((~converged).sum())} of {len(values)} eigenpairs did not converge, the residual is up to "
        f"{relative:.1e} of the eigenvalue; allow more max_passes or a larger tolerance"
    )
