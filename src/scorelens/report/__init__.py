"""One self-contained HTML page from a run folder, or from several."""

from scorelens.report.build import build
from scorelens.report.comparison import build_comparison

__all__ = ["build", "build_comparison"]
