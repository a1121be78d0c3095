"""A Gaussian mixture fitted to the data, noised exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from sklearn import mixture
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.base import Estimator, samples
from scorelens.estimators.mixtures.mixture_denoiser import MixtureDenoiser


@final
@dataclass(frozen=True)
class GaussianMixture(Estimator):
    """Mixture of ``n_components`` Gaussians with full covariances, by EM (scikit-learn).

    ``least_variance``, relative to the mean variance of a value of the data, is added to every variance, so
    that no component collapses; the best of ``restarts`` starts is kept; ``seed`` chooses them. Given
    parameters instead of data: `MixtureDenoiser.of_covariances`. Raises ``ValueError`` for fewer events than
    components, for fewer different ones, and for fewer than two.

    >>> data = np.array([[-1.0], [-1.1], [1.0], [1.1]])
    >>> GaussianMixture(n_components=2).fit(data).means.ravel().sort().values
    tensor([-1.0500,  1.0500], dtype=torch.float64)
    """

    n_components: int = 2
    least_variance: float = 1e-6
    restarts: int = 1
    max_iterations: int = 200
    seed: int = 0
    name: ClassVar[str] = "gaussian-mixture"
    reference: ClassVar[str] = "dempster1977; pedregosa2011"
    equation: ClassVar[str] = "D = sum_k r_k(x) (m_k + C_k (C_k + sigma^2)^-1 (x - m_k))"
    fitted: ClassVar[type[MixtureDenoiser]] = MixtureDenoiser

    def __post_init__(self) -> None:
        checks.at_least("n_components", self.n_components, 1)
        checks.at_least("restarts", self.restarts, 1)
        checks.at_least("max_iterations", self.max_iterations, 1)
        checks.non_negative("least_variance", self.least_variance)

    def fit(self, x: np.ndarray | Tensor) -> MixtureDenoiser:
        data, shape = samples(x, least=max(2, self.n_components))
        data = data.double().cpu()
        distinct = len(data.unique(dim=0))
        if distinct < self.n_components:
            raise ValueError(
                f"n_components must be at most the number of different events, {distinct}, "
                f"got {self.n_components}; take fewer components"
            )
        centre = data.mean(0)
        scale = float(data.var(0, correction=0).mean().sqrt())
        if scale <= 1e-12 * float(data.abs().max()):
            scale = 1.0  # events that are all the same: a point, of any unit
        found = mixture.GaussianMixture(
            self.n_components,
            reg_covar=self.least_variance,
            max_iter=self.max_iterations,
            n_init=self.restarts,
            random_state=self.seed,
        ).fit(((data - centre) / scale).numpy())
        means = centre.numpy() + scale * np.asarray(found.means_)
        covariances = scale**2 * np.asarray(found.covariances_)
        return MixtureDenoiser.of_covariances(
            np.asarray(found.weights_), means, covariances, event_shape=shape
        )
