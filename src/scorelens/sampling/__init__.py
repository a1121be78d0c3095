"""Sampling from any Denoiser: one loop, and the steps it takes; the likelihood of what it samples."""

from __future__ import annotations

from scorelens.sampling.likelihood import PIXELS_PER_UNIT, LogLikelihood, dequantised, log_likelihood
from scorelens.sampling.sampler import sample
from scorelens.sampling.steps import ALL, Euler, Heun, Step, euler, heun, slope

__all__ = [
    "ALL",
    "PIXELS_PER_UNIT",
    "Euler",
    "Heun",
    "LogLikelihood",
    "Step",
    "dequantised",
    "euler",
    "heun",
    "log_likelihood",
    "sample",
    "slope",
]
