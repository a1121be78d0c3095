"""Sampling from any Denoiser: one loop, and the steps it takes."""

from __future__ import annotations

from scorelens.sampling.sampler import sample
from scorelens.sampling.steps import ALL, Euler, Heun, Step, euler, heun, slope

__all__ = ["ALL", "Euler", "Heun", "Step", "euler", "heun", "sample", "slope"]
