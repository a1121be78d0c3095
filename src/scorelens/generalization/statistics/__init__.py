"""What the law of a fitted score over training sets is: optimum, covariance, bias, leverage."""

from __future__ import annotations

from scorelens.generalization.statistics.affine_points import AffineOfPoints
from scorelens.generalization.statistics.features import (
    Level,
    MixtureFeatures,
    ScoreFeatures,
    SeparableFeatures,
    SmoothFeatures,
    StateFeatures,
)
from scorelens.generalization.statistics.finite_samples import (
    BinScore,
    bin_score,
    linear_score_covariance,
    mean_inverse_count,
)
from scorelens.generalization.statistics.moments import feature_products, target_moment, target_products
from scorelens.generalization.statistics.one_time import OneTime
from scorelens.generalization.statistics.placed import PlacedFeatures, StateBumps
from scorelens.generalization.statistics.regression import ScoreRegression, check_samples
from scorelens.generalization.statistics.shared_weights import SharedWeights
from scorelens.generalization.statistics.small_time import (
    Growth,
    Leading,
    Measured,
    SmallTimePrediction,
    integral_growth,
    measured_growth,
    with_cutoff,
)
from scorelens.generalization.statistics.special_cases import (
    affine_leverage,
    bin_leverage,
    center_information,
    orthogonal_leverage,
)
from scorelens.generalization.statistics.times import TimeFunction, TrainingTimes

__all__ = [
    "AffineOfPoints",
    "BinScore",
    "Growth",
    "Leading",
    "Level",
    "Measured",
    "MixtureFeatures",
    "OneTime",
    "PlacedFeatures",
    "ScoreFeatures",
    "ScoreRegression",
    "SeparableFeatures",
    "SharedWeights",
    "SmallTimePrediction",
    "SmoothFeatures",
    "StateBumps",
    "StateFeatures",
    "TimeFunction",
    "TrainingTimes",
    "affine_leverage",
    "bin_leverage",
    "bin_score",
    "center_information",
    "check_samples",
    "feature_products",
    "integral_growth",
    "linear_score_covariance",
    "mean_inverse_count",
    "measured_growth",
    "orthogonal_leverage",
    "target_moment",
    "target_products",
    "with_cutoff",
]
