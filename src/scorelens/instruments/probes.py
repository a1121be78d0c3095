"""Noisy data to show a denoiser: the same points and the same noise at every measurement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import batch_rows, denoised, generator, normal_batches, stream_seed
from scorelens.instruments.sitting import shared

if TYPE_CHECKING:
    from scorelens.data import Data

#: Streams of the two sets of probes: every instrument of a run shows a denoiser the same ones.
TRAINING_PROBES, HELD_OUT_PROBES = "training probes", "held-out probes"


@final
@dataclass(frozen=True, eq=False)
class Probes:
    """Fixed points of ``data``, each met by ``repeats`` independent noises per noise level.

    ``indices`` (shape ``(n_points,)``) are distinct; noises are independent between levels.

    >>> from scorelens.data import load
    >>> probes = Probes.choose(load("gaussian:dim=4,n=10"), 25, seed=0, stream="example")
    >>> probes.n_points, probes.repeats, len(probes)
    (10, 2, 20)
    """

    data: Data
    indices: np.ndarray
    repeats: int
    seed: int

    @classmethod
    def choose(cls, data: Data, n_probes: int, seed: int, stream: str) -> Probes:
        """At most ``n_probes`` noisy points: all of ``data`` several times over if there are fewer."""
        n_points = min(n_probes, len(data))
        own = stream_seed(seed, stream)
        chosen = np.random.default_rng(own).permutation(len(data))[:n_points]
        return cls(data, chosen, max(n_probes // n_points, 1), own)

    @property
    def n_points(self) -> int:
        """Number of distinct points."""
        return len(self.indices)

    def __len__(self) -> int:
        return self.n_points * self.repeats

    def batches(self, level: int) -> Iterator[tuple[Tensor, Tensor]]:
        """``(points, noise)`` of noise level number ``level``, both ``(b, *event)`` float32 on the CPU.

        Points come in the order of ``indices``, the whole list once per repeat.
        """
        order = np.tile(self.indices, self.repeats)
        rows = batch_rows(self.data.event_shape)
        for start, noise in zip(range(0, len(order), rows), self._noises(level), strict=True):
            yield torch.from_numpy(self.data[order[start : start + rows]]), noise

    def answers(
        self, denoiser: Denoiser, level: int, sigma: float
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """``(points, x, denoised)`` with ``x = points + sigma * noise``, in the batches of `batches`."""
        facts = (id(denoiser), id(self.data), self.indices.tobytes(), self.repeats, self.seed, level, sigma)
        for number, (points, noise) in enumerate(self.batches(level)):
            x = points + sigma * noise
            yield points, x, shared((*facts, number), len(x), partial(denoised, denoiser, x, sigma))

    def noise(self, level: int, points: slice) -> np.ndarray:
        """The first noise that ``points`` meet at a level, float64 ``(b, *event)``."""
        kept, start = [], 0
        for noise in self._noises(level):
            kept.append(noise[max(points.start - start, 0) : max(points.stop - start, 0)])
            start += len(noise)
            if start >= points.stop:
                break
        return torch.cat(kept).double().numpy()

    def _noises(self, level: int) -> Iterator[Tensor]:
        return normal_batches(len(self), self.data.event_shape, generator(self.seed, level))
