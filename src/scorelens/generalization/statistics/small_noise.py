"""What features do as the noise vanishes: whether an average over times converges rests on it."""

from __future__ import annotations

from scorelens.estimators.equations.time_separable import Intervals
from scorelens.generalization.statistics.features import MixtureFeatures, ScoreFeatures, SeparableFeatures


def noise_growth(features: ScoreFeatures) -> float:
    """The power ``p`` of features that go like ``sigma^-p`` at the noised data: 1 for scores of points.

    >>> from scorelens.generalization.laws import DataLaw
    >>> noise_growth(MixtureFeatures(DataLaw.points([[0.0]])))
    1.0
    """
    scores = isinstance(features, MixtureFeatures)
    return 1.0 if scores and bool(features.law.point_directions().any()) else 0.0


def first_time(features: ScoreFeatures) -> float:
    """The time before which all features are zero.

    >>> from scorelens.estimators.features import Affine
    >>> from scorelens.generalization.statistics.features import StateFeatures
    >>> first_time(SeparableFeatures(StateFeatures(Affine(1)), Intervals((0.1, 1.0))))
    0.1
    """
    if isinstance(features, SeparableFeatures) and isinstance(features.times, Intervals):
        return float(features.times.edges[0])
    return 0.0
