"""Refusals at the border say what was given, what is allowed and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from scorelens.core import checks


def test_choice_returns_what_is_allowed_and_names_the_nearest_otherwise() -> None:
    assert checks.choice("law", "edm", ["edm", "flow"]) == "edm"
    with pytest.raises(ValueError, match=r"unknown law 'emd'; choose from edm, flow; did you mean 'edm'\?"):
        checks.choice("law", "emd", ["edm", "flow"])
    with pytest.raises(ValueError, match=r"choose from edm, flow$"):
        checks.choice("law", "zzz", ["edm", "flow"])


def test_choice_takes_any_iterable_once() -> None:
    assert checks.choice("law", "b", (name for name in "ab")) == "b"


@pytest.mark.parametrize("value", [1e-300, 3, [0.1, 2.0], np.ones((2, 2))])
def test_positive_values_pass(value) -> None:
    checks.positive("sigma", value)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0], np.array([[1.0, -2.0]])])
def test_everything_else_is_not_positive(value) -> None:
    with pytest.raises(ValueError, match=r"sigma must be finite and > 0, got .*; use sigma_min"):
        checks.positive("sigma", value, "use sigma_min")


def test_zero_is_non_negative_and_a_negative_entry_is_named() -> None:
    checks.non_negative("variance", [0.0, 1.0])
    with pytest.raises(ValueError, match=r"variance must be finite and >= 0, got -0.5$"):
        checks.non_negative("variance", [0.0, -0.5])


def test_at_least() -> None:
    checks.at_least("steps", 2, 2)
    with pytest.raises(ValueError, match="steps must be at least 2, got 1; train longer"):
        checks.at_least("steps", 1, 2, "train longer")


def test_finite_names_count_and_first_index() -> None:
    checks.finite("data", np.zeros((2, 2)))
    bad = np.zeros((2, 3))
    bad[0, 2], bad[1, 0] = np.inf, np.nan
    with pytest.raises(
        ValueError, match=r"data holds 2 non-finite value\(s\), the first \(inf\) at index \(0, 2\)"
    ):
        checks.finite("data", bad)
    with pytest.raises(ValueError, match=r"p_mean holds 1 non-finite value\(s\), the first \(nan\)$"):
        checks.finite("p_mean", np.nan)
