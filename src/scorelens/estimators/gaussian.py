"""The Wiener filter of Gaussian events: full or leading eigenbasis, diagonal, diagonal plus low rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.blocks import row_blocks
from scorelens.core.spectrum import Spectrum
from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.estimators.base import Estimator, samples
from scorelens.estimators.gaussian_law import GaussianLaw, events, mean_and_variance, tensor

_REFERENCE = "wiener1949; tipping1999, Eq. 1"
_OWN = 1e-3
"""Share of own variance below which a value counts as explained by the factors."""


@final
class GaussianDenoiser(GaussianLaw):
    """Wiener filter in an eigenbasis: ``C = U diag(eigenvalues) U^T + rest (I - U U^T)``.

    ``mean`` ``(d,)``, ``eigenvectors`` ``U`` ``(d, k)`` orthonormal, ``eigenvalues`` ``(k,)`` >= 0 and
    ``rest`` ``()`` >= 0 (variance of every direction outside the modes), float64 tensors in data units
    (squared).

    >>> mean, variances = torch.zeros(2), torch.tensor([4.0, 1.0])
    >>> wiener = GaussianDenoiser((2,), mean, torch.eye(2), variances, torch.tensor(0.0))
    >>> wiener(torch.ones(1, 2), 1.0)
    tensor([[0.8000, 0.5000]])
    """

    name: ClassVar[str] = "gaussian"
    eigenvectors: Tensor
    eigenvalues: Tensor
    rest: Tensor

    def __init__(
        self,
        event_shape: tuple[int, ...],
        mean: Tensor,
        eigenvectors: Tensor,
        eigenvalues: Tensor,
        rest: Tensor,
    ) -> None:
        buffers = {"mean": mean, "eigenvectors": eigenvectors, "eigenvalues": eigenvalues, "rest": rest}
        super().__init__(event_shape, buffers)

    def smoothed(self, centred: Tensor, sigma: Tensor) -> Tensor:
        noise = sigma[:, None] ** 2
        outside = self.rest / (self.rest + noise)
        gain = self.eigenvalues / (self.eigenvalues + noise)
        modes = centred @ self.eigenvectors
        return ((gain - outside) * modes) @ self.eigenvectors.T + outside * centred

    def divided(self, centred: Tensor, sigma: Tensor) -> Tensor:
        noise = sigma[:, None] ** 2
        modes = centred @ self.eigenvectors
        inside = (modes / (self.eigenvalues + noise)) @ self.eigenvectors.T
        if len(self.eigenvalues) == self.dim:
            return inside
        outside = centred - modes @ self.eigenvectors.T
        return inside + outside / (self.rest + noise)

    def deviance(self, centred: Tensor, sigma: Tensor) -> Tensor:
        noise = sigma[:, None] ** 2
        modes = centred @ self.eigenvectors
        outside = centred - modes @ self.eigenvectors.T
        variance = self.eigenvalues + noise
        rest = (self.rest + noise)[:, 0]
        n_outside = self.dim - len(self.eigenvalues)
        inside = (modes**2 / variance + variance.log()).sum(1)
        return inside + (outside.square().sum(1) / rest + n_outside * rest.log() if n_outside else 0.0)


class _Common(NamedTuple):
    """Posterior of the factor scores: mean ``scores (batch, k)``, ``lower`` of the precision per level."""

    scores: Tensor
    lower: Tensor
    levels: Tensor
    index: Tensor

    @property
    def log_det(self) -> Tensor:
        """``log det(I + F^T V^-1 F)``, shape ``(batch,)``."""
        return 2 * self.lower.diagonal(dim1=1, dim2=2).log().sum(1)[self.index]


@final
class FactorDenoiser(GaussianLaw):
    """Wiener filter of ``C = diag(diagonal) + factors factors^T``: any diagonal plus a low rank.

    ``mean`` and ``diagonal`` (>= 0) have shape ``(d,)``, ``factors`` ``(d, k)``; ``k = 0`` is the
    diagonal form. Solved through ``k x k`` systems: no ``d x d`` matrix is formed.

    >>> wiener = FactorDenoiser((2,), torch.zeros(2), torch.tensor([4.0, 1.0]), torch.zeros(2, 0))
    >>> wiener(torch.ones(1, 2), 1.0)
    tensor([[0.8000, 0.5000]])
    """

    name: ClassVar[str] = "gaussian-factors"
    diagonal: Tensor
    factors: Tensor

    def __init__(self, event_shape: tuple[int, ...], mean: Tensor, diagonal: Tensor, factors: Tensor) -> None:
        super().__init__(event_shape, {"mean": mean, "diagonal": diagonal, "factors": factors})

    def smoothed(self, centred: Tensor, sigma: Tensor) -> Tensor:
        variance = self.diagonal + sigma[:, None] ** 2
        common = self._common(centred, variance, sigma).scores @ self.factors.T
        # Matrix inversion lemma without a difference of large numbers: the factors' share is taken out first.
        return common + self.diagonal / variance * (centred - common)

    def divided(self, centred: Tensor, sigma: Tensor) -> Tensor:
        variance, late = self.diagonal + sigma[:, None] ** 2, self._explained()
        early = ~late
        seen = self._common(centred[:, early], variance[:, early], sigma, early)
        if not late.any():
            return (centred - seen.scores @ self.factors.T) / variance
        # Values explained by the factors alone come after the others, as news about the factors:
        # there the difference from what the factors say would lose all digits at small noise.
        own = self.factors[late]
        pushed = torch.cholesky_solve(own.T.expand(len(seen.lower), -1, -1), seen.lower)
        spread = own @ pushed + torch.diag_embed((self.diagonal + seen.levels[:, None] ** 2)[:, late])
        news = centred[:, late] - seen.scores @ own.T
        told = torch.cholesky_solve(news[:, :, None], torch.linalg.cholesky(spread)[seen.index])
        scores = seen.scores + (pushed[seen.index] @ told)[:, :, 0]
        rest = (centred - scores @ self.factors.T) / variance
        return rest.masked_scatter(late.expand_as(rest), told[:, :, 0])

    def deviance(self, centred: Tensor, sigma: Tensor) -> Tensor:
        variance = self.diagonal + sigma[:, None] ** 2
        found = self._common(centred, variance, sigma)
        scores, log_det = found.scores, found.log_det
        own = centred - scores @ self.factors.T
        # With z the best factor scores: r^T (V + F F^T)^-1 r = |r - F z|^2_V + |z|^2, a sum of squares.
        return (own**2 / variance + variance.log()).sum(1) + scores.square().sum(1) + log_det

    def _common(
        self, centred: Tensor, variance: Tensor, sigma: Tensor, values: Tensor | None = None
    ) -> _Common:
        """What ``centred`` with own ``variance`` says of the factors: all values, or those of a mask."""
        levels, index = torch.unique(sigma, return_inverse=True)
        diagonal, factors = self.diagonal, self.factors
        if values is not None:
            diagonal, factors = diagonal[values], factors[values]
        scaled = factors / (diagonal + levels[:, None] ** 2)[:, :, None].sqrt()
        unit = torch.eye(factors.shape[1], dtype=scaled.dtype, device=scaled.device)
        lower = torch.linalg.cholesky(scaled.mT @ scaled + unit)
        projected = (centred / variance) @ factors
        scores = torch.cholesky_solve(projected[:, :, None], lower[index])[:, :, 0]
        return _Common(scores, lower, levels, index)

    def _explained(self) -> Tensor:
        """Mask ``(d,)`` of values with next to no variance of their own, if not more than the factors."""
        late = self.diagonal < _OWN * self.factors.square().sum(1)
        # More of them than factors have a singular covariance, where no order of them helps.
        return late if int(late.sum()) <= self.factors.shape[1] else torch.zeros_like(late)


@final
@dataclass(frozen=True)
class Gaussian(Estimator):
    """Gaussian of the data's mean and covariance (normalised by ``n``), in the eigenbasis.

    ``n_modes`` keeps the leading eigenpairs and gives all other directions their mean variance
    (probabilistic PCA); without it every direction is kept. Raises ``ValueError`` for fewer than two events.

    >>> Gaussian().fit(np.array([[1.0, 0.0], [-1.0, 0.0]]))(torch.ones(1, 2), 1.0)
    tensor([[0.5000, 0.0000]])
    """

    n_modes: int | None = None
    name: ClassVar[str] = "gaussian"
    reference: ClassVar[str] = _REFERENCE
    equation: ClassVar[str] = "D = mean + C (C + sigma^2)^-1 (x - mean)"
    fitted: ClassVar[type[GaussianDenoiser]] = GaussianDenoiser

    def __post_init__(self) -> None:
        _check_rank("n_modes", self.n_modes)

    def fit(self, x: np.ndarray | Tensor) -> GaussianDenoiser:
        data, shape = samples(x, least=2)
        spectrum = _spectrum(data, shape, self.n_modes)
        arrays = (spectrum.mean, spectrum.eigenvectors, spectrum.eigenvalues, spectrum.residual_variance)
        return GaussianDenoiser(shape, *map(tensor, arrays))


@final
@dataclass(frozen=True)
class DiagonalGaussian(Estimator):
    """Gaussian of the data's means and variances, every value of an event on its own.

    Raises ``ValueError`` for fewer than two events.

    >>> DiagonalGaussian().fit(np.array([[1.0, 0.0], [-1.0, 0.0]]))(torch.ones(1, 2), 1.0)
    tensor([[0.5000, 0.0000]])
    """

    name: ClassVar[str] = "gaussian-diagonal"
    reference: ClassVar[str] = _REFERENCE
    equation: ClassVar[str] = "D = mean + v / (v + sigma^2) (x - mean)"
    fitted: ClassVar[type[FactorDenoiser]] = FactorDenoiser

    def fit(self, x: np.ndarray | Tensor) -> FactorDenoiser:
        data, shape = samples(x, least=2)
        mean, variance = mean_and_variance(data)
        return FactorDenoiser(shape, tensor(mean), tensor(variance), tensor(np.zeros((len(mean), 0))))


@final
@dataclass(frozen=True)
class LowRankGaussian(Estimator):
    """Gaussian with the ``rank`` leading eigenpairs of the covariance plus a diagonal that completes it.

    Every single variance of the data is kept exactly (one step of principal factor analysis); covariances are
    those of the leading eigenpairs. Raises ``ValueError`` for fewer than two events or a rank above ``d``.

    >>> LowRankGaussian(rank=1).fit(np.array([[1.0, 0.0], [-1.0, 0.0]]))(torch.ones(1, 2), 1.0)
    tensor([[0.5000, 0.0000]])
    """

    rank: int = 1
    name: ClassVar[str] = "gaussian-low-rank"
    reference: ClassVar[str] = _REFERENCE
    equation: ClassVar[str] = "C = diag(psi) + F F^T; D = mean + C (C + sigma^2)^-1 (x - mean)"
    fitted: ClassVar[type[FactorDenoiser]] = FactorDenoiser

    def __post_init__(self) -> None:
        _check_rank("rank", self.rank)

    def fit(self, x: np.ndarray | Tensor) -> FactorDenoiser:
        data, shape = samples(x, least=2)
        if self.rank > data.shape[1]:
            raise ValueError(
                f"rank must be at most the dimension of the data, {data.shape[1]}, got {self.rank}"
            )
        spectrum = _spectrum(data, shape, self.rank)
        factors = spectrum.eigenvectors * np.sqrt(spectrum.eigenvalues)
        mean, variance = mean_and_variance(data)
        own = np.maximum(variance - (factors**2).sum(1), 0.0)
        return FactorDenoiser(shape, tensor(mean), tensor(own), tensor(factors))


def _check_rank(name: str, value: int | None) -> None:
    if value is not None:
        checks.at_least(name, value, 1)


def _spectrum(data: Tensor, shape: tuple[int, ...], n_modes: int | None) -> Spectrum:
    array = events(data, shape)
    return fit_spectrum(lambda: row_blocks(array), shape, n_modes=n_modes)
