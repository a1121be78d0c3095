"""The law of a least-squares score over training sets: optimum, covariance, bias, leverage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import ComponentNodes, DataLaw
from scorelens.generalization.places import places
from scorelens.generalization.statistics.averages import average
from scorelens.generalization.statistics.features import Level, ScoreFeatures
from scorelens.generalization.statistics.small_noise import first_time, noise_growth
from scorelens.generalization.validity import validity, warn_outside

Target = Literal["dsm", "naive"]
_ROUNDING = 1e-14
"""Per feature: eigenvalues of the scaled second moment below it are zero."""
_FLOOR = 1e-3
"""Share of the size of a sum's terms below which its own size no longer counts for convergence."""


class Draw(NamedTuple):
    """A noise level of training, the scale ``a`` of the score there and the weight ``w`` of its loss."""

    level: Level
    scale: float
    weight: float


Term = tuple[np.ndarray, np.ndarray]
TermOfPart = Callable[[Draw, ComponentNodes, np.ndarray], Term]


class ScoreRegression(ABC):
    """``s(x, t) = a_t W phi(x, t)``, fitted by least squares to ``n`` samples; ``W (d, F)`` ([G8]-[G11]).

    Targets: ``"dsm"`` is ``(alpha x_0 - x) / sigma^2`` of the drawn ``x_0``, ``"naive"`` the true score at
    ``x``; both have the same optimum ([G3]) and the same leading bias. Everything is computed in the basis of
    features that are orthonormal under the training law, so that no inverse of an ill-conditioned matrix is
    ever formed. Raises ``ValueError`` for features that are linearly dependent under the law.
    """

    features: ScoreFeatures
    law: DataLaw
    name: ClassVar[str]
    reference: ClassVar[str]

    @abstractmethod
    def _over_levels(
        self,
        what: str,
        function: Callable[[Draw], np.ndarray],
        weights: int,
        noise_power: float,
        start: float,
    ) -> np.ndarray:
        """``E[function]`` over the noise levels of training; ``what`` names it in an error.

        The function is zero before the time ``start``; if that is 0, it goes like
        ``w^weights sigma^-noise_power`` as ``t -> 0``.
        """

    @abstractmethod
    def _places(self, x: ArrayLike, t: ArrayLike | None) -> list[tuple[slice, Draw]]:
        """The level of each of the points ``x (n, d)``, as slices of equal level."""

    @property
    def n_features(self) -> int:
        return self.features.n_features

    @cached_property
    def optimum(self) -> np.ndarray:
        """``W* (d, F)``, the limit of the fit for endless data ([G8])."""
        return self._optimum @ self._whitening

    @cached_property
    def second_moment(self) -> np.ndarray:
        """``K = E[w a^2 phi phi^T]``, ``(F, F)``."""
        return self._second_moment(np.eye(self.n_features))

    @property
    def condition_number(self) -> float:
        """Of ``K`` scaled to a unit diagonal, so that it does not depend on the units of the features."""
        values = self._scaled_eigenvalues[0]
        return float(values[-1] / values[0]) if values[0] > 0 else np.inf

    def score(self, x: ArrayLike, t: ArrayLike | None = None) -> np.ndarray:
        """The optimal score at ``x (n, d)``; same shape."""
        return self.orthonormal(x, t) @ self._optimum.T

    def orthonormal(self, x: ArrayLike, t: ArrayLike | None = None) -> np.ndarray:
        """``a_t`` times features that are orthonormal under the training law, at ``x (p, d)``; ``(p, F)``."""
        x = places("x", x, self.features.dim)
        checks.at_least("the number of places in x", len(x), 1)
        rows = np.empty((len(x), self.n_features))
        for part, draw in self._places(x, t):
            rows[part] = draw.scale * self.features.value(x[part], draw.level) @ self._whitening.T
        return rows

    def covariance(
        self,
        x: ArrayLike,
        t: ArrayLike | None = None,
        other_x: ArrayLike | None = None,
        other_t: ArrayLike | None = None,
        *,
        target: Target = "dsm",
    ) -> np.ndarray:
        """``n Cov[s_i(x, t), s_j(x', t')]`` in the limit of many samples, ``(p, d, p', d)`` ([G9]).

        Between the points ``x (p, d)`` at ``t`` and ``other_x (p', d)`` at ``other_t``, each of which is that
        of the former if left out. Divide by the number of samples, or use `covariance_of`.
        """
        first = second = self.orthonormal(x, t)
        if other_x is not None or other_t is not None:
            second = self.orthonormal(x if other_x is None else other_x, t if other_t is None else other_t)
        return np.einsum("pa,iajb,qb->piqj", first, self._meat_of(target), second, optimize=True)

    def local_covariance(
        self, x: ArrayLike, t: ArrayLike | None = None, *, target: Target = "dsm"
    ) -> np.ndarray:
        """``n Cov[s(x, t)]`` at each of ``x (p, d)`` alone, ``(p, d, d)``: the diagonal of `covariance`."""
        rows = self.orthonormal(x, t)
        return np.einsum("pa,iajb,pb->pij", rows, self._meat_of(target), rows, optimize=True)

    def draw_weights(
        self, n_samples: int, count: int, rng: np.random.Generator, *, target: Target = "dsm"
    ) -> np.ndarray:
        """Weights of ``count`` fits to ``n_samples`` each, as Gaussians of leading mean and covariance.

        ``(count, d, F)``, around the optimum and its leading bias. For real fits see
        `scorelens.generalization.ensembles`.
        """
        check_samples(n_samples, self.n_features)
        checks.whole("count", count, 1)
        size = self.law.dim * self.n_features
        values, vectors = np.linalg.eigh(self._meat_of(target).reshape(size, size))
        root = vectors * np.sqrt(np.maximum(values, 0.0) / n_samples)
        noise = (rng.standard_normal((count, size)) @ root.T).reshape(count, self.law.dim, -1)
        return (self._optimum + self._bias / n_samples + noise) @ self._whitening

    def covariance_of(
        self, n_samples: int, x: ArrayLike, t: ArrayLike | None = None, *, target: Target = "dsm"
    ) -> np.ndarray:
        """Leading covariance of a score fitted to ``n_samples``, ``(p, d, p, d)``.

        Warns (`OutsideLeadingOrder`) where an affine fit to as few samples has a variance more than 10 %
        above it ([G12]). Raises ``ValueError`` for no more samples than features: such a fit is not unique.
        """
        check_samples(n_samples, self.n_features)
        warn_outside(validity(n_samples, self.n_features))
        return self.covariance(x, t, target=target) / n_samples

    def bias(self, x: ArrayLike, t: ArrayLike | None = None) -> np.ndarray:
        """``n (E s - s*)`` at ``x (p, d)`` in the limit of many samples, same shape ([G10]).

        Zero for a well-specified model. Its square is of order ``1 / n^2``, but it moves the moments of what
        is generated at the same order as the covariance does.
        """
        return self.orthonormal(x, t) @ self._bias.T

    def leverage(self, x: ArrayLike, t: ArrayLike | None = None) -> np.ndarray:
        """``w a^2 phi^T K^-1 phi`` at ``x (p, d)``, ``(p,)``; its mean over training is ``F`` ([G11])."""
        weights = np.empty(len(np.asarray(x)))
        for part, draw in self._places(x, t):
            weights[part] = draw.weight
        return weights * (self.orthonormal(x, t) ** 2).sum(axis=1)

    @property
    def misfit(self) -> float:
        """``E[w |s - s*|^2]``: zero for a well-specified model, to rounding."""

        def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
            score = self.law.score(part.x, draw.level.alpha, draw.level.std)
            apart = score - draw.scale * phi @ self._optimum.T
            factor = draw.weight * part.weight
            return factor @ _squares(apart), factor @ _squares(score)

        return float(self.training_mean("the misfit", term, (), 2, smooth_score=True, everywhere=True))

    def training_mean(
        self,
        what: str,
        term: TermOfPart,
        shape: tuple[int, ...],
        factors: int,
        weights: int = 1,
        noise_power: float = 2.0,
        basis: np.ndarray | None = None,
        smooth_score: bool = False,
        everywhere: bool = False,
    ) -> np.ndarray:
        """``E[term]`` over data and noise levels, an array of ``shape``; the rule for a new moment.

        ``term(draw, nodes, phi)`` gets the features in the orthonormal basis, or in ``basis (F, F)``, holds
        ``factors`` factors of features and targets, and goes like ``w^weights sigma^-noise_power`` as
        ``t -> 0`` if features stay finite. It returns its sum over the nodes and the size of what that adds,
        which tells zero from rounding; ``smooth_score`` says that it calls the score of the law, and
        ``everywhere`` that it is not zero where all features are. ``what`` names it in errors.
        """
        basis = self._whitening if basis is None else basis

        def of_draw(draw: Draw) -> np.ndarray:
            def integrand(part: ComponentNodes, phi: np.ndarray) -> np.ndarray:
                value, size = term(draw, part, phi @ basis.T)
                return np.r_[value.ravel(), _FLOOR * size]

            return average(self.law, self.features, draw.level, integrand, factors, smooth_score, sizes=1)

        power = noise_power + factors * noise_growth(self.features)
        start = 0.0 if everywhere else first_time(self.features)
        return self._over_levels(what, of_draw, weights, power, start)[:-1].reshape(shape)

    def _second_moment(self, basis: np.ndarray) -> np.ndarray:
        def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
            return draw.weight * draw.scale**2 * (part.weight * phi.T) @ phi, np.zeros(1)

        shape = (self.n_features, self.n_features)
        return self.training_mean("the second moment K of the features", term, shape, 2, basis=basis)

    @cached_property
    def _scaled_eigenvalues(self) -> tuple[np.ndarray, np.ndarray]:
        """Ascending eigenvalues of ``K`` scaled to a unit diagonal, and the scales."""
        size = np.sqrt(np.diag(self.second_moment))
        scales = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
        return np.linalg.eigvalsh(scales[:, None] * self.second_moment * scales), scales

    @cached_property
    def _whitening(self) -> np.ndarray:
        """``T`` with ``T K T^T = I``; triangular, so that a leading constant centres the others.

        Two passes of Cholesky: the second corrects what the first loses to the condition number.
        """
        values, scales = self._scaled_eigenvalues
        rank = int((values > len(values) * _ROUNDING).sum())
        if rank < len(values):
            raise ValueError(
                f"the second moment of {len(values)} features is singular, of rank {rank} under this law; "
                "drop features that the others make up (bins that cover the line sum to a constant: leave "
                "the constant or one bin out), bins without data, and features beyond the number of points"
            )
        first = np.linalg.inv(np.linalg.cholesky(scales[:, None] * self.second_moment * scales)) * scales
        return np.linalg.inv(np.linalg.cholesky(self._second_moment(first))) @ first

    @cached_property
    def _optimum(self) -> np.ndarray:
        def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
            factor, target = draw.weight * draw.scale * part.weight, part.target()[0]
            return (factor * target.T) @ phi, factor @ np.sqrt(_squares(target) * _squares(phi))

        return self.training_mean("the optimum", term, (self.law.dim, self.n_features), 2)

    @cached_property
    def _bias(self) -> np.ndarray:
        def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
            target, leverage = part.target()[0], draw.weight * draw.scale**2 * _squares(phi)
            factor = -draw.weight * draw.scale * part.weight * leverage  # [G10]
            misfit = target - draw.scale * phi @ self._optimum.T
            return (factor * misfit.T) @ phi, -factor @ np.sqrt(_squares(target) * _squares(phi))

        return self.training_mean("the bias", term, (self.law.dim, self.n_features), 4, 2, 4.0)

    def _meat_of(self, target: Target) -> np.ndarray:
        checks.choice("target", target, ("dsm", "naive"))
        return self._meat_of_naive if target == "naive" else self._meat_of_dsm

    @cached_property
    def _meat_of_dsm(self) -> np.ndarray:
        """``M_ij`` of [G9] as ``(d, F, d, F)``; given a component the target is Gaussian around its pull."""

        def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
            mean, spread = part.target()
            value, size = self._of_residual(draw, part, phi, mean)
            within = products_with(part.weight[:, None, None] * spread, phi)
            return value + (draw.weight * draw.scale) ** 2 * within, size

        return self._meat(term)

    @cached_property
    def _meat_of_naive(self) -> np.ndarray:
        def term(draw: Draw, part: ComponentNodes, phi: np.ndarray) -> Term:
            score = self.law.score(part.x, draw.level.alpha, draw.level.std)
            return self._of_residual(draw, part, phi, score)

        return self._meat(term, smooth_score=True)

    def _meat(self, term: TermOfPart, smooth_score: bool = False) -> np.ndarray:
        shape = (self.law.dim, self.n_features) * 2
        what = "the covariance of the score"
        return self.training_mean(what, term, shape, 4, 2, 4.0, smooth_score=smooth_score)

    def _of_residual(self, draw: Draw, part: ComponentNodes, phi: np.ndarray, target: np.ndarray) -> Term:
        """``E[w^2 a^2 r_i r_j phi_a phi_b]`` of one component, ``r`` the target less the optimal score."""
        residual = target - draw.scale * phi @ self._optimum.T
        rows = (residual[:, :, None] * phi[:, None]).reshape(len(phi), -1)
        shape = (residual.shape[1], phi.shape[1])
        factor = (draw.weight * draw.scale) ** 2 * part.weight
        return ((factor * rows.T) @ rows).reshape(shape * 2), factor @ (_squares(target) * _squares(phi))


def products_with(matrices: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """``sum_n B_n,ij phi_na phi_nb`` of ``(n, d, d)`` and ``(n, F)``, as ``(d, F, d, F)``."""
    axes = range(matrices.shape[1])
    found = np.array([[(matrices[:, i, j] * phi.T) @ phi for j in axes] for i in axes])
    return found.transpose(0, 2, 1, 3)


def check_samples(n_samples: int, n_features: int) -> None:
    """``ValueError`` unless there are more samples than features."""
    checks.whole("n_samples", n_samples, 1)
    if n_samples <= n_features:
        raise ValueError(
            f"{n_features} features need more than {n_features} samples, got {n_samples}: no fit is unique; "
            "take more samples or fewer features"
        )


def _squares(rows: np.ndarray) -> np.ndarray:
    return (rows**2).sum(axis=1)
