"""The denoiser of a mixture of Gaussians, each of any rank: exact posterior in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import WithJacobian, WithLogProb, WithPosteriorCovariance, WithScore
from scorelens.estimators.gaussian_law import tensor


class _Posterior(NamedTuple):
    """Per event and component: ``log_joint (b, k)`` of the noised law, posterior ``mean (b, k, d)`` and
    score ``pull (b, k, d)``."""

    log_joint: Tensor
    mean: Tensor
    pull: Tensor


@final
class MixtureDenoiser(WithScore, WithLogProb, WithPosteriorCovariance, WithJacobian):
    """``D(x) = sum_k r_k(x) E[x_0 | x, k]`` of events ``sum_k weights_k N(means_k, C_k)``.

    ``C_k = U_k diag(variances_k) U_k^T + rest_k (I - U_k U_k^T)`` with ``weights`` ``(k,)`` > 0
    (normalised here), ``means`` ``(k, d)``, ``bases`` ``U`` ``(k, d, r)``, ``variances`` ``(k, r)`` and
    ``rest`` ``(k,)`` >= 0, in data units. Columns of ``U_k`` are orthonormal; where a rank is below ``r`` the
    others are zero, with variance ``rest_k``. Make one with `of_covariances` or `of_subspaces`.
    Computed in the wider dtype of ``x`` and buffers.

    >>> two = MixtureDenoiser.of_covariances([0.5, 0.5], [[-1.0], [1.0]], [[[0.0]], [[0.0]]])
    >>> two(torch.tensor([[0.5]]), 1.0)
    tensor([[0.4621]])
    """

    name: ClassVar[str] = "mixture"
    weights: Tensor
    means: Tensor
    bases: Tensor
    variances: Tensor
    rest: Tensor

    def __init__(
        self,
        event_shape: tuple[int, ...],
        weights: Tensor,
        means: Tensor,
        bases: Tensor,
        variances: Tensor,
        rest: Tensor,
    ) -> None:
        k, d, r = len(weights), math.prod(event_shape), bases.shape[-1]
        expected = {"weights": (k,), "means": (k, d), "bases": (k, d, r), "variances": (k, r), "rest": (k,)}
        buffers = {"weights": weights, "means": means, "bases": bases, "variances": variances, "rest": rest}
        for name, shape in expected.items():
            if buffers[name].shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {tuple(buffers[name].shape)}")
            checks.finite(name, buffers[name].detach().cpu().numpy())
        checks.positive("weights", weights.detach().cpu().numpy(), "leave components of no weight out")
        checks.non_negative("variances", variances.detach().cpu().numpy())
        checks.non_negative("rest", rest.detach().cpu().numpy())
        super().__init__(event_shape, buffers)

    @classmethod
    def of_covariances(
        cls,
        weights: ArrayLike,
        means: ArrayLike,
        covariances: ArrayLike,
        event_shape: tuple[int, ...] | None = None,
    ) -> MixtureDenoiser:
        """From weights ``(k,)``, means ``(k, d)`` and covariances ``(k, d, d)``.

        Raises ``ValueError`` for covariances that are not symmetric or have a negative eigenvalue.
        """
        centres, matrices = tensor(means), tensor(covariances)
        size = matrices.abs().amax()
        if (matrices - matrices.mT).abs().max() > 1e-8 * size:
            raise ValueError("covariances must be symmetric; give (C + C^T) / 2")
        variances, bases = torch.linalg.eigh(matrices)
        if variances.min() < -1e-10 * size:
            raise ValueError(f"covariances must have eigenvalues >= 0, got {float(variances.min()):g}")
        shape = (centres.shape[1],) if event_shape is None else event_shape
        none = torch.zeros(len(centres), dtype=torch.float64)
        return cls(shape, tensor(weights), centres, bases, variances.clamp(min=0.0), none)

    @classmethod
    def of_subspaces(
        cls,
        weights: ArrayLike,
        bases: Sequence[ArrayLike],
        variances: Sequence[ArrayLike],
        means: ArrayLike | None = None,
        event_shape: tuple[int, ...] | None = None,
    ) -> MixtureDenoiser:
        """MoLRG: for each ``k`` an orthonormal basis ``(d, r_k)`` and variances ``(r_k,)``; means of 0.

        Raises ``ValueError`` for a basis that is not orthonormal.

        >>> line = MixtureDenoiser.of_subspaces([1.0], [[[1.0], [0.0]]], [[1.0]])
        >>> line(torch.ones(1, 2), 1.0)
        tensor([[0.5000, 0.0000]])
        """
        columns = [tensor(basis) for basis in bases]
        for i, basis in enumerate(columns):
            unit = torch.eye(basis.shape[1], dtype=torch.float64)
            if (basis.T @ basis - unit).abs().max() > 1e-6:
                raise ValueError(f"the basis of component {i} is not orthonormal; use numpy.linalg.qr")
        d, rank = len(columns[0]), max(basis.shape[1] for basis in columns)
        padded = torch.stack([_padded(basis, rank) for basis in columns])
        spread = torch.stack([_padded(tensor(v)[None], rank)[0] for v in variances])
        centres = tensor(np.zeros((len(columns), d)) if means is None else means)
        none = torch.zeros(len(columns), dtype=torch.float64)
        return cls(
            (d,) if event_shape is None else event_shape, tensor(weights), centres, padded, spread, none
        )

    def responsibilities(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Posterior probability of every component, ``(batch, k)``, for ``x`` of shape ``(batch, *event)``.

        Raises ``ValueError`` as calling the denoiser does.
        """
        return self.of_rows(lambda *rows: self._posterior(*rows).log_joint.softmax(1), x, sigma).to(x.dtype)

    def score_hessian(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Second derivatives of the noised law's log density, ``(batch, d, d)``, for ``x (batch, *event)``.

        That is ``(J - I) / sigma^2`` of the Jacobian ``J`` (geometry, [P4]), but no digit is lost where ``J``
        is nearly ``I`` because sigma is small. For ``x_t`` of a noise process: the same at ``x_t / alpha``,
        over ``alpha^2`` ([P5]). Raises ``ValueError`` as calling the denoiser does.

        >>> line = MixtureDenoiser.of_subspaces([1.0], [[[1.0], [0.0]]], [[3.0]])
        >>> line.score_hessian(torch.ones(1, 2), 1.0)
        tensor([[[-0.2500,  0.0000],
                 [ 0.0000, -1.0000]]])
        """
        return self.of_rows(self.curvature, x, sigma).to(x.dtype)

    def posterior_mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self._mixed(self._posterior(x, sigma))

    def pull(self, x: Tensor, sigma: Tensor) -> Tensor:
        found = self._posterior(x, sigma)
        return (found.log_joint.softmax(1)[..., None] * found.pull).sum(1)

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        return self._posterior(x, sigma).log_joint.logsumexp(1)

    def covariance(self, x: Tensor, sigma: Tensor) -> Tensor:
        found = self._posterior(x, sigma)
        share = found.log_joint.softmax(1)
        noise = sigma.to(share.dtype)[:, None] ** 2
        outside = self.rest / (self.rest + noise)
        extra = self._gain(noise) - outside[..., None]
        # Law of total covariance: within every component, and between their posterior means.
        within = torch.einsum("bk,kdr,bkr,ker->bde", share * noise, self.bases, extra, self.bases)
        unit = torch.eye(self.dim, dtype=share.dtype, device=x.device)
        within = within + (share * noise * outside).sum(1)[:, None, None] * unit
        apart = found.mean - self._mixed(found)[:, None]
        between = (apart * share[..., None]).mT @ apart
        total = within + between
        return (total + total.mT) / 2

    def derivative(self, x: Tensor, sigma: Tensor) -> Tensor:
        covariance = self.covariance(x, sigma)
        return covariance / sigma.to(covariance.dtype)[:, None, None] ** 2  # second-order Tweedie

    def curvature(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`score_hessian` of flat ``x``, ``(batch, d)``, at ``sigma > 0``, ``(batch,)``."""
        found = self._posterior(x, sigma)
        share = found.log_joint.softmax(1)
        noise = sigma.to(share.dtype)[:, None] ** 2
        precision = 1 / (self.variances + noise[..., None])
        along = torch.einsum("bk,kdr,bkr,ker->bde", share, self.bases, precision, self.bases)
        unit = torch.eye(self.dim, dtype=share.dtype, device=x.device)
        across = unit - self.bases @ self.bases.mT
        across = across.masked_fill(self._whole()[:, None, None], 0.0)
        along = along + torch.einsum("bk,kde->bde", share / (self.rest + noise), across)
        # [P4]: the mean of -S_k^-1 and the covariance of the scores of the components.
        apart = found.pull - (share[..., None] * found.pull).sum(1, keepdim=True)
        total = (apart * share[..., None]).mT @ apart - along
        return (total + total.mT) / 2

    def _mixed(self, found: _Posterior) -> Tensor:
        return (found.log_joint.softmax(1)[..., None] * found.mean).sum(1)

    def _gain(self, noise: Tensor) -> Tensor:
        return self.variances / (self.variances + noise[..., None])

    def _posterior(self, x: Tensor, sigma: Tensor) -> _Posterior:
        centred = x[:, None] - self.means
        noise = sigma.to(centred.dtype)[:, None] ** 2
        modes = torch.einsum("bkd,kdr->bkr", centred, self.bases)
        # Nothing but rounding is left across a basis of all directions.
        across = centred - torch.einsum("bkr,kdr->bkd", modes, self.bases)
        across = across.masked_fill(self._whole()[:, None], 0.0)
        outside = self.rest / (self.rest + noise)
        inside = torch.einsum("bkr,kdr->bkd", self._gain(noise) * modes, self.bases)
        mean = self.means + inside + outside[..., None] * across
        variance, rest = self.variances + noise[..., None], self.rest + noise
        deviance = (modes**2 / variance + variance.log()).sum(2) + across.square().sum(2) / rest
        n_across = self.dim - self.variances.shape[1]
        deviance = deviance + n_across * rest.log() + self.dim * math.log(2 * math.pi)
        along = torch.einsum("bkr,kdr->bkd", modes / variance, self.bases)
        pull = -along - across / rest[..., None]
        return _Posterior((self.weights / self.weights.sum()).log() - deviance / 2, mean, pull)

    def _whole(self) -> Tensor:
        """Mask ``(k,)`` of the components whose basis spans all directions."""
        return self.bases.square().sum((1, 2)) > self.dim - 0.5


def _padded(columns: Tensor, rank: int) -> Tensor:
    return torch.nn.functional.pad(columns, (0, rank - columns.shape[1]))
