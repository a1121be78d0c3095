"""Linear equations of denoising score matching, at one noise level and over time, and their solutions."""

from scorelens.estimators.equations.normal_equations import NormalEquations
from scorelens.estimators.equations.solutions import (
    Solution,
    solve_exactly,
    solve_filtered,
    solve_least_squares,
    solve_penalized,
)
from scorelens.estimators.equations.time_separable import Exponentials, Intervals, TimeBasis

__all__ = [
    "Exponentials",
    "Intervals",
    "NormalEquations",
    "Solution",
    "TimeBasis",
    "solve_exactly",
    "solve_filtered",
    "solve_least_squares",
    "solve_penalized",
]
