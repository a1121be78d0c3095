"""One function of a patch for every pixel: fields of a translation-equivariant score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.estimators.features import FeatureMap, SmoothFeatureMap
from scorelens.estimators.features.base import refuse_too_large
from scorelens.estimators.fields.base import FieldMap
from scorelens.estimators.local_patch import Neighbourhood

_BLOCK = 2**22
"""Numbers in one block of patches, or of their features."""


@final
@dataclass(frozen=True, eq=False)
class PatchFields(FieldMap):
    """``psi_cj(x)`` is ``phi_j(patch around i)`` in channel ``c`` of every pixel ``i``, 0 in other channels.

    The weights of ``s = sum theta_cj psi_cj`` are shared by all pixels: the score moves with the event. Field
    ``(c, j)`` has index ``c * n_features + j``. ``features`` are of ``channels * patch_size^2`` values (fewer
    along a short axis), see `Neighbourhood`; events are ``(n,)``, ``(height, width)`` or
    ``(channels, height, width)`` with circular borders.

    The noise of a patch's values is independent, so that the averages are ``features.second_moment`` and the
    centre's column of ``features.mean_jacobian`` over all patches of the data: exact where these are.

    >>> from scorelens.estimators.features import Affine
    >>> PatchFields(Affine(3), (4,), 3).value([[1.0, 2.0, 3.0, 4.0]])[0, 1]  # each pixel's left neighbour
    array([4., 1., 2., 3.])
    """

    features: FeatureMap
    event_shape: tuple[int, ...]
    patch_size: int = 3
    kind: ClassVar[str] = "patches"
    reference: ClassVar[str] = "score estimation [S5]; kamb2024"

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_shape", tuple(int(n) for n in self.event_shape))
        object.__setattr__(self, "patch_size", int(self.patch_size))
        if self.features.dim != self._width:
            raise ValueError(
                f"a patch holds {self._width} values, the features are of {self.features.dim}; "
                "make them with PatchRule"
            )

    @classmethod
    def rebuilt(cls, features: FeatureMap, event_shape: np.ndarray, patch_size: np.ndarray) -> PatchFields:
        """From the features and the arrays of its own."""
        return cls(features, tuple(event_shape), int(patch_size))

    @property
    def n_features(self) -> int:
        return self._near.channels * self.features.n_features

    @property
    def dim(self) -> int:
        return math.prod(self.event_shape)

    @cached_property
    def _near(self) -> Neighbourhood:
        return Neighbourhood(self.event_shape, self.patch_size)

    @property
    def _width(self) -> int:
        return self._near.channels * self._near.n_taps

    def evaluate(self, x: Tensor) -> Tensor:
        phi, channels = self._of_patches(x), self._near.channels
        each = torch.eye(channels, dtype=phi.dtype, device=phi.device)
        return torch.einsum("cp,bij->bcjpi", each, phi).reshape(len(x), self.n_features, self.dim)

    def combined(self, x: Tensor, theta: Tensor) -> Tensor:
        step = max(1, _BLOCK // (self._near.n_pixels * max(self.features.n_features, self._width)))
        parts = zip(x.split(step), theta.split(step), strict=True)
        return torch.cat([self._combined(*part) for part in parts])

    def arrays(self) -> dict[str, np.ndarray]:
        inner = {f"inner_{key}": value for key, value in self.features.arrays().items()}
        return {**inner, "event_shape": np.array(self.event_shape), "patch_size": np.array(self.patch_size)}

    def _combined(self, x: Tensor, theta: Tensor) -> Tensor:
        weights = theta.reshape(len(x), self._near.channels, self.features.n_features)
        return torch.einsum("bij,bcj->bci", self._of_patches(x), weights).flatten(1)

    def _of_patches(self, x: Tensor) -> Tensor:
        """Features of every patch, ``(b, pixels, n_features)``."""
        patches = self._near.patches(x)
        return self.features.evaluate(patches.flatten(0, 1)).unflatten(0, patches.shape[:2])

    def _divergence(self, x: np.ndarray) -> np.ndarray:
        smooth = self.features
        if not isinstance(smooth, SmoothFeatureMap):
            return np.stack([self._mean_divergence(event[None], 1.0, 0.0) for event in x])
        step = max(1, _BLOCK // (self._near.n_pixels * self._width * smooth.n_features))
        return np.concatenate(
            [self._slopes(smooth, x[start : start + step]) for start in range(0, len(x), step)]
        )

    def _slopes(self, smooth: SmoothFeatureMap, x: np.ndarray) -> np.ndarray:
        """Derivatives along each patch's own pixel, summed over pixels; ``(n, m)``."""
        patches = self._near.patches(torch.tensor(x)).flatten(0, 1).numpy()
        slopes = smooth.jacobian(patches)[:, :, self._near.centres.numpy()]
        summed = slopes.reshape(len(x), self._near.n_pixels, *slopes.shape[1:]).sum(axis=1)
        return summed.transpose(0, 2, 1).reshape(len(x), self.n_features)

    def _gram(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        refuse_too_large("the matrix of all pairs of patch fields", (self.n_features, self.n_features))
        blocks = self._patch_blocks(x0)
        moment = sum(share * self.features.second_moment(patches, alpha, std) for patches, share in blocks)
        return np.kron(np.eye(self._near.channels), moment)

    def _mean_divergence(self, x0: np.ndarray, alpha: float, std: float) -> np.ndarray:
        centres = self._near.centres.numpy()
        blocks = self._patch_blocks(x0)
        slopes = (share * self.features.mean_jacobian(patches, alpha, std) for patches, share in blocks)
        return np.sum([slope[:, centres].T.ravel() for slope in slopes], axis=0)

    def _patch_blocks(self, x0: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        """All patches of the events in blocks, with weights that make means into sums over pixels."""
        step = max(1, _BLOCK // (self._near.n_pixels * max(self._width, self.features.n_features)))
        for start in range(0, len(x0), step):
            part = torch.tensor(x0[start : start + step])
            yield self._near.patches(part).flatten(0, 1).numpy(), len(part) * self._near.n_pixels / len(x0)


@final
@dataclass(frozen=True)
class PatchRule:
    """Patch fields named before the events' shape is known: ``rule(event_shape)`` makes them.

    ``features``: a rule from the number of a patch's values to scalar features; keep their constant, which is
    a field of its own here.

    >>> from scorelens.estimators.spectral import AffineRule
    >>> PatchRule(AffineRule(), patch_size=3)((3, 8, 8)).n_features
    84
    """

    features: Callable[[int], FeatureMap]
    patch_size: int = 3

    def __post_init__(self) -> None:
        checks.at_least("patch_size", self.patch_size, 1)

    def __call__(self, event_shape: tuple[int, ...]) -> PatchFields:
        near = Neighbourhood(event_shape, self.patch_size)
        return PatchFields(self.features(near.channels * near.n_taps), event_shape, self.patch_size)
