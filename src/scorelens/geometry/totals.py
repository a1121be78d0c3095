"""What the leading eigenpairs of a Jacobian leave out: its trace, its size, and the ranks that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.evaluation import generator
from scorelens.core.jacobian import JacobianAt
from scorelens.geometry.ranks import ETA, effective_ranks
from scorelens.geometry.spectrum import JacobianSpectrum


@final
@dataclass(frozen=True)
class Totals:
    """Of ``S = (J + J^T) / 2`` at b points, each ``(b,)``, float64; errors are of random probes, 0 if exact.

    ``participation`` and ``entropy`` and ``energy`` are effective ranks ([P20]). Where only k eigenpairs are
    known, participation is ``(tr S)^2 / |S|_F^2`` (the rank if no eigenvalue is negative), the energy rank
    is NaN if it exceeds k, and the entropy rank is NaN.
    """

    trace: Tensor
    trace_error: Tensor
    squares: Tensor
    """``|S|_F^2``."""
    participation: Tensor
    participation_error: Tensor
    entropy: Tensor
    energy: Tensor


def totals(jacobian: JacobianAt, spectrum: JacobianSpectrum, n_probes: int = 4, *, seed: int = 0) -> Totals:
    """From all eigenvalues where ``spectrum`` holds them, else with ``n_probes`` >= 2 random probes.

    Probes see only what the known eigenvectors leave out (as in Hutch++), so that they say little where those
    say nearly all. ``jacobian`` is that of ``spectrum``.

    >>> from scorelens.geometry.spectrum import exact_spectrum
    >>> at = JacobianAt(lambda x, sigma: x * torch.tensor([1.0, 1.0, 0.0]), torch.ones(1, 3), 1.0)
    >>> found = totals(at, exact_spectrum(at, 3))
    >>> found.trace.item(), round(found.participation.item(), 6), found.energy.item()
    (2.0, 2.0, 2.0)
    """
    if spectrum.eigenvalues.shape[1] == jacobian.dim:
        return _exact(spectrum.eigenvalues)
    checks.whole("n_probes", n_probes, 2, "an error is judged from them")
    return _probed(jacobian, spectrum, n_probes, seed)


def _exact(values: Tensor) -> Totals:
    ranks = effective_ranks(values.abs().numpy())
    none = torch.zeros(len(values), dtype=torch.float64)
    participation, entropy, energy = (
        torch.as_tensor(rank, dtype=torch.float64)
        for rank in (ranks.participation, ranks.entropy, ranks.energy)
    )
    return Totals(values.sum(1), none, values.square().sum(1), participation, none, entropy, energy)


def _probed(jacobian: JacobianAt, spectrum: JacobianSpectrum, n_probes: int, seed: int) -> Totals:
    frame, values = spectrum.eigenvectors, spectrum.eigenvalues
    draws = generator(seed, "totals")
    shape = (jacobian.n_points, jacobian.dim, n_probes)
    signs = torch.randint(0, 2, shape, generator=draws).double() * 2 - 1
    outside = signs - frame @ (frame.mT @ signs)
    images = jacobian.apply_symmetric(outside).double()
    images = images - frame @ (frame.mT @ images)
    # The known eigenvectors are exact up to residuals that count squared here.
    traces = values.sum(1, keepdim=True) + (outside * images).sum(1)
    squares = values.square().sum(1, keepdim=True) + images.square().sum(1)
    trace, size = traces.mean(1), squares.mean(1)
    safe = size.clamp_min(torch.finfo(size.dtype).tiny)
    slope = trace / safe
    deviation = 2 * slope[:, None] * traces - slope[:, None] ** 2 * squares
    energy = _energy(values, size)
    return Totals(
        trace,
        _error(traces),
        size,
        trace * slope,
        _error(deviation),
        torch.full_like(trace, torch.nan),
        energy,
    )


def _energy(values: Tensor, size: Tensor) -> Tensor:
    """Energy rank from the leading ``values (b, k)`` and ``|S|_F^2 (b,)``; NaN where k are too few."""
    kept = values.abs().sort(dim=1, descending=True).values.square().cumsum(1)
    rank = 1 + (kept <= ETA**2 * size[:, None]).sum(1)
    enough = rank <= values.shape[1]
    return torch.where(size > 0, torch.where(enough, rank.double(), torch.nan), 0.0)


def _error(estimates: Tensor) -> Tensor:
    return estimates.std(1) / estimates.shape[1] ** 0.5
