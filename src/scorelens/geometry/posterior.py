"""What a denoiser says about the clean event behind a noisy one: mean, covariance, principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import device_of, generator, undisturbed
from scorelens.core.jacobian import JacobianAt
from scorelens.core.jacobian.precision import widened
from scorelens.core.trace import trace
from scorelens.geometry.asymmetry import exact_asymmetry
from scorelens.geometry.ranks import ETA, EffectiveRanks, effective_ranks
from scorelens.geometry.spectrum import METHODS, JacobianSpectrum, spectrum_of


class PosteriorCovariance(NamedTuple):
    """``mean (b, *event)``, ``covariance (b, d, d)`` in squared data units; ``asymmetry (b,)`` that was left
    out, ``|J - J^T| / |J|``; ``way`` says how the Jacobian was taken. Float64 on the CPU."""

    mean: Tensor
    covariance: Tensor
    asymmetry: Tensor
    way: str


@final
@dataclass(frozen=True, eq=False)
class Posterior:
    """The law of ``x_0`` given each of b noisy events, along its k principal components.

    It is the posterior's as far as the denoiser is the posterior mean: then the Jacobian is symmetric and no
    eigenvalue negative ([P3]). What a network leaves of that is in ``spectrum.asymmetry`` and `status`.
    Float64 on the CPU.
    """

    spectrum: JacobianSpectrum
    total_variance: Tensor
    """``sigma^2 tr J``, ``(b,)``: the sum over all components, in squared data units."""
    total_error: Tensor
    """Its standard error, ``(b,)``, 0 where exact."""

    @property
    def mean(self) -> Tensor:
        """``E[x_0 | x]``, ``(b, *event)``."""
        return self.spectrum.value.reshape(-1, *self.spectrum.event_shape)

    @property
    def components(self) -> Tensor:
        """Principal components as events of length 1, ``(b, k, *event)``."""
        return self.spectrum.images

    @property
    def variances(self) -> Tensor:
        """Variances along them, ``(b, k)``, descending: ``sigma^2`` times the eigenvalues."""
        return self._noise * self.spectrum.eigenvalues

    @property
    def errors(self) -> Tensor:
        """``(b, k)``: a variance of the symmetrised covariance lies within this of each."""
        return self._noise * self.spectrum.errors

    @property
    def deviations(self) -> Tensor:
        """Standard deviations along the components, ``(b, k)``; 0 where a variance is negative."""
        return self.variances.clamp_min(0).sqrt()

    @property
    def status(self) -> tuple[str, ...]:
        """One line per event: whether the components converged, and whether a variance is negative."""
        below = (self.variances < -self.errors).sum(1).tolist()
        return tuple(
            line + (f"; {n} negative variances: the denoiser is no posterior mean here" if n else "")
            for line, n in zip(self.spectrum.status, below, strict=True)
        )

    def ranks(self, eta: float = ETA) -> EffectiveRanks:
        """Effective ranks of the symmetrised Jacobian, of ``|eigenvalues|``, each ``(b,)`` ([P20]).

        Raises ``ValueError`` unless all components are known.

        >>> found = posterior(lambda x, sigma: x / 2, torch.ones(1, 3), 1.0, 3)
        >>> found.ranks().entropy.round(6)
        array([3.])
        """
        d, k = self.spectrum.eigenvectors.shape[1:]
        if k < d:
            raise ValueError(f"effective ranks need all {d} components, got {k}; take n_components={d}")
        return effective_ranks(self.spectrum.eigenvalues.abs().numpy(), eta)

    def walk(self, component: int, steps: Tensor) -> Tensor:
        """``mean + m deviation e`` for each ``m`` of ``steps (n,)``: a straight line, ``(b, n, *event)``."""
        self._check_component(component)
        return self._along(self.mean, component, steps, self.deviations[:, component])

    def denoised_walk(self, denoiser: Denoiser, component: int, steps: Tensor) -> Tensor:
        """What the denoiser makes of noisy events moved along a component, ``(b, n, *event)``.

        Moving the noisy event by ``m sigma^2 / deviation`` moves its mean by ``m deviation`` to first order:
        like `walk`, but it stays with what the denoiser knows. In float64; a function that is no module is
        called with float64. Raises ``ValueError`` where the deviation is 0.
        """
        self._check_component(component)
        deviation = self.deviations[:, component]
        if bool((deviation <= 0).any()):
            raise ValueError(
                f"component {component} has no variance; take one with a deviation > 0, or `walk`"
            )
        x = self.spectrum.x.reshape(self.mean.shape)
        moved = self._along(x, component, steps, self._noise[:, 0] / deviation)
        sigma = self.spectrum.sigma.repeat_interleave(len(steps))
        device = device_of(denoiser)
        at, level = moved.flatten(0, 1).to(device), sigma.to(device)
        with undisturbed(denoiser):
            evaluated, _ = widened(denoiser, torch.float64, (at[:1], level[:1]))
            found = evaluated(at, level)
        return found.double().cpu().reshape(moved.shape)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """``n`` events of the Gaussian along the components, ``(b, n, *event)``; nothing varies across them.

        >>> found = posterior(lambda x, sigma: x / 2, torch.ones(1, 3), 1.0, 2)
        >>> found.sample(4).shape
        torch.Size([1, 4, 3])
        """
        checks.whole("n", n, 1)
        b, k = self.deviations.shape
        normal = torch.randn((b, n, k), generator=generator(seed, "posterior"), dtype=torch.float64)
        shift = torch.einsum("bnk,bdk->bnd", normal * self.deviations[:, None], self.spectrum.eigenvectors)
        return self.mean[:, None] + shift.reshape(b, n, *self.spectrum.event_shape)

    @property
    def _noise(self) -> Tensor:
        return self.spectrum.sigma[:, None] ** 2

    def _check_component(self, component: int) -> None:
        known = self.variances.shape[1]
        checks.whole("component", component, 0, "components count from 0")
        if component >= known:
            raise ValueError(f"component must be below {known}, got {component}; find more components")

    def _along(self, start: Tensor, component: int, steps: Tensor, length: Tensor) -> Tensor:
        image = self.components[:, component]
        amount = length[:, None] * steps.double()
        return start[:, None] + amount.reshape(*amount.shape, *[1] * (image.ndim - 1)) * image[:, None]


def posterior(
    denoiser: Denoiser,
    x: Tensor,
    sigma: Tensor | float,
    n_components: int,
    *,
    n_trace: int = 30,
    tolerance: float = 1e-3,
    method: str = "auto",
    way: str = "auto",
    seed: int = 0,
) -> Posterior:
    """Mean and ``n_components`` principal components of ``x_0`` given ``x (b, *event)`` (geometry, [P3]).

    ``tolerance``, ``method`` and ``way`` are those of `jacobian_spectrum`; the total variance takes
    ``n_trace`` more applications of the Jacobian to each event (exact where that is no fewer than the
    dimension). For ``x_t`` of a process give ``x_t / alpha`` ([P5]). Raises as `jacobian_spectrum` does.

    >>> found = posterior(lambda x, sigma: x * torch.tensor([0.9, 0.5]), torch.ones(1, 2), 2.0, 1)
    >>> round(found.variances.item(), 5), round(found.total_variance.item(), 5), found.status
    (3.6, 5.6, ('converged',))
    """
    checks.choice("method", method, METHODS)
    at = JacobianAt(denoiser, x, sigma, way=way)
    spectrum = spectrum_of(at, n_components, tolerance=tolerance, method=method, seed=seed)
    noise = spectrum.sigma**2
    if spectrum.eigenvalues.shape[1] == spectrum.x.shape[1]:
        return Posterior(spectrum, noise * spectrum.eigenvalues.sum(1), torch.zeros_like(noise))
    found = trace(at.apply, at.n_points, at.dim, n_trace, seed=seed)
    return Posterior(spectrum, noise * found.value.cpu(), noise * found.standard_error.cpu())


def posterior_covariance(
    denoiser: Denoiser, x: Tensor, sigma: Tensor | float, *, way: str = "auto"
) -> PosteriorCovariance:
    """``sigma^2 (J + J^T) / 2`` at ``x (b, *event)`` ([P3]): ``(b, d, d)`` numbers, for small dimensions.

    >>> posterior_covariance(lambda x, sigma: x / 2, torch.ones(1, 1), 2.0).covariance
    tensor([[[2.]]], dtype=torch.float64)
    """
    at = JacobianAt(denoiser, x, sigma, way=way)
    full = at.full().double().cpu()
    covariance = at.sigma.double().cpu()[:, None, None] ** 2 * (full + full.mT) / 2
    return PosteriorCovariance(
        at.value.double().cpu().reshape(x.shape), covariance, exact_asymmetry(full).ratio, at.way
    )
