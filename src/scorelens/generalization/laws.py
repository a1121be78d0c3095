"""Laws of the data whose noised score and target covariance are closed forms: mixtures of Gaussians."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from scipy.stats.qmc import Sobol

from scorelens.core import checks
from scorelens.estimators import MixtureDenoiser
from scorelens.generalization.places import places
from scorelens.generalization.posterior_of_points import posterior_of_points
from scorelens.generalization.quadrature import GaussHermite, Pieces, Rule

MANY_POINTS = 50
"""More points than these are a data set."""
_BLOCK = 2**21
"""Nodes times components in one block."""
_POINT_BLOCK = 2**15
"""Nodes in one block of points, which need no components unless their score is asked."""


class ComponentNodes(NamedTuple):
    """Quadrature nodes of noised components: their share of the average of ``f`` is ``weight @ f(x)``.

    ``weight (n,)`` sums to the weight of the components in ``component (n,)``. Given the component and ``x``,
    the target is Gaussian, with a mean and covariance that `target` returns.
    """

    x: np.ndarray
    weight: np.ndarray
    component: np.ndarray
    target_mean: np.ndarray
    component_covariance: np.ndarray

    def target(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean ``(n, d)`` and covariance ``(n, d, d)`` of the target; ``ValueError`` without noise."""
        if np.isnan(self.component_covariance).any():
            raise ValueError("std must be > 0, got 0: without noise there is no target, only second moments")
        return self.target_mean, self.component_covariance[self.component]


@final
@dataclass(frozen=True, eq=False)
class DataLaw:
    """Data ``x_0 ~ sum_k weights_k N(means_k, covariances_k)``; a covariance of 0 is a point mass.

    ``weights (k,)`` > 0 (normalised here), ``means (k, d)``, ``covariances (k, d, d)``, in data units.
    Noised, ``x = alpha x_0 + std n``; the target of denoising score matching is
    ``(alpha x_0 - x) / std^2``. Make one with `gaussian`, `points` or `mixture`. Raises ``ValueError`` for
    shapes that do not fit, weights that are not positive, and covariances that are not symmetric or have a
    negative eigenvalue. NumPy float64.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def __post_init__(self) -> None:
        weights, means = np.asarray(self.weights, dtype=float), np.asarray(self.means, dtype=float)
        covariances = np.asarray(self.covariances, dtype=float)
        k, d = means.shape if means.ndim == 2 else (0, 0)
        if k * d == 0 or weights.shape != (k,) or covariances.shape != (k, d, d):
            raise ValueError(
                "weights, means and covariances must have shapes (k,), (k, d) and (k, d, d), got "
                f"{weights.shape}, {means.shape} and {covariances.shape}"
            )
        checks.positive("weights", weights, "leave components of no weight out")
        checks.finite("means", means)
        checks.finite("covariances", covariances)
        size = np.abs(covariances).max()
        if np.abs(covariances - covariances.transpose(0, 2, 1)).max() > 1e-8 * size:
            raise ValueError("covariances must be symmetric; give (C + C^T) / 2")
        object.__setattr__(self, "weights", weights / weights.sum())
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "covariances", covariances)
        if self._eigen[0].min() < -1e-10 * size:
            raise ValueError(f"covariances must have eigenvalues >= 0, got {self._eigen[0].min():g}")

    @classmethod
    def gaussian(cls, mean: ArrayLike, covariance: ArrayLike) -> Self:
        """``N(mean, covariance)`` from ``(d,)`` and ``(d, d)``.

        >>> DataLaw.gaussian([0.0], [[1.0]]).score([[2.0]], alpha=1.0, std=1.0)
        array([[-1.]])
        """
        return cls(np.ones(1), np.asarray(mean)[None], np.asarray(covariance)[None])

    @classmethod
    def points(cls, x: ArrayLike) -> Self:
        """Point masses of equal weight at the rows of ``x (n, d)``: the empirical law.

        >>> DataLaw.points([[-1.0], [1.0]]).target_covariance([[0.0]], alpha=1.0, std=0.5)
        array([[[16.]]])
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2:
            raise ValueError(f"points must have shape (n, d), got {x.shape}")
        return cls(np.ones(len(x)), x, np.zeros((*x.shape, x.shape[1])))

    @classmethod
    def mixture(cls, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> Self:
        """Gaussians ``(k, d)``, ``(k, d, d)`` with the given ``weights (k,)``."""
        return cls(np.asarray(weights), np.asarray(means), np.asarray(covariances))

    @property
    def dim(self) -> int:
        return self.means.shape[1]

    @property
    def n_components(self) -> int:
        return len(self.weights)

    @cached_property
    def is_points(self) -> bool:
        """Whether every component is a point mass."""
        return not self.covariances.any()

    @property
    def is_data_set(self) -> bool:
        """Whether these are so many points that only averages of limited accuracy are worth their time."""
        return self.is_points and self.n_components > MANY_POINTS

    @property
    def mean(self) -> np.ndarray:
        """Mean of the data, ``(d,)``."""
        return self.weights @ self.means

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the data, ``(d, d)``."""
        apart = self.means - self.mean
        return np.einsum("k,kij->ij", self.weights, self.covariances) + (self.weights * apart.T) @ apart

    def noised(self, alpha: float, std: float) -> DataLaw:
        """The law of ``alpha x_0 + std n``, itself a mixture."""
        alpha, std = _level(alpha, std)
        noise = std**2 * np.eye(self.dim)
        return DataLaw(self.weights, alpha * self.means, alpha**2 * self.covariances + noise)

    def denoiser(self) -> MixtureDenoiser:
        """The ideal denoiser of this law, for samplers and instruments."""
        return MixtureDenoiser.of_covariances(self.weights, self.means, self.covariances)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``n`` independent data points, ``(n, d)``."""
        checks.whole("n", n, 1)
        place = rng.choice(self.n_components, size=n, p=self.weights)
        values, vectors = self._eigen
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None]
        normal = rng.standard_normal((n, self.dim))
        return self.means[place] + np.einsum("nij,nj->ni", root[place], normal)

    def responsibilities(self, x: ArrayLike, alpha: float, std: float) -> np.ndarray:
        """Posterior probability of each component at each of ``x (n, d)``; ``(n, k)``."""
        return np.exp(self._posterior(*self._noisy(x, alpha, std))[0])

    def log_density(self, x: ArrayLike, alpha: float, std: float) -> np.ndarray:
        """``log p`` of the noised law at ``x (n, d)``; ``(n,)``."""
        return self._posterior(*self._noisy(x, alpha, std))[1]

    def score(self, x: ArrayLike, alpha: float, std: float) -> np.ndarray:
        """``grad log p`` of the noised law at ``x (n, d)``, same shape ([G5] for point masses).

        Raises ``ValueError`` for ``std = 0`` with a singular covariance: there is no density.
        """
        x, alpha, std = self._noisy(x, alpha, std)
        if self.is_data_set:
            return posterior_of_points(self.means, x, std, alpha, self.weights).score
        log_share, _, pull = self._posterior(x, alpha, std)
        return np.einsum("nk,nki->ni", np.exp(log_share), pull)

    def target_covariance(self, x: ArrayLike, alpha: float, std: float) -> np.ndarray:
        """``C(x)``, the covariance of the target given ``x (n, d)``; ``(n, d, d)``, unit ``x^-2`` ([G4]).

        From the posterior covariance: ``I / std^2 + hess log p`` would cancel at small ``std``.
        """
        checks.positive("std", std, "without noise the target has no covariance")
        x, alpha, std = self._noisy(x, alpha, std)
        if len(x) > 1 and len(x) * self.n_components > _BLOCK:
            size = max(_BLOCK // self.n_components, 1)
            parts = [self.target_covariance(x[i : i + size], alpha, std) for i in range(0, len(x), size)]
            return np.concatenate(parts)
        share = np.exp(self._posterior(x, alpha, std)[0])
        within = np.einsum("nk,kij->nij", share, self.component_target_covariance(alpha, std))
        means = alpha / std**2 * self._component_means(x, alpha, std)
        apart = means - np.einsum("nk,nki->ni", share, means)[:, None]
        return within + np.einsum("nk,nki,nkj->nij", share, apart, apart)

    def component_target_covariance(self, alpha: float, std: float) -> np.ndarray:
        """Covariance of the target given ``x`` and the component, the same at every ``x``; ``(k, d, d)``.

        ``alpha^2 / std^2 Sigma_k (alpha^2 Sigma_k + std^2)^-1``, without cancellation (generalisation,
        section 11).
        """
        values, vectors = self._eigen
        gain = alpha**2 * values / (std**2 * (alpha**2 * values + std**2))
        return np.einsum("kij,kj,klj->kil", vectors, gain, vectors)

    def component_pull(self, x: np.ndarray, alpha: float, std: float) -> np.ndarray:
        """Score of every noised component, ``S_k^-1 (alpha mu_k - x)``, at ``x (n, d)``; ``(n, k, d)``."""
        values, vectors = self._eigen
        noised = alpha**2 * values + std**2
        modes = np.einsum("nki,kij->nkj", alpha * self.means - x[:, None], vectors)
        return np.einsum("kij,nkj->nki", vectors, modes / noised)

    def component_nodes(self, alpha: float, std: float, rule: Rule) -> Iterator[ComponentNodes]:
        """Nodes of the noised components by ``rule``, in blocks of components and bounded memory.

        Averages over the law are sums over the blocks.
        """
        if self.is_points and std > 0 and rule.same_everywhere:
            yield from self._point_nodes(alpha, std, rule)
            return
        size = self.means.shape
        spread = np.full((*size, size[1]), np.nan)
        if std > 0:
            spread = self.component_target_covariance(alpha, std)
        held, count = [], 0
        for k in range(self.n_components):
            held.append(self._nodes_of(k, alpha, std, rule))
            count += len(held[-1][0])
            if count * self.n_components > _BLOCK or k == self.n_components - 1:
                x, weight, component, mean = (np.concatenate(part) for part in zip(*held, strict=True))
                yield ComponentNodes(x, weight, component, mean, spread)
                held, count = [], 0

    def _nodes_of(self, k: int, alpha: float, std: float, rule: Rule) -> tuple[np.ndarray, ...]:
        """Points, weights, component and mean target of the component ``k``."""
        values, vectors = self._eigen
        centre, scale = alpha * self.means[k], np.sqrt(np.maximum(alpha**2 * values[k] + std**2, 0.0))
        z, weight = rule.nodes(centre, scale)
        mean = -(z / scale) @ vectors[k].T if std > 0 else np.full_like(z, np.nan)
        return centre + (z * scale) @ vectors[k].T, self.weights[k] * weight, np.full(len(z), k), mean

    def _point_nodes(self, alpha: float, std: float, rule: Rule) -> Iterator[ComponentNodes]:
        """`component_nodes` of points, which all have the same nodes around them."""
        z, weight = rule.nodes(np.zeros(self.dim), np.full(self.dim, std))
        size = max(_POINT_BLOCK // len(z), 1)
        for start in range(0, self.n_components, size):
            place = np.arange(start, min(start + size, self.n_components))
            x = alpha * self.means[place, None] + std * z
            weights = np.outer(self.weights[place], weight).ravel()
            target = np.tile(-z / std, (len(place), 1))
            yield ComponentNodes(
                x.reshape(-1, self.dim), weights, np.repeat(place, len(z)), target, self.covariances
            )

    def step_nodes(self, alpha: float, std: float, breaks: np.ndarray) -> ComponentNodes:
        """Nodes on a line, exact for what is constant in ``x`` between ``breaks``, of degree 2 in the target.

        One per component and interval, with the target's moments given both: those of a truncated normal
        ([G13]). Raises ``ValueError`` in more dimensions.
        """
        edges = pieces(self.dim, 1.0, breaks).breaks
        variance = alpha**2 * self.covariances[:, 0, 0] + std**2
        ends = np.r_[-np.inf, edges, np.inf]
        scale = np.sqrt(variance)[:, None]
        mass, mean, spread = truncated_moments((ends - alpha * self.means) / scale)
        inside = np.r_[edges[0] - std, (ends[1:-2] + ends[2:-1]) / 2, edges[-1] + std]
        within = self.component_target_covariance(alpha, std)[:, :, 0] + spread / variance[:, None]
        held = mass > 0
        return ComponentNodes(
            np.broadcast_to(inside, mass.shape)[held][:, None],
            (self.weights[:, None] * mass)[held],
            np.arange(held.sum()),
            (-mean / scale)[held][:, None],
            within[held][:, None, None],
        )

    def drawn_nodes(self, alpha: float, std: float, count: int) -> Iterator[ComponentNodes]:
        """At least ``count`` draws in place of nodes, for points and ``std`` > 0: the same at every call.

        Every point is drawn equally often, with quasi-random noise. A product rule around each point would
        take far more nodes for the same accuracy.
        """
        place, z = self._draws(max(count, self.n_components))
        weight = self.weights[place] / np.bincount(place, minlength=self.n_components)[place]
        for start in range(0, len(z), _POINT_BLOCK):
            part = slice(start, start + _POINT_BLOCK)
            x = alpha * self.means[place[part]] + std * z[part]
            yield ComponentNodes(x, weight[part], place[part], -z[part] / std, self.covariances)

    def _draws(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Components ``(n,)`` and standard normal noise ``(n, d)``, ``n`` a power of two."""
        power = int(np.ceil(np.log2(count)))
        if power not in self._known_draws:
            uniform = Sobol(self.dim, rng=np.random.default_rng(0)).random_base2(power)
            place = np.random.default_rng(1).permutation(np.arange(2**power) % self.n_components)
            inside = np.clip(uniform, np.finfo(float).eps, 1 - np.finfo(float).eps)
            self._known_draws[power] = place, ndtri(inside)
        return self._known_draws[power]

    @cached_property
    def _known_draws(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        return {}

    def point_directions(self) -> np.ndarray:
        """Projector on the directions in which each component is a point, ``(k, d, d)``."""
        values, vectors = self._eigen
        return np.einsum("kij,kj,klj->kil", vectors, np.where(values == 0, 1.0, 0.0), vectors)

    def nodes(
        self, alpha: float, std: float, order: int, breaks: ArrayLike | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Quadrature of the noised law: ``x (n, d)`` and weights ``(n,)`` that sum to one.

        A Gauss-Hermite product of ``order`` per component; with ``breaks`` (1-D), Gauss-Legendre between them
        in ``order`` panels, for what jumps there.
        """
        alpha, std = _level(alpha, std)
        rule: Rule = GaussHermite(order)
        if breaks is not None:
            rule = pieces(self.dim, 20.0 / order, np.asarray(breaks, dtype=float))
        parts = list(self.component_nodes(alpha, std, rule))
        return np.concatenate([p.x for p in parts]), np.concatenate([p.weight for p in parts])

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues ``(k, d)`` and eigenvectors in columns ``(k, d, d)`` of the covariances."""
        values, vectors = np.linalg.eigh((self.covariances + self.covariances.transpose(0, 2, 1)) / 2)
        # rounding of a singular covariance is no variance
        kept = values > self.dim * np.finfo(float).eps * np.abs(values).max(axis=1, keepdims=True)
        return np.where(kept | (values < 0), values, 0.0), vectors

    def _noisy(self, x: ArrayLike, alpha: float, std: float) -> tuple[np.ndarray, float, float]:
        x = places("x", x, self.dim, "n")
        alpha, std = _level(alpha, std)
        if not (alpha**2 * self._eigen[0] + std**2 > 0).all():
            raise ValueError("without noise a singular covariance has no density; take std > 0")
        return x, alpha, std

    def _posterior(self, x: np.ndarray, alpha: float, std: float) -> tuple[np.ndarray, ...]:
        """Log share of each component ``(n, k)``, ``log p (n,)``, and `component_pull`."""
        pull = self.component_pull(x, alpha, std)
        deviance = -np.einsum("nki,nki->nk", pull, alpha * self.means - x[:, None])
        log_volume = np.log(2 * np.pi * (alpha**2 * self._eigen[0] + std**2)).sum(axis=1)
        joint = np.log(self.weights) + (deviance - log_volume) / 2
        largest = joint.max(axis=1, keepdims=True)
        shifted = joint - largest
        total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return shifted - total, (largest + total)[:, 0], pull

    def _component_means(self, x: np.ndarray, alpha: float, std: float) -> np.ndarray:
        """``E[x_0 | x, k]``, ``(n, k, d)``."""
        pull = self.component_pull(x, alpha, std)
        return self.means - alpha * np.einsum("kij,nkj->nki", self.covariances, pull)


def pieces(dim: int, width: float, breaks: np.ndarray) -> Pieces:
    """The rule that splits at ``breaks``; ``ValueError`` in more than one dimension."""
    if dim != 1:
        raise ValueError(f"breaks need a line, got {dim} dimensions; bins are features of one coordinate")
    return Pieces(width, tuple(float(b) for b in np.ravel(breaks)))


def truncated_moments(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mass, mean and variance of a standard normal between consecutive ``ends (k, m + 1)``; ``(k, m)`` each.

    >>> [float(one.round(4)[0, 0]) for one in truncated_moments(np.array([[-1.0, 1.0]]))]
    [0.6827, 0.0, 0.2911]
    """
    left, right = ends[:, :-1], ends[:, 1:]
    # the upper tail is the lower one mirrored: no difference of two numbers near 1
    mass = np.where(left > 0, ndtr(-left) - ndtr(-right), ndtr(right) - ndtr(left))
    density = np.exp(-(ends**2) / 2) / np.sqrt(2 * np.pi)
    moment = np.where(np.isfinite(ends), ends, 0.0) * density
    inside = np.where(mass > 0, mass, 1.0)
    mean = -np.diff(density, axis=1) / inside
    variance = 1 - np.diff(moment, axis=1) / inside - mean**2
    return mass, mean, np.clip(variance, 0.0, 1.0)


def _level(alpha: float, std: float) -> tuple[float, float]:
    checks.finite("alpha", alpha)
    checks.non_negative("std", std)
    return float(alpha), float(std)
