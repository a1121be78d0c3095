import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorelens.plots.mode_axis import ModeAxis
from scorelens.plots.ticks import log_range, log_ticks, tick_text
from scorelens.plots.time_axis import TimeAxis, edges


@given(st.floats(-6, 6), st.floats(0.01, 12))
def test_ticks_lie_inside_and_are_few(low, span):
    ticks = log_ticks(10**low, 10 ** (low + span))
    assert ticks
    assert ticks == sorted(set(ticks))
    assert all(10**low * 0.998 <= tick <= 10 ** (low + span) * 1.002 for tick in ticks)
    assert len(ticks) <= 12


@pytest.mark.parametrize(
    ("value", "text"), [(0.001, "0.001"), (1e6, "10⁶"), (2e-5, "2·10⁻⁵"), (50_000.0, "50,000")]
)
def test_tick_text(value, text):
    assert tick_text(value) == text


def test_log_range_ignores_what_has_no_logarithm():
    assert log_range([np.nan, -1.0, 0.0, np.inf, 10.0, 1000.0], margin=0.5) == (0.0, 4.0)
    assert log_range([0.0]) == pytest.approx((-0.04, 1.04))


def test_time_zero_is_drawn_left_of_the_first_positive_time():
    axis = TimeAxis.over([0, 4, 400])
    positions = axis.position([0, 1, 4, 400, np.nan])
    assert positions[0] == positions[1] < 4
    assert positions[2:4].tolist() == [4, 400]
    assert np.isnan(positions[4])
    settings = axis.settings("step")
    assert settings["tickvals"][0] == positions[0]
    assert settings["ticktext"][0] == "0"
    low, high = settings["range"]
    assert 10**low < positions[0]
    assert 10**high > 400


def test_a_time_axis_without_start_does_not_claim_one():
    assert "0" not in TimeAxis.over([5, 50]).settings("step")["ticktext"]


@pytest.mark.parametrize("times", [[0], [7]])
def test_a_single_time_still_has_an_axis(times):
    low, high = TimeAxis.over(times).settings("step")["range"]
    assert low < np.log10(TimeAxis.over(times).position(times)[0]) < high


@pytest.mark.parametrize("log", [True, False])
def test_edges_enclose_their_centres(log):
    centres = np.array([1.0, 3.0, 20.0, 21.0])
    borders = edges(centres, log=log)
    assert (borders[:-1] < centres).all()
    assert (centres < borders[1:]).all()


@pytest.mark.parametrize("n_modes", [1, 64, 65, 3072])
def test_largest_mode_is_on_top(n_modes):
    axis = ModeAxis(n_modes)
    bottom, top = axis.settings()["range"]
    assert bottom >= axis.coordinate(n_modes)
    assert top <= axis.coordinate(1)
    assert axis.is_log == (n_modes > 64)
