"""Analyses: what a run's measurements and the closed forms say, labelled and in plain words."""

from scorelens.analysis.compare import compare
from scorelens.analysis.exponents import exponent_table, gain_exponent_table
from scorelens.analysis.forecast import CRITERIA, forecast
from scorelens.analysis.summary import summary

__all__ = ["CRITERIA", "compare", "exponent_table", "forecast", "gain_exponent_table", "summary"]
