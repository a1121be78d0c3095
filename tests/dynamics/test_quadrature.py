"""Quadrature rules in log(sigma)."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.dynamics.numerics.golden_section import golden_minimum
from scorelens.dynamics.numerics.quadrature import graded_rule, panel_rule, steep_rule


def test_panels_integrate_polynomials_exactly():
    rule = panel_rule(np.array([-1.0, 0.3, 2.0]))
    for power in (0, 5, 23):
        exact = (2.0 ** (power + 1) - (-1.0) ** (power + 1)) / (power + 1)
        assert (rule.weight * rule.log_sigma**power).sum() == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("slope", [2.0, 30.0])
@pytest.mark.parametrize("front", [-4.0, 0.0, 3.9])
def test_steep_rule_resolves_a_front_anywhere(slope, front):
    # The integral of exp(-exp(slope (u - front))) is a difference of exponential integrals.
    from scipy.special import exp1

    rule = steep_rule(-5.0, 4.0, lambda u: np.full_like(u, slope))
    found = (rule.weight * np.exp(-np.exp(slope * (rule.log_sigma - front)))).sum()
    exact = (exp1(np.exp(slope * (-5.0 - front))) - exp1(np.exp(min(slope * (4.0 - front), 6.5)))) / slope
    assert found == pytest.approx(exact, rel=1e-12)


def test_steep_rule_splits_at_jumps():
    rule = steep_rule(0.0, 2.0, np.zeros_like, breaks=(0.7, 5.0))
    step = (rule.weight * (rule.log_sigma > 0.7)).sum()
    assert step == pytest.approx(1.3, rel=1e-14)


@pytest.mark.parametrize("rate", [1.0, 1e4, 1e9, 1e13])
def test_graded_rule_resolves_boundary_layers_and_one_valley(rate):
    interior = np.array([0.4])
    rule = graded_rule(0.0, 1.0, interior, (), 0.3)
    left = (rule.weight * np.exp(-rate * rule.log_sigma)).sum()
    assert left == pytest.approx(-np.expm1(-rate) / rate, rel=1e-10)
    valley = (rule.weight * np.exp(-np.minimum(rate * (rule.log_sigma - 0.4) ** 2, 700.0))).sum()
    from scipy.special import erf

    root = np.sqrt(rate)
    exact = 0.5 * np.sqrt(np.pi) / root * (erf(0.6 * root) + erf(0.4 * root))
    assert valley == pytest.approx(exact, rel=1e-8)


def test_golden_section_takes_the_lower_end_of_a_slope():
    assert golden_minimum(lambda x: x, np.zeros(1), np.ones(1)) == pytest.approx(0.0, abs=1e-12)
