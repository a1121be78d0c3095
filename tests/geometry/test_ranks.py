"""Effective ranks against what they must be."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

from scorelens.geometry.ranks import effective_ranks

RNG = np.random.default_rng(0)


def test_equal_values_are_counted():
    for n in (1, 3, 40):
        found = effective_ranks(np.full(n, 0.3))
        np.testing.assert_allclose(found[:3], [0.3 * n, n, n], rtol=1e-13)
        assert found.energy == next(r for r in range(1, n + 1) if np.sqrt(r / n) > 0.99)


def test_against_many_digits():
    values = RNG.gamma(0.3, size=20)
    found = effective_ranks(values)
    with mp.workdps(50):
        exact = [mp.mpf(float(v)) for v in values]
        total, squares = mp.fsum(exact), mp.fsum(v**2 for v in exact)
        entropy = mp.exp(-mp.fsum(v / total * mp.log(v / total) for v in exact if v > 0))
        expected = [float(total), float(entropy), float(total**2 / squares)]
        rest = sorted(exact, reverse=True)
        energy = next(
            r for r in range(1, 21) if mp.fsum(v**2 for v in rest[:r]) > mp.mpf(0.99) ** 2 * squares
        )
    np.testing.assert_allclose(found[:3], expected, rtol=1e-12)
    assert found.energy == energy


def test_eta_is_a_share_of_the_norm_and_not_of_the_energy():
    # The first holds sqrt(0.985) = 0.9925 of the norm, but only 0.985 of the energy.
    values = np.sqrt([0.985, 0.015])
    assert effective_ranks(values, eta=0.99).energy == 1
    assert effective_ranks(values, eta=0.9925).energy == 2
    assert effective_ranks([1.0, 0.0], eta=0.0).energy == 1


def test_the_threshold_is_strict():
    # Half of the energy is sqrt(1/2) of the norm, exactly; one of four equal values holds half the norm.
    assert effective_ranks(np.ones(4), eta=0.5).energy == 2


@pytest.mark.parametrize("scale", [1e-300, 1e-180, 1e180, 1e300])
def test_all_but_the_trace_are_free_of_scale(scale):
    values = RNG.uniform(size=7)
    plain, scaled = effective_ranks(values), effective_ranks(scale * values)
    np.testing.assert_allclose(scaled[1:], plain[1:], rtol=1e-13)
    np.testing.assert_allclose(scaled.trace, scale * plain.trace, rtol=1e-13)


def test_order_and_zeros_do_not_matter_and_matrices_may_be_stacked():
    values = RNG.uniform(size=(2, 3, 5))
    found = effective_ranks(np.concatenate([values, np.zeros((2, 3, 4))], -1)[..., ::-1])
    assert found.trace.shape == found.energy.shape == (2, 3)
    for place in np.ndindex(2, 3):
        one = effective_ranks(values[place])
        np.testing.assert_allclose([part[place] for part in found], one, rtol=1e-13)


def test_a_matrix_of_zeros_has_no_rank():
    assert [float(part) for part in effective_ranks(np.zeros(3))] == [0, 0, 0, 0]


def test_impossible_values_are_refused():
    with pytest.raises(ValueError, match=r"singular_values must .* >= 0, got -1; .*\|eigenvalues\|"):
        effective_ranks([1.0, -1.0])
    with pytest.raises(ValueError, match="got nan"):
        effective_ranks([1.0, np.nan])
    with pytest.raises(ValueError, match=r"shape \(\.\.\., n\) with n > 0, got \(0,\)"):
        effective_ranks([])
    for eta in (1.0, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"eta must be >= 0 and < 1"):
            effective_ranks([1.0], eta=eta)
