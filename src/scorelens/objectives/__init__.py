"""What is minimised: the denoising loss and its weightings, and exact losses on known moments."""

from scorelens.objectives.denoising import DenoisingLoss
from scorelens.objectives.exact_moments import (
    EXACT_LOSSES,
    ExactDenoisingLoss,
    ExactFlowMatchingLoss,
    ExactLoss,
    exact_loss,
)
from scorelens.objectives.weightings import ALL, Pixel, Target, Weighting

__all__ = [
    "ALL",
    "EXACT_LOSSES",
    "DenoisingLoss",
    "ExactDenoisingLoss",
    "ExactFlowMatchingLoss",
    "ExactLoss",
    "Pixel",
    "Target",
    "Weighting",
    "exact_loss",
]
