"""Twins of flow matching: velocities of one layer and of two tied ones, seen as denoisers."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from scorelens.networks.twins.base import Affine
from scorelens.networks.twins.dense import DenseTwin
from scorelens.networks.twins.one_layer import FreeMatrixTwin
from scorelens.networks.twins.two_layer import TiedFactorTwin


class FlowTwin(DenseTwin):
    """The layers are the velocity ``v = W x_t + b`` on the path ``x_t = (1 - t) n + t x_0`` from noise ``n``
    to data ``x_0``, trained by the flow-matching loss.

    The level ``sigma`` is the time ``t = 1 / (1 + sigma)``, at which ``x_t / t = x_0 + sigma n``. The
    denoiser is ``x_t + (1 - t) v`` (learning dynamics, section 11).
    """

    loss: ClassVar[str] = "flow-matching"

    @property
    def times(self) -> Tensor:
        """Time ``t`` of every level, ``(s,)``: 0 is noise, 1 is data."""
        return 1.0 / (1.0 + self.sigmas)

    def matrix(self) -> Tensor:
        return _denoiser_of(self.trained_map(), self.times).weight

    def bias(self) -> Tensor:
        return _denoiser_of(self.trained_map(), self.times).bias

    def denoise(self, x: Tensor, level: int) -> Tensor:
        weight, bias = _denoiser_of(self.trained_map_at(level), self.times[level])
        return x @ weight.mT.to(x.dtype) + bias.to(x.dtype)


def _denoiser_of(velocity: Affine, time: Tensor) -> Affine:
    """``D(x) = t x + (1 - t) (W t x + b)``."""
    weight, bias = velocity
    time = time.to(weight.dtype)[..., None]
    identity = torch.eye(weight.shape[-1], dtype=weight.dtype, device=weight.device)
    rows = time[..., None]
    return Affine(rows * (identity + (1.0 - rows) * weight), (1.0 - time) * bias)


@final
class FlowOneLayerTwin(FreeMatrixTwin, FlowTwin):
    """``v = W x_t + b``, every entry free: twin of `FlowOneLayer` from an aligned start.

    ``weight`` is ``(d, d)`` or ``(s, d, d)``, ``bias`` ``(d,)`` or ``(s, d)``.

    >>> import numpy as np
    >>> FlowOneLayerTwin.aligned([1.0], np.eye(2), initial_gain=1.0).matrix()[0].diag().tolist()
    [0.75, 0.75]
    """

    law: ClassVar[str] = "flow-one-layer"
    reference: ClassVar[str] = "wang2025, Appendix H.2"


@final
class FlowTwoLayerTwin(TiedFactorTwin, FlowTwin):
    """``v = P P^T x_t + b``: twin of `FlowTwoLayer` from an aligned start.

    ``P`` starts at ``factor``, ``(d, rank)`` or ``(s, d, rank)``.

    >>> import numpy as np
    >>> FlowTwoLayerTwin.aligned([1.0], np.eye(1), initial_gain=1.0).matrix().item()
    0.75
    """

    law: ClassVar[str] = "flow-two-layer"
    reference: ClassVar[str] = "wang2025, Appendix H.3"
