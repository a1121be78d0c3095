"""The schedule of measurements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorelens.training import measurement_steps


@given(st.integers(1, 10**6), st.integers(2, 60))
def test_first_and_last_are_measured_and_none_twice(steps, n):
    found = measurement_steps(steps, n)
    assert found[0] == 0
    assert found[-1] == steps
    assert list(found) == sorted(set(found))
    assert len(found) == min(n, steps + 1)


def test_evenly_spaced_in_the_logarithm():
    later = np.array(measurement_steps(10**6, 25)[12:])
    np.testing.assert_allclose(np.diff(np.log(later)), np.log(10**6) / 23, rtol=5e-3)


@pytest.mark.parametrize(("steps", "n"), [(0, 5), (10, 1)])
def test_bad_input_is_refused(steps, n):
    with pytest.raises(ValueError, match="must be at least"):
        measurement_steps(steps, n)
