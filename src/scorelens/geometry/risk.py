"""The mean squared error of a denoiser from noisy events alone: Stein's unbiased risk estimate (SURE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import batch_rows, device_of, undisturbed
from scorelens.core.jacobian import JacobianAt
from scorelens.core.trace import trace


class Mean(NamedTuple):
    """Average over events and its standard error (NaN for a single event)."""

    value: float
    standard_error: float


@final
@dataclass(frozen=True, eq=False)
class RiskEstimate:
    """Risk at noise ``sigma`` from noisy events: what each event says, ``(n,)``, in squared data units.

    ``residual`` is ``|x - D(x)|^2``, ``divergence`` the trace of the Jacobian, ``probe_error`` its standard
    error due to random probes (0 where exact). ``dim`` counts the values of an event; ``way``
    says how the Jacobian was applied and the trace taken. No event's number is its own error: averages are
    what is unbiased, over events whose noise is normal, independent and of level ``sigma``.
    """

    residual: np.ndarray
    divergence: np.ndarray
    probe_error: np.ndarray
    sigma: float
    dim: int
    way: str

    @property
    def per_event(self) -> np.ndarray:
        """``|x - D|^2 + 2 sigma^2 tr J - d sigma^2`` of each event ([P7] with ``alpha = 1``)."""
        return self.residual + self.sigma**2 * (2 * self.divergence - self.dim)

    @property
    def risk(self) -> Mean:
        """``E |D(x) - x_0|^2``, summed over the values of an event. Its error includes that of the probes."""
        return mean(self.per_event)

    @property
    def least_if_ideal(self) -> Mean:
        """``sigma^2 E tr J`` ([P8]): the least risk possible, if this denoiser attains it."""
        return mean(self.sigma**2 * self.divergence)

    @property
    def inconsistency(self) -> Mean:
        """Risk less `least_if_ideal`: 0 for the posterior mean. Away from 0, the denoiser is not ideal."""
        return mean(self.per_event - self.sigma**2 * self.divergence)

    def above(self, floor: float) -> Mean:
        """Excess over a known least risk ``floor`` ([P9]), in the unit of `risk`."""
        return Mean(self.risk.value - floor, self.risk.standard_error)


class ModeRisk(NamedTuple):
    """Shares of k modes in the risk, each ``(k,)``, in squared data units, with standard errors over events.

    ``residual`` is the mean of ``<x - D, e_k>^2`` and ``gain`` that of ``e_k . J e_k``.
    """

    risk: np.ndarray
    standard_error: np.ndarray
    residual: np.ndarray
    gain: np.ndarray


def sure(noisy: Any, estimate: Any, divergence: Any, sigma: float, alpha: float = 1.0) -> Any:
    """SURE of each event, ``(n,)`` ([P7], stein1981): its mean estimates ``E |f(x_t) - x_0|^2``.

    ``noisy`` ``x_t = alpha (x_0 + sigma n)`` and ``estimate`` ``f(x_t)`` of ``x_0`` have shape
    ``(n, *event)``, ``divergence`` ``tr df/dx_t`` shape ``(n,)``; NumPy arrays or tensors.

    >>> sure(np.array([[3.0]]), np.array([[2.0]]), np.array([0.5]), sigma=1.0)
    array([1.])
    """
    if noisy.shape != estimate.shape or divergence.shape != noisy.shape[:1]:
        raise ValueError(
            "noisy and estimate must have one shape (n, *event), divergence (n,), got "
            f"{tuple(noisy.shape)}, {tuple(estimate.shape)} and {tuple(divergence.shape)}"
        )
    checks.positive("sigma", sigma)
    checks.positive("alpha", alpha)
    residual = ((noisy / alpha - estimate) ** 2).reshape(len(noisy), -1)
    return residual.sum(1) + sigma**2 * (2 * alpha * divergence - residual.shape[1])


def estimate_risk(
    denoiser: Denoiser,
    noisy: Tensor,
    sigma: float,
    *,
    n_probes: int = 2,
    method: str = "hutchinson",
    way: str = "auto",
    seed: int = 0,
) -> RiskEstimate:
    """The risk of ``denoiser`` at noise ``sigma`` from ``noisy (n, *event)`` alone, no clean event needed.

    The trace is taken by ``n_probes`` applications of the Jacobian to each event (`core.trace.trace`; more
    than the dimension are exact with ``method="exact"``), in the ``way`` of `core.jacobian.JacobianAt`. Two
    probes are usual: the noise of the events is larger. For ``x_t`` of a process give ``x_t / alpha`` ([P5]).
    Raises ``ValueError`` for ``sigma`` <= 0 and whatever has no Jacobian.

    >>> noisy = 2**0.5 * torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    >>> found = estimate_risk(lambda x, sigma: x / 2, noisy, 1.0)  # ideal for unit normal data: 3/2
    >>> bool(abs(found.risk.value - 1.5) < 3 * found.risk.standard_error)
    True
    """
    _check_level(sigma)
    at = JacobianAt(denoiser, noisy, sigma, way=way)
    found = trace(at.apply, at.n_points, at.dim, n_probes, method=method, seed=seed)
    residual = (at.x - at.value).double().square().sum(1)
    words = f"{at.way}; trace: {found.method}, {found.n_applied} applications to each event"
    return RiskEstimate(
        residual.cpu().numpy(), found.value.numpy(), found.standard_error.numpy(), float(sigma), at.dim, words
    )


def estimate_mode_risk(
    denoiser: Denoiser, noisy: Tensor, sigma: float, modes: Tensor, *, way: str = "auto"
) -> ModeRisk:
    """Shares of ``modes (d, k)``, orthonormal columns, in the risk of ``denoiser`` ([P10] in any basis).

    ``<x - D, e>^2 + 2 sigma^2 e . J e - sigma^2``, averaged over ``noisy (n, *event)``, estimates
    ``E <D - x_0, e>^2`` where ``e`` is the same for all events; over a whole basis it adds up to the risk.
    ``modes (n, d, k)`` gives every event its own, such as the eigenvectors of its Jacobian: then shares add
    up to the risk, but each is no error along its mode, because the mode moves with the noise.
    Raises ``ValueError`` for modes that are not orthonormal.

    >>> noisy = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    >>> estimate_mode_risk(lambda x, sigma: x / 2, noisy, 1.0, torch.eye(2)).risk
    array([0.25, 1.  ])
    """
    _check_level(sigma)
    at = JacobianAt(denoiser, noisy, sigma, way=way)
    bases = modes.detach().to(at.x).expand(at.n_points, *modes.shape[-2:])
    _check_modes(bases, at.dim)
    gain = (bases * at.apply(bases)).double().sum(1).cpu().numpy()
    left = (at.x - at.value)[:, None] @ bases
    residual = left[:, 0].double().square().cpu().numpy()
    shares = residual + sigma**2 * (2 * gain - 1)
    errors = np.array([mean(share).standard_error for share in shares.T])
    return ModeRisk(shares.mean(0), errors, residual.mean(0), gain.mean(0))


def excess_risk(denoiser: Denoiser, ideal: Denoiser, noisy: Tensor, sigma: float) -> Mean:
    """``E |f - D|^2`` over ``noisy (n, *event)``: by how much the risk exceeds that of the ``ideal`` ([P9]).

    >>> excess_risk(lambda x, sigma: x, lambda x, sigma: x / 2, torch.tensor([[2.0], [2.0]]), 1.0)
    Mean(value=1.0, standard_error=0.0)
    """
    apart = _denoised(denoiser, noisy, sigma) - _denoised(ideal, noisy, sigma)
    return mean(apart.square().sum(1).numpy())


def mean(per_event: np.ndarray) -> Mean:
    """The average of independent ``(n,)`` and its standard error, NaN for ``n = 1``.

    >>> mean(np.array([1.0, 3.0]))
    Mean(value=2.0, standard_error=1.0)
    """
    n = len(per_event)
    error = float(np.std(per_event, ddof=1) / n**0.5) if n > 1 else float("nan")
    return Mean(float(np.mean(per_event)), error)


def _check_level(sigma: float) -> None:
    if np.ndim(sigma):
        raise ValueError(
            f"sigma must be one number for all events, got shape {tuple(np.shape(sigma))}; go level by level"
        )
    checks.positive("sigma", sigma, "the risk without noise is 0")


def _denoised(denoiser: Denoiser, noisy: Tensor, sigma: float) -> Tensor:
    """Flat ``(n, d)``, in float64 on the CPU."""
    with undisturbed(denoiser):
        parts = noisy.to(device_of(denoiser)).split(batch_rows(tuple(noisy.shape[1:])))
        return torch.cat([denoiser(part, sigma).flatten(1).cpu().double() for part in parts])


def _check_modes(bases: Tensor, dim: int) -> None:
    if bases.ndim != 3 or bases.shape[1] != dim or bases.shape[2] > dim:
        raise ValueError(f"modes must have shape ({dim}, k) with k <= {dim}, got {tuple(bases.shape[1:])}")
    products = (bases.mT @ bases).cpu().double().numpy()
    if np.abs(products - np.eye(bases.shape[2])).max() > 1e-4:
        raise ValueError("modes must have orthonormal columns; use torch.linalg.qr")
