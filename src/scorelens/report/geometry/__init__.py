"""The page of a look at local geometry."""

from scorelens.report.geometry.page import build_geometry

__all__ = ["build_geometry"]
