"""Log-likelihood of any denoiser's own law, through the probability-flow ODE.

The law is the one that the ODE makes of the prior at ``sigma_max``: for an optimal denoiser the data with
noise ``sigma_min`` added, not the data themselves, whose density may not exist.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import generator
from scorelens.core.jacobian import JacobianAt
from scorelens.core.sigma_grid import karras

PIXELS_PER_UNIT: Final = 127.5
"""8-bit levels per unit of images in [-1, 1]."""

CONVERGED: Final = "converged"
NOT_CONVERGED: Final = "not converged: raise n_levels or sigma_min"


@final
@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """``nats (b,)``: log density of each event under the denoiser's law at ``sigma_min``, in data units.

    ``standard_error (b,)`` is that of the trace probes (0 if the divergence is exact), ``numeric_error (b,)``
    how much halving all steps changed the answer; the error left is about a third of it. ``status (b,)``
    says whether that is within the tolerance. ``latents (b, *event)`` is where each event ends at
    ``sigma_max``, float64, and ``n_levels`` the number of noise levels of the finer grid.
    """

    nats: Tensor
    standard_error: Tensor
    numeric_error: Tensor
    status: tuple[str, ...]
    latents: Tensor
    sigma_min: float
    sigma_max: float
    n_levels: int

    @property
    def dim(self) -> int:
        """Number ``d`` of coordinates of an event."""
        return math.prod(self.latents.shape[1:])

    def bits_per_dim(self, levels_per_unit: float = 1.0) -> Tensor:
        """``-nats / (d log 2) + log2(levels_per_unit)``, shape ``(b,)``.

        With 1, bits of the density in data units. For 8-bit images in [-1, 1], dequantised uniformly
        (`dequantised`), give `PIXELS_PER_UNIT` = 127.5: then the mean is an upper bound on the bits that code
        a pixel value without loss (Theis et al. 2016).

        >>> sure = log_likelihood(lambda x, sigma: 0 * x, torch.zeros(1, 4), 0.5, 8.0)
        >>> sure.bits_per_dim().round(decimals=4)  # log2(0.5 sqrt(2 pi))
        tensor([0.3257], dtype=torch.float64)
        """
        checks.positive("levels_per_unit", levels_per_unit)
        return -self.nats / (self.dim * math.log(2)) + math.log2(levels_per_unit)


def log_likelihood(
    denoiser: Denoiser,
    x: Tensor,
    sigma_min: float,
    sigma_max: float,
    *,
    n_levels: int = 65,
    data_mean: Tensor | np.ndarray | float = 0.0,
    data_variance: float = 0.0,
    n_probes: int = 0,
    tolerance: float = 0.01,
    seed: int = 0,
) -> LogLikelihood:
    """Log density of the events ``x (b, *event)`` under the law that ``denoiser`` generates at ``sigma_min``.

    Heun's steps of the probability-flow ODE from ``sigma_min`` up to ``sigma_max`` on Karras' grid, with the
    divergence along it: in ``u = log sigma``, ``dx/du = x - D`` and ``d log p/du = tr J_D - d``. It is solved
    on ``(n_levels + 1) / 2`` levels and on twice as many steps, and the difference is the numeric error;
    ``tolerance`` is what is allowed of it, in nats per dimension.

    The prior at ``sigma_max`` is ``N(data_mean, (sigma_max^2 + data_variance) I)``, the mean a number or of
    shape ``(*event)``. The status does not judge it: a mean that is wrong by ``m`` costs about
    ``|m|^2 / (2 sigma_max^2)`` nats, so give the mean of data that are not centred.

    The trace is exact (``d`` products with the Jacobian per level) for ``n_probes = 0``, else the mean over
    ``n_probes >= 2`` fixed random signs per trajectory (Hutchinson), with a standard error. A denoiser that
    no derivative passes is differentiated by differences. Any noise process gives the same number: its ODE is
    this one in other units (`core.parametrization`).

    Raises ``ValueError`` for noise levels not in ``0 < sigma_min < sigma_max``, fewer than 5 levels, one
    probe, a mean of another shape, and as `core.jacobian.JacobianAt` does for points of another shape;
    ``TypeError`` for numbers of levels or probes that are not whole.

    >>> shrink = lambda x, sigma: x / (1 + sigma[:, None] ** 2)  # of N(0, I)
    >>> found = log_likelihood(shrink, torch.zeros(1, 2).double(), 0.1, 50.0, data_variance=1.0)
    >>> found.nats.round(decimals=2)  # -log(2 pi 1.01)
    tensor([-1.8500], dtype=torch.float64)
    """
    checks.whole("n_levels", n_levels, 5, "halving the steps needs two grids")
    checks.non_negative("data_variance", data_variance)
    checks.positive("tolerance", tolerance)
    grid = karras(n_levels + 1 - n_levels % 2, sigma_min, sigma_max)[::-1]
    prior = _Prior(_centre(data_mean, x), sigma_max**2 + data_variance)
    probes = _probes(x, n_probes, seed)
    jacobian = JacobianAt(denoiser, x, sigma_min)
    coarse = _along(jacobian, x, grid[::2], probes)
    fine = _along(jacobian, x, grid, probes)
    (rough, _), (nats, error) = (_log_density(path, grid, prior) for path in (coarse, fine))
    change = (nats - rough).abs()
    allowed = tolerance * math.prod(x.shape[1:])
    return LogLikelihood(
        nats,
        error,
        change,
        tuple(CONVERGED if bool(c <= allowed) else NOT_CONVERGED for c in change),
        fine.end.reshape(x.shape),
        float(sigma_min),
        float(sigma_max),
        len(grid),
    )


def dequantised(x: Tensor, seed: int = 0, levels_per_unit: float = PIXELS_PER_UNIT) -> Tensor:
    """``x`` with uniform noise over one quantisation step, ``+-1 / (2 levels_per_unit)``, added; same shape.

    For images of 8 bits in [-1, 1], whose levels are ``1 / 127.5`` apart: the density of what results is
    bounded, and its bits per dimension bound those of the pixel values.

    >>> dequantised(torch.zeros(1000)).abs().max() <= 1 / 255
    tensor(True)
    """
    checks.positive("levels_per_unit", levels_per_unit)
    draws = torch.rand(x.shape, generator=generator(seed, "dequantised"), dtype=torch.float64)
    return (x.double().cpu() + (draws - 0.5) / levels_per_unit).to(x)


class _Prior(NamedTuple):
    """``N(mean, variance I)`` of flat events, mean ``(d,)``."""

    mean: Tensor
    variance: float

    def log_density(self, x: Tensor) -> Tensor:
        """Of ``x (b, d)``, shape ``(b,)``."""
        squares = (x - self.mean).square().sum(1)
        return -0.5 * squares / self.variance - 0.5 * x.shape[1] * math.log(2 * math.pi * self.variance)


def _centre(mean: Tensor | np.ndarray | float, x: Tensor) -> Tensor:
    """The mean as ``(d,)``, float64; ``ValueError`` unless it is finite, a number or of the event's shape."""
    found = torch.as_tensor(mean, dtype=torch.float64).detach().cpu()
    event = tuple(x.shape[1:])
    if tuple(found.shape) not in ((), event):
        raise ValueError(f"data_mean must be a number or have shape {event}, got {tuple(found.shape)}")
    checks.finite("data_mean", found.numpy())
    return found.expand(event).flatten()


class _Path(NamedTuple):
    """Where trajectories end, ``(b, d)``, and the integral of ``tr J`` over log sigma, one probe a column."""

    end: Tensor
    traces: Tensor


def _along(jacobian: JacobianAt, x: Tensor, grid: np.ndarray, probes: Tensor | None) -> _Path:
    """Follow the ODE up the ascending ``grid``; the integrand is averaged as Heun's slopes are."""
    here = x.detach().to("cpu", torch.float64).flatten(1)
    total = torch.zeros(len(x), 1 if probes is None else probes.shape[2], dtype=torch.float64)
    for sigma, upper in pairwise(grid.tolist()):
        step = upper - sigma
        first, trace = _slope_and_trace(jacobian, here, x, sigma, probes)
        second, trace_above = _slope_and_trace(jacobian, here + step * first, x, upper, probes)
        here = here + 0.5 * step * (first + second)
        total += 0.5 * math.log(upper / sigma) * (trace + trace_above)
    return _Path(here, total)


def _slope_and_trace(
    jacobian: JacobianAt, here: Tensor, like: Tensor, sigma: float, probes: Tensor | None
) -> tuple[Tensor, Tensor]:
    """``(x - D) / sigma``, ``(b, d)``, and ``tr J``: exact ``(b, 1)``, or of every probe ``(b, m)``."""
    there = jacobian.moved(here.reshape(like.shape).to(like), sigma)
    slope = (here - there.value.double().cpu()) / sigma
    if probes is None:
        diagonal = there.full().diagonal(dim1=1, dim2=2)
        return slope, diagonal.double().sum(1, keepdim=True).cpu()
    return slope, (probes * there.apply(probes).double().cpu()).sum(1)


def _log_density(path: _Path, grid: np.ndarray, prior: _Prior) -> tuple[Tensor, Tensor]:
    """Log density ``(b,)`` at the start of the path, and its standard error over the probes."""
    dim, n = path.end.shape[1], path.traces.shape[1]
    # log p(start) = log p(end) + int (d - tr J) d log sigma, the first part in closed form
    nats = prior.log_density(path.end) + dim * math.log(grid[-1] / grid[0]) - path.traces.mean(1)
    error = path.traces.std(1) / math.sqrt(n) if n > 1 else torch.zeros_like(nats)
    return nats, error


def _probes(x: Tensor, count: int, seed: int) -> Tensor | None:
    checks.whole("n_probes", count, 0, "0 makes the trace exact")
    if count == 1:
        raise ValueError("n_probes must be 0 (exact) or at least 2, got 1; one probe has no standard error")
    if count == 0 or x.ndim < 2:  # a wrong shape is refused where the Jacobian is made
        return None
    shape = (len(x), math.prod(x.shape[1:]), count)
    return torch.randint(0, 2, shape, generator=generator(seed, "likelihood")).double() * 2 - 1
