"""Models that are sums of vector fields: what a network's tangent space can learn."""

from scorelens.estimators.fields.tangent import TangentDenoiser, TangentScore

__all__ = ["TangentDenoiser", "TangentScore"]
