"""The log-determinant of a Jacobian: exact, or of its symmetric part by stochastic Lanczos quadrature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.evaluation import generator
from scorelens.core.jacobian import JacobianAt


@dataclass(frozen=True)
class LogDeterminant:
    """``log |det J|`` at b points; ``status`` says per point what to think of it.

    ``value (b,)`` is -inf where the determinant is 0. ``sign (b,)`` is that of the determinant (0 where it
    is 0). ``standard_error (b,)`` is 0 where exact. By quadrature a point whose symmetric part has
    eigenvalues <= 0 has no logarithm: status ``"not positive"``, value NaN, sign 0.
    """

    value: Tensor
    sign: Tensor
    standard_error: Tensor
    status: tuple[str, ...]


def log_determinant(jacobian: JacobianAt) -> LogDeterminant:
    """Exactly, from the formed Jacobian: ``d`` products and ``(d, d)`` numbers per point.

    >>> at = JacobianAt(lambda x, sigma: x * torch.tensor([2.0, -3.0]), torch.ones(1, 2), 1.0)
    >>> found = log_determinant(at)
    >>> found.value, found.sign.tolist(), found.status
    (tensor([1.7918], dtype=torch.float64), [-1.0], ('exact',))
    """
    found = [torch.linalg.slogdet(jacobian.point(i).full().double().cpu()) for i in range(jacobian.n_points)]
    sign, value = (torch.cat(parts) for parts in zip(*found, strict=True))
    status = tuple("singular" if s == 0 else "exact" for s in sign.tolist())
    return LogDeterminant(value, sign, torch.zeros_like(value), status)


def symmetric_log_determinant(
    jacobian: JacobianAt, n_probes: int = 10, n_steps: int = 30, *, seed: int = 0
) -> LogDeterminant:
    """``log det (J + J^T) / 2`` by stochastic Lanczos quadrature (ubaru2017).

    ``n_probes`` >= 2 random directions, ``n_steps`` products with ``J`` and ``J^T`` for each: memory
    ``n_probes n_steps d``. The standard error is that of the probes; the quadrature's own error vanishes as
    the Lanczos steps resolve the spectrum (slowly where eigenvalues reach far down towards 0).

    >>> at = JacobianAt(lambda x, sigma: 0.5 * x, torch.ones(1, 4), 1.0)
    >>> symmetric_log_determinant(at).value
    tensor([-2.7726], dtype=torch.float64)
    """
    checks.whole("n_probes", n_probes, 2, "the spread over probes gives the error")
    checks.whole("n_steps", n_steps, 1)
    shape = (jacobian.n_points, jacobian.dim, n_probes)
    signs = torch.randint(0, 2, shape, generator=generator(seed, "log_determinant")).double() * 2 - 1
    diagonal, off = _lanczos(jacobian, signs / jacobian.dim**0.5, min(n_steps, jacobian.dim))
    nodes, vectors = torch.linalg.eigh(_tridiagonal(diagonal, off))
    weights = vectors[..., 0, :].square()
    # Nodes that carry no weight come after an invariant space was exhausted.
    weighty = weights > jacobian.dim * torch.finfo(torch.float64).eps
    lowest = torch.where(weighty, nodes, torch.inf).amin((1, 2))
    floor = jacobian.accuracy * nodes.abs().amax((1, 2))
    logs = torch.where(weighty, nodes.clamp_min(torch.finfo(torch.float64).tiny).log(), 0.0)
    estimates = jacobian.dim * (weights * logs).sum(2)
    positive = lowest > floor
    value = torch.where(positive, estimates.mean(1), torch.nan)
    error = torch.where(positive, estimates.std(1) / n_probes**0.5, torch.nan)
    status = tuple("estimated" if p else "not positive" for p in positive.tolist())
    return LogDeterminant(value, positive.double(), error, status)


def _lanczos(jacobian: JacobianAt, start: Tensor, n_steps: int) -> tuple[Tensor, Tensor]:
    """Diagonals ``(b, m, n_steps)`` and off-diagonals ``(b, m, n_steps - 1)``, fully reorthogonalised."""
    basis = [start]
    diagonal, off = [], []
    for step in range(n_steps):
        image = jacobian.apply_symmetric(basis[-1]).double()
        diagonal.append((basis[-1] * image).sum(1))
        if step == n_steps - 1:
            break
        known = torch.stack(basis, dim=3)  # (b, d, m, steps)
        for _ in range(2):  # twice is enough (Kahan, Parlett)
            image = image - torch.einsum("bdms,bms->bdm", known, torch.einsum("bdms,bdm->bms", known, image))
        length = image.norm(dim=1)
        exhausted = length <= jacobian.accuracy * diagonal[-1].abs()
        off.append(torch.where(exhausted, 0.0, length))
        basis.append(torch.where(exhausted[:, None], 0.0, image / length.clamp_min(1e-300)[:, None]))
    return torch.stack(diagonal, 2), torch.stack(off, 2) if off else diagonal[0].new_zeros(
        *diagonal[0].shape, 0
    )


def _tridiagonal(diagonal: Tensor, off: Tensor) -> Tensor:
    return torch.diag_embed(diagonal) + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
