"""What is minimised: objectives of score matching, their weightings, and exact losses on known moments."""

from scorelens.objectives import projections
from scorelens.objectives.base import Draws, Objective, QuadraticObjective
from scorelens.objectives.calculus import ScoreAt
from scorelens.objectives.check import KnownLaw, ObjectiveReport, check_objectives
from scorelens.objectives.denoising import DenoisingLoss
from scorelens.objectives.exact_moments import (
    EXACT_LOSSES,
    ExactDenoisingLoss,
    ExactFlowMatchingLoss,
    ExactLoss,
    exact_loss,
)
from scorelens.objectives.explicit import Denoising, EmpiricalScore, Explicit
from scorelens.objectives.family import OBJECTIVES, objective_named
from scorelens.objectives.flow_matching import FlowMatchingLoss
from scorelens.objectives.implicit import Hutchinson, Implicit
from scorelens.objectives.relations import (
    IDENTITIES,
    denoising_less_explicit,
    denoising_less_implicit,
    explicit_less_implicit,
    projected_less_sliced,
    sliced_less_reduced_variance,
)
from scorelens.objectives.score_matching import ScoreMatchingLoss
from scorelens.objectives.sliced import FiniteDifferenceSliced, Projected, Sliced, SlicedVarianceReduced
from scorelens.objectives.weightings import ALL, LevelWeighting, Pixel, Target, Weighting

__all__ = [
    "ALL",
    "EXACT_LOSSES",
    "IDENTITIES",
    "OBJECTIVES",
    "Denoising",
    "DenoisingLoss",
    "Draws",
    "EmpiricalScore",
    "ExactDenoisingLoss",
    "ExactFlowMatchingLoss",
    "ExactLoss",
    "Explicit",
    "FiniteDifferenceSliced",
    "FlowMatchingLoss",
    "Hutchinson",
    "Implicit",
    "KnownLaw",
    "LevelWeighting",
    "Objective",
    "ObjectiveReport",
    "Pixel",
    "Projected",
    "QuadraticObjective",
    "ScoreAt",
    "ScoreMatchingLoss",
    "Sliced",
    "SlicedVarianceReduced",
    "Target",
    "Weighting",
    "check_objectives",
    "denoising_less_explicit",
    "denoising_less_implicit",
    "exact_loss",
    "explicit_less_implicit",
    "objective_named",
    "projected_less_sliced",
    "projections",
    "sliced_less_reduced_variance",
]
