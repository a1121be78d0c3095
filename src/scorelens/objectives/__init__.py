"""What is minimised: the denoising loss and its weightings."""

from scorelens.objectives.denoising import DenoisingLoss
from scorelens.objectives.weightings import ALL, Pixel, Target, Weighting

__all__ = ["ALL", "DenoisingLoss", "Pixel", "Target", "Weighting"]
