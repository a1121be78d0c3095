"""Where a denoiser stands between the Gaussian and the denoiser that knows every training point by heart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np
import torch

from scorelens.core.denoiser import Denoiser
from scorelens.core.evaluation import denoised
from scorelens.core.mode_spectrum import optimal_linear_denoiser
from scorelens.core.spectrum import Spectrum
from scorelens.estimators import Empirical
from scorelens.generalization.memorization.attraction import Attraction, attraction, projection
from scorelens.generalization.memorization.denoiser import SMALLEST_GAP
from scorelens.instruments.probes import Probes

if TYPE_CHECKING:
    from scorelens.data import Data

#: The memorising denoiser holds at most so many training points, and so many numbers.
MAX_POINTS, MAX_NUMBERS = 60_000, 2**27
#: Multiplications that its answers may cost, and numbers that they may take; they decide how many probes.
BUDGET, ANSWERS, LEAST_PROBES = 2e11, 2**23, 16


@final
@dataclass(frozen=True, eq=False)
class BetweenFloors:
    """Attraction of denoisers towards the memorising denoiser of ``train``, on noisy ``probes``.

    ``probes`` are held-out points: on training points every good denoiser is near the memorising one. The
    answers of both floors are computed once. The Gaussian is that of ``spectrum``.
    """

    train: Data
    probes: Probes
    spectrum: Spectrum
    sigmas: np.ndarray

    @property
    def n_mixture(self) -> int:
        """Training points that the memorising denoiser holds; the first of a fixed order."""
        return int(min(len(self.train), MAX_POINTS, max(MAX_NUMBERS // self.train.dim, 2)))

    @property
    def n_probes(self) -> int:
        """Probes that are used, each a different point: as many as `BUDGET` and `ANSWERS` allow."""
        numbers = self.train.dim * len(self.sigmas)
        allowed = min(BUDGET / (4.0 * self.n_mixture * numbers), ANSWERS / numbers)
        return int(min(max(allowed, LEAST_PROBES), self.probes.n_points))

    def measure(self, denoiser: Denoiser) -> Attraction:
        """The attraction of ``denoiser`` at each of ``sigmas``."""
        spread = np.sqrt(self.spectrum.total_variance / self.spectrum.dim)
        levels = [
            projection(self._answers(denoiser, level), *self._floors[level], SMALLEST_GAP * spread)
            for level in range(len(self.sigmas))
        ]
        return attraction(self.sigmas, levels)

    @cached_property
    def _floors(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each level, what the Gaussian and the memorising denoiser answer, ``(n_probes, d)`` each."""
        order = np.random.default_rng(self.probes.seed).permutation(len(self.train))[: self.n_mixture]
        memorising = Empirical().fit(self.train[np.sort(order)])
        gaussian = optimal_linear_denoiser(self.spectrum)
        return [
            (self._of_floor(gaussian, level), self._of_floor(memorising, level))
            for level in range(len(self.sigmas))
        ]

    def _of_floor(self, floor: Denoiser, level: int) -> np.ndarray:
        points = torch.from_numpy(self.probes.data[self.probes.indices[: self.n_probes]])
        noise = torch.from_numpy(self.probes.noise(level, slice(0, self.n_probes))).float()
        sigma = float(self.sigmas[level])
        return denoised(floor, points + sigma * noise, sigma).flatten(1).numpy()

    def _answers(self, denoiser: Denoiser, level: int) -> np.ndarray:
        found, count = [], 0
        for _, _, output in self.probes.answers(denoiser, level, float(self.sigmas[level])):
            found.append(output.flatten(1).numpy())
            count += len(output)
            if count >= self.n_probes:
                break
        return np.concatenate(found)[: self.n_probes]
