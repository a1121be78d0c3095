import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorelens.plots.selection import evenly_spaced, log_spaced


@given(st.integers(1, 4000), st.integers(1, 100))
def test_log_spaced_is_a_bounded_ascending_choice_with_both_ends(n, count):
    chosen = log_spaced(n, count)
    assert len(chosen) == min(n, count)
    assert chosen[0] == 0
    assert (np.diff(chosen) > 0).all()
    assert chosen[-1] == (n - 1 if count > 1 else 0)


def test_log_spaced_keeps_ratios():
    assert log_spaced(10_000, 5).tolist() == [0, 9, 99, 999, 9999]


@given(st.integers(1, 4000), st.integers(2, 100))
def test_evenly_spaced_has_even_gaps_and_both_ends(n, count):
    chosen = evenly_spaced(n, count)
    assert len(chosen) == min(n, count)
    assert chosen[0] == 0
    assert chosen[-1] == n - 1
    if n > 2 * count:
        assert np.ptp(np.diff(chosen)) <= 1


@pytest.mark.parametrize("choose", [log_spaced, evenly_spaced])
def test_nothing_to_choose_from_is_refused(choose):
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        choose(0, 3)
