"""The law that a kernel ``kappa L(y) I`` smears: moments, characteristic function, density, samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.generalization.laws import DataLaw, pieces
from scorelens.generalization.places import places
from scorelens.generalization.quadrature import Rule, Trapezoid, refined
from scorelens.generalization.statistics import Level, OneTime, ScoreFeatures
from scorelens.generalization.validity import warn_outside
from scorelens.generalization.vkernel.all_steps import SMOOTH_FACTOR
from scorelens.generalization.vkernel.time_binned import TimeBinned

_ACCURACY = 1e-10
_STEPS = tuple(0.4 * 2 ** (-n / 2) for n in range(16))
_WIDTHS = tuple(2.5 / 2**n for n in range(8))
_BLOCK = 2**14
"""Nodes at once."""


@final
@dataclass(frozen=True, eq=False)
class SmearedLaw:
    """``q = int N(.; y, kappa L(y) I) q_*(y) dy``, with the leverage ``L`` of ``features`` ([G26]-[G28]).

    ``center`` is ``q_*``, what the sampler generates without variance of the score; ``training`` the data
    that the features were fitted to, ``center`` itself if not given. ``kappa >= 0`` in squared data units:
    ``Z / (4 c)``, times ``pi^2 / 6`` for all steps; `of_bins` takes it from a sampler and says whether the
    derivation holds. Raises ``ValueError`` for features that are singular under the training data.

    >>> from scorelens.estimators.features import Monomials
    >>> from scorelens.generalization.statistics import StateFeatures
    >>> cubic = StateFeatures(Monomials([[1], [2], [3]]), intercept=True)
    >>> law = SmearedLaw(DataLaw.gaussian([0.2], [[0.8]]), cubic, kappa=0.1)
    >>> law.covariance  # 0.8 + 0.1 (1 + 3), not 0.8 + 0.1 (1 + 1)
    array([[1.2]])
    """

    center: DataLaw
    features: ScoreFeatures
    kappa: float
    training: DataLaw | None = None

    def __post_init__(self) -> None:
        checks.non_negative("kappa", self.kappa)
        self.fit.leverage(self.center.means[:1])  # refuses singular features at once

    @classmethod
    def of_bins(cls, binned: TimeBinned, *, all_steps: bool = True) -> Self:
        """Around the data of a time-binned sampler, with the ``kappa`` of its last step or of all steps.

        Warns (`OutsideLeadingOrder`) where the last step has too few samples, or the data are not smooth
        on the scale of its noise; ``ValueError`` for no more samples than features ([G21]).
        """
        warn_outside(binned.validity(1))
        factor = SMOOTH_FACTOR if all_steps else 1.0
        return cls(binned.law, binned.features, factor * binned.smear)

    @cached_property
    def fit(self) -> OneTime:
        """The features under the clean training data."""
        return OneTime(self.features, self.center if self.training is None else self.training, 1.0, 0.0)

    @property
    def mean(self) -> np.ndarray:
        """That of ``q_*``, ``(d,)``: noise without a mean does not move it."""
        return self.center.mean

    @cached_property
    def mean_leverage(self) -> float:
        """``E_q* L``: the number of features if ``q_*`` is the training law ([G11])."""
        if self.training is None:
            return float(self.fit.n_features)
        return float(self._average(lambda y: self.fit.leverage(y)[None])[0])

    @property
    def covariance(self) -> np.ndarray:
        """``Sigma_* + kappa E_q*[L] I``, ``(d, d)`` ([G27])."""
        return self.center.covariance + self.kappa * self.mean_leverage * np.eye(self.center.dim)

    def characteristic_function(self, u: ArrayLike) -> np.ndarray:
        """``E exp(i u . x)`` at ``u (p, d)``, complex ``(p,)``, by quadrature over ``q_*``."""
        u = places("u", u, self.center.dim)
        squares = self.kappa * (u**2).sum(axis=1) / 2

        def waves(y: np.ndarray) -> np.ndarray:
            decay = np.exp(-squares[:, None] * self.fit.leverage(y))
            phase = u @ y.T
            return np.concatenate([decay * np.cos(phase), decay * np.sin(phase)])

        real, imaginary = np.split(self._average(waves, unit=True), 2)
        return real + 1j * imaginary

    def density(self, x: ArrayLike) -> np.ndarray:
        """Density at ``x (p, d)``, ``(p,)``, by quadrature over ``q_*``; ``ValueError`` for ``kappa = 0``.

        Refused also for ``kappa`` so far below the scale of the data that no quadrature resolves it.
        """
        d = self.center.dim
        x = places("x", x, d)
        checks.positive("kappa", self.kappa, "the law that is not smeared is `center`")

        def normal(y: np.ndarray) -> np.ndarray:
            variance = self.kappa * self.fit.leverage(y)
            distance = ((x[:, None] - y) ** 2).sum(axis=-1)
            return np.exp(-distance / (2 * variance) - d / 2 * np.log(2 * np.pi * variance))

        return self._average(normal, resolution=self._width)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """``y + sqrt(kappa L(y)) z``, ``n`` independent draws ``(n, d)``."""
        y = self.center.sample(n, rng)
        spread = np.sqrt(self.kappa * self.fit.leverage(y))
        return y + spread[:, None] * rng.standard_normal(y.shape)

    @property
    def _width(self) -> float:
        """Least width of the smear over the largest scale of a component; a peak that nodes must not miss."""
        parts = self.center.component_nodes(1.0, 0.0, Trapezoid(0.4))
        least = min(float(self.fit.leverage(part.x).min()) for part in parts)
        scale = np.sqrt(np.linalg.eigvalsh(self.center.covariances).max())
        return float(np.sqrt(self.kappa * least) / scale) if scale > 0 else np.inf

    def _average(
        self, function: Callable[[np.ndarray], np.ndarray], unit: bool = False, resolution: float = np.inf
    ) -> np.ndarray:
        """``E_q* function(y)``, from ``(n, d)`` to ``(m, n)``; accurate relative to 1 if ``unit``.

        No step of the nodes is wider than ``resolution``, in units of a component's scale.
        """
        edges = np.asarray(self.features.breaks(Level(1.0, 0.0)))
        rules: list[Rule] = [Trapezoid(step) for step in _STEPS if step <= resolution]
        if len(edges):
            widths = [width for width in _WIDTHS if width <= 4 * resolution]
            rules = [pieces(self.center.dim, width, edges) for width in widths]
        if len(rules) < 2:
            raise ValueError(
                f"the smear is {resolution:.1e} of the scale of the data: too narrow for quadrature; compare "
                "moments or characteristic functions, or draw samples"
            )

        def by(rule: Rule) -> np.ndarray:
            total = np.zeros(1)
            for part in self.center.component_nodes(1.0, 0.0, rule):
                total = total + _weighted(function, part.x, part.weight)
            return np.r_[total, 1.0] if unit else total

        found = refined(by, rules, _ACCURACY, "the average over what is smeared", sizes=int(unit))
        return found[:-1] if unit else found


def gaussian_characteristic_function(
    u: ArrayLike, mean: ArrayLike, covariance: ArrayLike, kappa: float
) -> np.ndarray:
    """That of ``q_* = N(mean, covariance)`` smeared with affine features, in closed form ([G28]).

    At ``u (p, d)``, complex ``(p,)``. The printed form (001, Eq. 24) lacks ``exp(-kappa |u|^2 / 2)``.

    >>> gaussian_characteristic_function([[0.5, 0.0]], [0.4, -0.2], [[1.0, 0.3], [0.3, 0.5]], 0.15).round(6)
    array([0.821864+0.1666j])
    """
    u, mean, sigma = (np.asarray(part, dtype=float) for part in (u, mean, covariance))
    checks.non_negative("kappa", kappa)
    if u.ndim != 2 or mean.shape != u.shape[1:] or sigma.shape != 2 * mean.shape:
        raise ValueError(
            f"u, mean and covariance must be (p, d), (d,), (d, d), got {u.shape}, {mean.shape}, {sigma.shape}"
        )
    square = (u**2).sum(axis=1)
    spread = 1 + kappa * square
    quadratic = np.einsum("pi,ij,pj->p", u, sigma, u)
    exponent = 1j * (u @ mean) - quadratic / (2 * spread) - kappa * square / 2
    return np.exp(exponent - len(mean) / 2 * np.log(spread))


def _weighted(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    starts = range(0, len(x), _BLOCK)
    return np.sum([function(x[i : i + _BLOCK]) @ weight[i : i + _BLOCK] for i in starts], axis=0)
