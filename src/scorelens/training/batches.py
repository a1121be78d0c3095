"""Training batches without hidden state: step ``s`` always meets the same samples and the same noise."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor

RESIDENT_BYTES = 2 * 2**30
"""Data up to this size, in float32, are kept on the device whole."""


class Samples(Protocol):
    """What training needs of a data set; `scorelens.data.Data` has it."""

    @property
    def event_shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray: ...
    def blocks(self, size: int | None = None) -> Iterator[np.ndarray]: ...


class Batch(NamedTuple):
    """One process's part of a batch: data ``(b, *event)``, standard normals ``(b,)`` and ``(b, *event)``, and
    those of the directions, ``(b, n_projections, *event)``."""

    x0: Tensor
    level_draw: Tensor
    noise_draw: Tensor
    projection_draw: Tensor


def derived_seed(seed: int, purpose: str, step: int = 0) -> int:
    """A seed for one purpose at one step, independent of all others.

    >>> derived_seed(0, "batch", 1) == derived_seed(0, "batch", 1) != derived_seed(0, "batch", 2)
    True
    """
    sequence = np.random.SeedSequence((seed, zlib.crc32(purpose.encode()), step))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


@final
class Batches:
    """Batches of ``batch_size`` samples drawn with replacement, split evenly over ``n_processes``.

    Each process draws the whole batch from the generator of the step and keeps its own slice, so that the
    result does not depend on the number of processes.
    """

    def __init__(
        self,
        data: Samples,
        batch_size: int,
        seed: int,
        device: torch.device,
        *,
        process: int = 0,
        n_processes: int = 1,
        n_projections: int = 0,
    ) -> None:
        if batch_size < n_processes:
            raise ValueError(f"batch_size {batch_size} is below the number of processes, {n_processes}")
        self._data, self._batch_size, self._seed, self._device = data, batch_size, seed, device
        self._part = slice(
            batch_size * process // n_processes,
            batch_size * (process + 1) // n_processes,
        )
        self._n_projections = n_projections
        self._generator = torch.Generator(device)
        size = 4 * len(data) * int(np.prod(data.event_shape))
        self._resident = _whole(data, device) if size <= RESIDENT_BYTES else None

    def at(self, step: int) -> Batch:
        """This process's part of the batch of ``step``."""
        generator = self._generator.manual_seed(derived_seed(self._seed, "batch", step))
        size, settings = self._batch_size, {"generator": generator, "device": self._device}
        indices = torch.randint(len(self._data), (size,), **settings)
        level_draw = torch.randn(size, **settings)
        noise_draw = torch.randn(size, *self._data.event_shape, **settings)
        # Last, so that the other draws do not depend on the objective.
        projection_draw = torch.randn(size, self._n_projections, *self._data.event_shape, **settings)
        drawn = (part[self._part] for part in (level_draw, noise_draw, projection_draw))
        return Batch(self._gather(indices[self._part]), *drawn)

    def _gather(self, indices: Tensor) -> Tensor:
        if self._resident is not None:
            return self._resident[indices]
        return torch.from_numpy(self._data[indices.cpu().numpy()]).to(self._device)


def _whole(data: Samples, device: torch.device) -> Tensor:
    whole = torch.empty(len(data), *data.event_shape, dtype=torch.float32, device=device)
    start = 0
    for block in data.blocks():
        whole[start : start + len(block)] = torch.from_numpy(np.ascontiguousarray(block))
        start += len(block)
    return whole
