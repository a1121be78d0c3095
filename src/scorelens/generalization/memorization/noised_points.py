"""Held-out points, noised: what denoisers are compared on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import ArrayLike

from scorelens.core import checks
from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import batch_rows, denoised, generator, normal_batches, undisturbed
from scorelens.generalization.memorization.spaces import as_array, event_shape

LEAST_POINTS = 10


@final
@dataclass(frozen=True, eq=False)
class NoisedPoints:
    """``points`` ``(n, *event)`` float32, each with one noise of its own at each of ``sigmas`` ``(s,)``."""

    points: np.ndarray
    sigmas: np.ndarray
    seed: int = 0

    @classmethod
    def choose(cls, held_out: Any, n_points: int, sigmas: ArrayLike, seed: int) -> Self:
        """At most ``n_points`` of the ``held_out`` events, drawn at random.

        Raises ``ValueError`` for fewer than 10 events, a NaN or infinity, and sigmas that are not > 0.
        """
        levels = np.atleast_1d(np.asarray(sigmas, dtype=float))
        checks.positive("sigmas", levels, "a denoiser is defined at positive noise only")
        checks.whole("n_points", n_points, LEAST_POINTS, "a standard error needs them")
        checks.at_least("the number of held-out events", len(held_out), LEAST_POINTS, "hold out more")
        order = np.random.default_rng(seed).permutation(len(held_out))[:n_points]
        points = as_array(held_out, np.sort(order)).astype(np.float32)
        checks.finite("held_out", points, "leave damaged events out")
        return cls(points, levels, seed)

    def noised(self, level: int) -> np.ndarray:
        """The points with their noise at noise level number ``level``, float32 ``(n, *event)``."""
        draws = generator(self.seed, "noised points", level)
        noise = torch.cat(list(normal_batches(len(self.points), self.points.shape[1:], draws)))
        return self.points + np.float32(self.sigmas[level]) * noise.numpy()

    def through(self, denoiser: Denoiser, level: int) -> np.ndarray:
        """What ``denoiser`` makes of `noised`, ``(n, d)`` float32, without disturbing it.

        Raises ``ValueError`` if that is not finite, or of another shape.
        """
        x, rows = torch.from_numpy(self.noised(level)), batch_rows(self.points.shape[1:])
        with undisturbed(denoiser):
            parts = [denoised(denoiser, part, float(self.sigmas[level])) for part in x.split(rows)]
        output = torch.cat(parts)
        if output.shape != x.shape:
            raise ValueError(
                f"the denoiser must return the shape of x, {tuple(x.shape)}, got {tuple(output.shape)}"
            )
        return output.flatten(1).numpy()

    def levels(self) -> Iterator[int]:
        """Numbers of the noise levels."""
        return iter(range(len(self.sigmas)))


def training_events(name: str, train: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The events of ``train`` as float32 ``(n, *event)``; shape and values are checked."""
    checks.at_least(f"the number of events in {name}", len(train), 2, "a Gaussian needs two")
    if event_shape(train) != shape:
        raise ValueError(f"{name} must have events of shape {shape}, got {event_shape(train)}")
    events = as_array(train, slice(None)).astype(np.float32)
    checks.finite(name, events, "remove or repair these events")
    return events
