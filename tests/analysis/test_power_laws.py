"""Fits of emergence against variance, and their labels."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.analysis.power_laws import fit_branches, labelled_fits

VARIANCE = np.geomspace(10, 0.01, 20)
RISING = VARIANCE > 0.3
STEPS = np.where(RISING, 7.0 / VARIANCE, 3.0 * VARIANCE**-0.5)


def test_branches_are_fitted_apart():
    fits = fit_branches(VARIANCE, STEPS, np.ones(20, bool), RISING)
    assert fits["rising"].exponent == pytest.approx(-1.0)
    assert fits["falling"].exponent == pytest.approx(-0.5)
    assert fits["falling"].prefactor == pytest.approx(3.0)


def test_modes_that_are_not_chosen_or_have_no_variance_are_left_out():
    variance, steps = np.append(VARIANCE, 0.0), np.append(STEPS, 5.0)
    chosen = np.arange(21) != 0
    fits = fit_branches(variance, steps, chosen, np.append(RISING, False))
    assert fits["rising"].n_modes == RISING.sum() - 1
    assert fits["falling"].n_modes == (~RISING).sum()


@pytest.mark.parametrize("chosen", [[0, 1], []])
def test_fewer_than_three_modes_are_no_law(chosen):
    picked = np.isin(np.arange(20), chosen)
    assert fit_branches(VARIANCE, STEPS, picked, RISING) == {"rising": None, "falling": None}


def test_absent_fits_say_so_by_their_count():
    fits = fit_branches(VARIANCE, STEPS, RISING, RISING)
    table = labelled_fits({("band", "law", name): fit for name, fit in fits.items()}, ("band",), ("law",))
    one = table.sel(criterion="band", source="law")
    assert one.n_fitted.values.tolist() == [RISING.sum(), 0]
    assert np.isnan(one.exponent.sel(branch="falling"))
    assert float(one.exponent.sel(branch="rising")) == pytest.approx(-1.0)
    assert float(one.reverse_exponent.sel(branch="rising")) == pytest.approx(-1.0)
    assert (one.largest_variance.sel(branch="rising"), one.smallest_variance.sel(branch="rising")) == (
        pytest.approx(10.0),
        pytest.approx(VARIANCE[RISING].min()),
    )
