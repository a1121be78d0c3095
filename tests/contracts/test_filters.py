"""What every filter must be; registering a filter buys these tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from scorelens.core import filters
from scorelens.core.filters import (
    Filter,
    GradientFlow,
    Landweber,
    MinimumNorm,
    NuMethod,
    Ridge,
    SpectralCutoff,
)


@dataclass(frozen=True)
class Ladder:
    """A filter at growing effort: ``at(k)`` with the regularization falling as k grows."""

    family: type[Filter]
    parameters: tuple[tuple[float, ...], ...]

    def __iter__(self):
        return (self.family(*p) for p in self.parameters)


EFFORTS = (4, 16, 64, 256)
LADDERS = {
    MinimumNorm: Ladder(MinimumNorm, tuple((10.0 / k**2,) for k in EFFORTS)),
    SpectralCutoff: Ladder(SpectralCutoff, tuple((10.0 / k**2,) for k in EFFORTS)),
    Ridge: Ladder(Ridge, tuple((10.0 / k**2,) for k in EFFORTS)),
    GradientFlow: Ladder(GradientFlow, tuple((k**2 / 10.0,) for k in EFFORTS)),
    Landweber: Ladder(Landweber, tuple((1.0, k**2) for k in EFFORTS)),
    NuMethod: Ladder(NuMethod, tuple((1.0, k) for k in EFFORTS)),
}
EIGENVALUES = np.concatenate([[0.0, 5e-324, 1e-300, 1e-100, 1e-20], np.geomspace(1e-10, 1.0, 300)])

every_family = pytest.mark.parametrize("family", filters.ALL, ids=lambda f: f.name)
every_filter = pytest.mark.parametrize(
    "filter", [member for family in filters.ALL for member in LADDERS[family]], ids=repr
)


@every_filter
def test_finite_and_bounded_by_the_inverse(filter: Filter) -> None:
    values = filter(EIGENVALUES)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    solved = EIGENVALUES * values
    assert (solved <= filter.bound * (1 + 1e-12)).all()
    assert (np.abs(filter.residual(EIGENVALUES)) <= 1).all()


@every_filter
def test_residual_is_what_the_filter_leaves(filter: Filter) -> None:
    residual = filter.residual(EIGENVALUES)
    np.testing.assert_allclose(residual, 1 - EIGENVALUES * filter(EIGENVALUES), atol=5e-14)


@every_filter
def test_eigenvalue_zero_is_the_limit_of_small_ones(filter: Filter) -> None:
    at_zero, near = (
        filter(np.array(0.0)),
        filter(np.array([5e-324, 1e-300, 1e-30, 1e-14 * filter.regularization])),
    )
    np.testing.assert_allclose(near, at_zero, rtol=1e-9)
    assert filter.residual(0.0) == 1


@every_filter
def test_shape_and_dtype(filter: Filter) -> None:
    values = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    for function in (filter, filter.residual):
        assert function(values).shape == (2, 3)
        assert function(values).dtype == np.float64
        assert np.shape(function(0.5)) == ()
        assert function(values)[1, 2] == pytest.approx(function(1.0), rel=1e-12)
        assert function([]).shape == (0,)


@every_filter
@pytest.mark.parametrize("bad", [-1e-12, math.nan, math.inf])
def test_bad_eigenvalues_are_refused(filter: Filter, bad: float) -> None:
    with pytest.raises(ValueError, match="eigenvalue must be finite and >= 0"):
        filter([0.5, bad])
    with pytest.raises(ValueError, match="eigenvalue must be finite and >= 0"):
        filter.residual(bad)


@every_family
def test_effort_leads_to_the_inverse(family: type[Filter]) -> None:
    ladder = list(LADDERS[family])
    scales = [member.regularization for member in ladder]
    assert (np.diff(scales) < 0).all()
    fixed = np.geomspace(0.05, 1.0, 40)
    errors = [np.abs(fixed * member(fixed) - 1).max() for member in ladder]
    assert errors[-1] < 0.01
    assert all(later <= earlier for earlier, later in pairwise(errors))


@every_family
def test_regularization_is_where_the_filter_stops_inverting(family: type[Filter]) -> None:
    for member in LADDERS[family]:
        scale = member.regularization
        assert abs(member.residual(0.01 * scale)) > 0.9
        if 100 * scale <= 1:
            assert abs(member.residual(100 * scale)) < 0.11


@every_family
def test_the_qualification_is_the_declared_one(family: type[Filter]) -> None:
    # sup of eigenvalue^q |residual| falls as regularization^q up to the qualification and no faster beyond
    fine = np.concatenate([np.geomspace(1e-9, 1, 20_000), np.linspace(0.99, 1, 500)])
    ladder = list(LADDERS[family])[1:]
    scales = np.log([member.regularization for member in ladder])

    def rate(q: float) -> float:
        worst = [np.log((fine**q * np.abs(member.residual(fine))).max()) for member in ladder]
        return np.polyfit(scales, worst, 1)[0]

    declared = ladder[0].qualification
    assert rate(min(declared, 2.0)) == pytest.approx(min(declared, 2.0), abs=0.06)
    if math.isfinite(declared):
        assert rate(declared + 1) == pytest.approx(declared, abs=0.06)


@every_family
def test_facts(family: type[Filter]) -> None:
    assert family.name
    assert family.reference
    assert len({member.name for member in filters.ALL}) == len(filters.ALL)
