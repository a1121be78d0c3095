"""The page of a study of fitted scores."""

from scorelens.report.generalization.page import build_generalization

__all__ = ["build_generalization"]
