"""Indicators of intervals of a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.features.base import FeatureMap


@final
@dataclass(frozen=True, eq=False)
class Bins(FeatureMap):
    """Indicator of each interval between consecutive ``edges``; the two outer bins are unbounded.

    One more bin than edges, in one dimension only. They sum to one, so together with a constant feature
    (``constant``, the last one) they make a singular system. Their derivative is that of a step:
    ``mean_jacobian`` is the density at the left edge minus that at the right, and needs ``std > 0``.

    >>> Bins([-1.0, 1.0]).value([[0.0], [3.0]])
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """

    edges: np.ndarray
    constant: bool = False
    name: ClassVar[str] = "bins"
    reference: ClassVar[str] = "score estimation [S6]"

    def __post_init__(self) -> None:
        edges = np.asarray(self.edges, dtype=float)
        if edges.ndim != 1 or len(edges) == 0:
            raise ValueError(f"edges must be a list of at least one number, got shape {edges.shape}")
        checks.finite("edges", edges, "the outer bins are unbounded already")
        if not (np.diff(edges) > 0).all():
            raise ValueError("edges must increase; sort them and drop repeated ones")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "constant", bool(self.constant))

    @property
    def n_features(self) -> int:
        return len(self.edges) + 1 + self.constant

    @property
    def dim(self) -> int:
        return 1

    @property
    def dependence(self) -> str:
        said = "the bins sum to the constant at every point: leave the constant out (constant=False)"
        return said if self.constant else ""

    def empty(self, x: np.ndarray) -> np.ndarray:
        """Which features are 0 at all of the points ``x (n, 1)``; a mask ``(m,)``."""
        return np.asarray(self.value(x).sum(axis=0) == 0)

    def evaluate(self, x: Tensor) -> Tensor:
        edges = torch.as_tensor(self.edges, dtype=x.dtype, device=x.device)
        place = torch.searchsorted(edges, x[:, 0].detach().contiguous(), right=True)
        bins = torch.eye(len(self.edges) + 1, dtype=x.dtype, device=x.device)[place]
        return torch.cat([bins, torch.ones_like(x)], dim=1) if self.constant else bins

    def arrays(self) -> dict[str, np.ndarray]:
        return {"edges": self.edges, "constant": np.asarray(self.constant)}

    def _second_moment(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        share = self._shares(x0, alpha, std)
        if not self.constant:
            return np.diag(share)
        return np.block([[np.diag(share), share[:, None]], [share, np.ones(1)]])

    def _shares(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        """Probability of every bin."""
        if std == 0:
            return Bins(self.edges).value(alpha * x0).mean(axis=0)
        left, right = (self._standardised(x0, alpha, std)[:, part] for part in (slice(-1), slice(1, None)))
        # the upper tail is the lower one mirrored: no difference of two numbers near 1
        mirrored = np.where(left > 0, ndtr(-left) - ndtr(-right), ndtr(right) - ndtr(left))
        return mirrored.mean(axis=0)

    def _mean_jacobian(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        if std == 0:
            raise ValueError("bins have steps, whose slope needs noise, got std 0; take std > 0")
        z = self._standardised(x0, alpha, std)
        density = (np.exp(-(z**2) / 2) / (std * np.sqrt(2 * np.pi))).mean(axis=0)
        return np.append(-np.diff(density), [0.0] * self.constant)[:, None]

    def _standardised(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        """Edges with both infinities, in units of the noise around each point; ``(n, m + 1)``."""
        return (np.r_[-np.inf, self.edges, np.inf] - alpha * x0) / std
