"""The denoiser that memorises: the posterior mean over the training points, exact or over the nearest."""

from scorelens.estimators.empirical.estimator import Empirical, EmpiricalDenoiser

__all__ = ["Empirical", "EmpiricalDenoiser"]
