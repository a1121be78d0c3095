"""One self-contained HTML page from a run folder, or from several."""

from scorelens.report.build import build
from scorelens.report.comparison import build_comparison
from scorelens.report.estimate import build_estimation
from scorelens.report.examination import build_examination
from scorelens.report.generalization import build_generalization
from scorelens.report.geometry import build_geometry
from scorelens.report.law_comparison import build_law_comparison

__all__ = [
    "build",
    "build_comparison",
    "build_estimation",
    "build_examination",
    "build_generalization",
    "build_geometry",
    "build_law_comparison",
]
