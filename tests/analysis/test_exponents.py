"""The exponents of the emergence law: every printed digit of learning dynamics, section 12.2."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from scorelens.analysis import exponent_table, gain_exponent_table
from scorelens.analysis.exponents import VARIANCES
from scorelens.results import schema

NONE = np.nan
#: Learning dynamics, section 12.2: (rising, falling) at initial gains 0, 0.1, 0.5, 1; a dash is NaN.
PRINTED = {
    ("one layer", "harmonic"): [(1.077, NONE), (1.183, NONE), (1.354, 1.869), (NONE, 1.000)],
    ("one layer", "geometric"): [(0.985, NONE), (1.019, NONE), (1.169, 1.031), (NONE, 0.496)],
    ("two tied layers", "harmonic"): [(NONE, NONE), (1.133, NONE), (1.317, 1.934), (NONE, 1.001)],
    ("two tied layers", "geometric"): [(NONE, NONE), (1.012, NONE), (1.141, 1.111), (NONE, 0.505)],
    ("flow matching", "harmonic"): [(0.978, 0.942), (0.958, 0.923), (0.917, 0.844), (0.792, 0.755)],
    ("flow matching", "geometric"): [(0.540, 0.467), (0.510, 0.448), (0.412, 0.385), (0.267, 0.329)],
}


@pytest.fixture(scope="module")
def table() -> xr.Dataset:
    return exponent_table(["one layer", "two tied layers", "flow matching"])


@pytest.mark.parametrize(("law", "criterion"), PRINTED)
def test_every_entry_of_the_printed_table(table: xr.Dataset, law: str, criterion: str):
    found = -table["exponent"].sel(law=law, criterion=criterion, branch=["rising", "falling"]).values
    np.testing.assert_array_equal(found.round(3) + 0.0, np.array(PRINTED[law, criterion]))


@pytest.mark.parametrize(("law", "criterion"), PRINTED)
def test_the_other_direction_is_the_reciprocal_up_to_the_scatter_it_states(
    table: xr.Dataset, law: str, criterion: str
):
    one = table.sel(law=law, criterion=criterion)
    forward, reverse, fit = (one[name].values for name in ("exponent", "reverse_exponent", "r_squared"))
    known = np.isfinite(forward)
    np.testing.assert_allclose((forward * reverse)[known], fit[known], rtol=1e-12)
    assert np.all(fit[known] > 0.9)
    assert np.all(np.abs(reverse[known]) <= 1.0 / np.abs(forward[known]))


def test_both_regressions_of_one_entry_by_hand(table: xr.Dataset):
    one = table.sel(law="two tied layers", criterion="geometric", initial_gain=0.5)
    chosen = ~one["rising"].values & ~one["gray"].values & (one["emergence_status"].values == "emerged")
    x = np.log(one["eigenvalue"].values[chosen])
    y = np.log(one["emergence_time"].values[chosen])
    falling = one.sel(branch="falling")
    assert int(falling["n_fitted"]) == chosen.sum()
    assert float(falling["exponent"]) == pytest.approx(np.polyfit(x, y, 1)[0], rel=1e-10)
    assert float(falling["reverse_exponent"]) == pytest.approx(np.polyfit(y, x, 1)[0], rel=1e-10)


def test_a_start_of_zero_is_stuck_with_two_layers_and_has_no_exponent(table: xr.Dataset):
    stuck = table.sel(law="two tied layers", initial_gain=0.0)
    assert set(stuck["emergence_status"].values.ravel()) == {"stuck"}
    assert not np.any(stuck["n_fitted"].values)


def test_two_tied_layers_of_flow_matching_never_bring_small_modes_below_one():
    table = exponent_table(["flow matching, two tied layers"], [0.1], ["harmonic"])
    unreached = table["emergence_status"].values.ravel() != "emerged"
    small = table["eigenvalue"].values < 0.1
    assert np.all(unreached[small])
    assert not np.any(unreached[table["eigenvalue"].values > 10.0])


def test_the_published_time_is_that_of_one_gain_and_one_criterion_only():
    table = gain_exponent_table()
    exact = table.sel(law="two tied layers", criterion="harmonic")
    # log 2 / (8 learning rate variance) of training time is log 2 / (4 variance) of flow time.
    expected = np.broadcast_to(np.log(2.0) / (4.0 * VARIANCES), exact["emergence_time"].shape)
    at_start = exact["emergence_time"].values == 0.0
    assert at_start.sum() == 1  # the start 0.5 is the optimum of variance 100 at sigma 10
    np.testing.assert_allclose(exact["emergence_time"].values[~at_start], expected[~at_start], rtol=1e-12)
    np.testing.assert_allclose(exact["exponent"].values, -1.0, rtol=1e-10)
    other = table.sel(law="two tied layers", criterion="geometric", sigma=10.0)["exponent"].values
    assert np.all(other > -0.7)


def test_one_layer_has_no_inverse_law_below_the_noise():
    exponents = gain_exponent_table(["one layer"], [0.1], ["arithmetic"])["exponent"].values.ravel()
    assert exponents[0] == pytest.approx(-1.0, abs=1e-3)
    assert np.all(np.diff(exponents) > 0.1)
    assert exponents[-1] > -0.05


def test_the_tables_follow_the_schema(table: xr.Dataset):
    schema.check(schema.labelled(table), theory=["exponent", "emergence_time"])
    gains = gain_exponent_table(["one layer"], [0.1], ["harmonic"], [1.0])
    schema.check(schema.labelled(gains), theory=["exponent", "emergence_time"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"laws": ["two layers"]}, "did you mean 'two tied layers'"),
        ({"criteria": ["harmonical"]}, "did you mean 'harmonic'"),
        ({"variances": np.array([1.0, 2.0])}, "descending"),
        ({"variances": np.array([1.0, 0.0])}, "must be finite and > 0"),
    ],
)
def test_bad_input_is_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        exponent_table(**arguments)
