"""The reverse dynamics with a fitted score: what is generated on average over training sets."""

from __future__ import annotations

from scorelens.generalization.reverse.random_field import FieldEnsemble
from scorelens.generalization.reverse.recursion import NOISES, GeneratedMoments, Noise, generated_moments
from scorelens.generalization.reverse.score_ensemble import Method, ScoreEnsemble
from scorelens.generalization.reverse.time_binned_euler import (
    euler_ensemble,
    mean_score,
    noise_free,
    square_root,
    warn_of_worst,
)

__all__ = [
    "NOISES",
    "FieldEnsemble",
    "GeneratedMoments",
    "Method",
    "Noise",
    "ScoreEnsemble",
    "euler_ensemble",
    "generated_moments",
    "mean_score",
    "noise_free",
    "square_root",
    "warn_of_worst",
]
