"""Closed-form learning dynamics: gain laws, generated variance, emergence, power laws, calibration."""

from scorelens.dynamics.emergence import Emergence, emergence_time, gain_emergence_time, gray_zone
from scorelens.dynamics.gain_law import GainLaw
from scorelens.dynamics.loss_weight import LossWeight, PixelWeight, TargetWeight, UnitWeight
from scorelens.dynamics.mode_scaling import Population
from scorelens.dynamics.one_layer import OneLayer
from scorelens.dynamics.preconditioned import PreconditionedOneLayer
from scorelens.dynamics.sampler import ExactSampler, HeunSampler, Sampler, generated_variance_on_grid
from scorelens.dynamics.variance_table import log_variance_table

__all__ = [
    "ALL",
    "Emergence",
    "ExactSampler",
    "GainLaw",
    "HeunSampler",
    "LossWeight",
    "OneLayer",
    "PixelWeight",
    "Population",
    "PreconditionedOneLayer",
    "Sampler",
    "TargetWeight",
    "UnitWeight",
    "emergence_time",
    "gain_emergence_time",
    "generated_variance_on_grid",
    "gray_zone",
    "log_variance_table",
]

ALL: tuple[type[GainLaw], ...] = (OneLayer, PreconditionedOneLayer)
"""Every gain law; registering a member here buys the whole contract battery."""
