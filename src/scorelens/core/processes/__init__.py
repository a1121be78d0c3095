"""Noise processes: how data are corrupted, ``x_t = alpha(t) (x_0 + sigma(t) n)``."""

from __future__ import annotations

from scorelens.core.processes.base import Coefficients, NoiseProcess
from scorelens.core.processes.cosine import Cosine
from scorelens.core.processes.flow_matching import FlowMatching
from scorelens.core.processes.sub_vp import SubVariancePreserving
from scorelens.core.processes.variance_exploding import VarianceExploding
from scorelens.core.processes.variance_preserving import VariancePreserving

ALL: tuple[type[NoiseProcess], ...] = (
    VarianceExploding,
    VariancePreserving,
    SubVariancePreserving,
    Cosine,
    FlowMatching,
)

__all__ = [
    "ALL",
    "Coefficients",
    "Cosine",
    "FlowMatching",
    "NoiseProcess",
    "SubVariancePreserving",
    "VarianceExploding",
    "VariancePreserving",
]
