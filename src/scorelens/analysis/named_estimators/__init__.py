"""The estimators that people can name: how each is written, what it needs of the data, how it is built."""

from scorelens.analysis.named_estimators.chosen import (
    DEFAULT,
    ESTIMATORS,
    ChosenEstimator,
    estimator_named,
    estimators_named,
)
from scorelens.analysis.named_estimators.row import About, NamedEstimator

__all__ = [
    "DEFAULT",
    "ESTIMATORS",
    "About",
    "ChosenEstimator",
    "NamedEstimator",
    "estimator_named",
    "estimators_named",
]
