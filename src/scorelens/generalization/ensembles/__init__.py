"""Many scores fitted to many training sets: what they generate on average, and where they differ."""

from __future__ import annotations

from scorelens.generalization.ensembles.boundary import BoundaryPicture
from scorelens.generalization.ensembles.bumps import BumpFeatures
from scorelens.generalization.ensembles.comparison import (
    AveragedLaw,
    Comparison,
    averaged_law,
    compare_covariance,
    model_variance,
)
from scorelens.generalization.ensembles.level_refits import Draws, LevelFit
from scorelens.generalization.ensembles.parallel import each_in_parallel, in_parallel
from scorelens.generalization.ensembles.refits import Refit, refit_ensemble, ridge_solution, sample_features
from scorelens.generalization.ensembles.stepwise import fresh_scores, stepwise_refits
from scorelens.generalization.ensembles.toy import ToyProtocol
from scorelens.generalization.ensembles.toy_study import ToyStudy, toy_study
from scorelens.generalization.ensembles.toy_theory import ToyTheory
from scorelens.generalization.ensembles.training_sets import TrainingSet

__all__ = [
    "AveragedLaw",
    "BoundaryPicture",
    "BumpFeatures",
    "Comparison",
    "Draws",
    "LevelFit",
    "Refit",
    "ToyProtocol",
    "ToyStudy",
    "ToyTheory",
    "TrainingSet",
    "averaged_law",
    "compare_covariance",
    "each_in_parallel",
    "fresh_scores",
    "in_parallel",
    "model_variance",
    "refit_ensemble",
    "ridge_solution",
    "sample_features",
    "stepwise_refits",
    "toy_study",
]
