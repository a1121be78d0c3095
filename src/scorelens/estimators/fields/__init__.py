"""Sums of vector fields as models: shared functions of patches, gradients, a network's tangent space."""

from scorelens.estimators.fields.base import FieldMap
from scorelens.estimators.fields.family import ALL, rebuild
from scorelens.estimators.fields.field_score import FieldDenoiser, FieldScore
from scorelens.estimators.fields.gradients import GradientRule, Gradients
from scorelens.estimators.fields.patches import PatchFields, PatchRule
from scorelens.estimators.fields.tangent import TangentDenoiser, TangentScore

__all__ = [
    "ALL",
    "FieldDenoiser",
    "FieldMap",
    "FieldScore",
    "GradientRule",
    "Gradients",
    "PatchFields",
    "PatchRule",
    "TangentDenoiser",
    "TangentScore",
    "rebuild",
]
