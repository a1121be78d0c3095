"""What is asked of fitted scores: the population, the features, the numbers; checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from scorelens.analysis.named_features import MOST_DIMENSIONS, ChosenFeatures
from scorelens.core import checks
from scorelens.core.sigma_grid import karras
from scorelens.generalization.ensembles import LevelFit
from scorelens.generalization.statistics import ScoreFeatures, check_samples

RESAMPLES = ("fresh", "bootstrap")
#: Noise levels in standard deviations of the data, if none are given; ends of the sampler's.
LEVELS, HIGHEST, LOWEST = (0.1, 0.2, 0.5, 1.0, 2.0), 10.0, 0.05
#: Share of training sets that may leave a bin empty.
EMPTY_SHARE = 0.1
#: Fewer models than these have no standard errors.
LEAST_FOR_ERRORS = 30


@final
@dataclass(frozen=True, eq=False)
class Asked:
    """A study of ``chosen`` features fitted to ``n_samples`` draws of the population ``points (m, d)``.

    ``sigmas`` are where the fits are looked at, descending, in data units; ``steps`` those of the sampler.
    """

    points: np.ndarray
    chosen: tuple[ChosenFeatures, ...]
    n_samples: int
    models: int
    sigmas: tuple[float, ...]
    resample: str
    steps: int
    seed: int

    def __post_init__(self) -> None:
        checks.whole("samples", self.n_samples, 2)
        checks.whole("models", self.models, 2, "a variance between models needs two of them")
        checks.whole("steps", self.steps, 2)
        checks.whole("seed", self.seed, 0)
        checks.choice("resample", self.resample, RESAMPLES)
        checks.positive("sigma", self.sigmas, "without noise there is no score to fit")
        checks.finite("data", self.points)
        checks.positive(
            "the standard deviation of the data", self.scale, "data that are all the same have no score"
        )
        for one in self.chosen:
            one.check_dimension(self.dim)

    @property
    def dim(self) -> int:
        return self.points.shape[1]

    @property
    def scale(self) -> float:
        """Root mean variance of a coordinate, in data units."""
        return float(np.sqrt(self.points.var(axis=0).mean()))

    @cached_property
    def features(self) -> dict[str, ScoreFeatures]:
        """The features by how they were written, placed on the population."""
        return {one.spec: one.features(self.points, self.seed) for one in self.chosen}

    @cached_property
    def sampler(self) -> np.ndarray:
        """Noise levels of the sampler, descending; the last is where it stops."""
        return karras(self.steps + 1, LOWEST * self.scale, HIGHEST * self.scale)

    def fits(self, one: ChosenFeatures, sigmas: np.ndarray | tuple[float, ...]) -> list[LevelFit]:
        """Fits of the features ``one`` at each of ``sigmas``."""
        if one.is_affine and self.dim > MOST_DIMENSIONS:
            return [LevelFit.affine(self.points, float(sigma)) for sigma in sigmas]
        features = self.features[one.spec]
        return [LevelFit.of_features(features, self.points, float(sigma)) for sigma in sigmas]

    def check(self) -> None:
        """Raise ``ValueError`` for fits that are not unique at some noise level, before any is made."""
        for one in self.chosen:
            n_features = self.features[one.spec].n_features
            try:
                check_samples(self.n_samples, n_features)
            except ValueError as error:
                fewer = "" if not one.is_affine else ", as by --components 2"
                raise ValueError(f"features {one.spec}: {error}{fewer}") from None
            for fit in self.fits(one, (*self.sigmas, *self.sampler[:-1])):
                self._check_level(one, fit)

    def _check_level(self, one: ChosenFeatures, fit: LevelFit) -> None:
        try:
            fit.orthonormal(self.points[:1])
        except ValueError as error:
            raise ValueError(f"features {one.spec}, noise level {fit.std:.3g}: {error}") from None
        if one.are_bins:
            self._check_bins(one, fit)

    def _check_bins(self, one: ChosenFeatures, fit: LevelFit) -> None:
        share = np.diag(fit.theory.second_moment)  # pyright: ignore[reportAttributeAccessIssue]
        empty = float(((1 - share) ** self.n_samples).sum())
        if empty > EMPTY_SHARE:
            raise ValueError(
                f"features {one.spec}: at noise level {fit.std:.3g} bin {int(share.argmin()) + 1} holds "
                f"{share.min():.2g} of the data, so that {min(empty, 1):.0%} of the training sets of "
                f"{self.n_samples} would leave a bin empty; take more samples, fewer bins or a smaller extent"
            )
