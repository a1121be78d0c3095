"""Naming modes, steps and factors."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.analysis import words
from scorelens.analysis.variance_words import leading


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        ([0], "mode 1"),
        ([4, 5], "modes 5-6"),
        ([0, 2], "modes 1 and 3"),
        ([0, 2, 4], "modes 1, 3 and 5"),
        ([0, 1, 2, 9, 11, 12], "modes 1-3, 10 and 12-13"),
        ([0, 2, 4, 6], "4 of the modes 1-7"),
    ],
)
def test_modes_are_counted_from_one_and_runs_are_joined(chosen, name):
    assert words.modes(np.array(chosen)) == name


@pytest.mark.parametrize(
    ("value", "name"), [(0, "0"), (0.3, "1"), (1.4, "1"), (2.6, "3"), (999.4, "999"), (123456.0, "123,000")]
)
def test_steps_are_whole_and_never_before_the_first(value, name):
    assert words.step(value) == name


def test_leading_modes_are_as_few_as_possible():
    modes, share = leading(np.array([5.0, 4.0, 1.0]), 10.0)
    assert (modes.tolist(), share) == ([0, 1], 0.9)
    modes, share = leading(np.array([5.0, 1.0]), 10.0)
    assert (modes.tolist(), share) == ([0, 1], 0.6)
