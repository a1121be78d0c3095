"""The page of an estimate: closed-form score estimators of one data set, side by side."""

from scorelens.report.estimate.page import build_estimation

__all__ = ["build_estimation"]
