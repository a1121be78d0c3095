"""Measured numbers against formulas: what is drawn where."""

from __future__ import annotations

import numpy as np
import xarray as xr

from scorelens.plots.measured import errors_in_rows, measured_ratios, over_cutoff

TABLE = xr.Dataset(
    {
        "measured": ("case", [2.0, 0.1]),
        "stderr": ("case", [0.1, 0.1]),
        "predicted": (("case", "prediction"), [[1.0, 2.0], [0.2, np.nan]]),
        "error": (("case", "prediction"), [[1.0, 0.5], [1e-3, 1e-9]]),
    },
    {"case": ["one", "two"], "prediction": ["exact", "leading"]},
)
LINE = xr.DataArray([3.0, 2.0], dims="cutoff", coords={"cutoff": [0.01, 0.1]})


def test_ratios_have_an_interval_and_a_row_each():
    exact, leading = measured_ratios(TABLE).data
    np.testing.assert_allclose(exact.x, [2.0, 0.5])
    assert list(exact.y) == ["one", "two"]
    np.testing.assert_allclose(exact.error_x.array, [0.196, 0.98])
    np.testing.assert_allclose(exact.error_x.arrayminus, [0.196, 0.4])  # cut before it reaches 0
    np.testing.assert_allclose(leading.x, [1.0, np.nan])


def test_errors_have_a_colour_per_formula():
    drawn = errors_in_rows(TABLE, "error")
    assert [trace.name for trace in drawn.data] == ["exact", "leading"]
    assert len({trace.marker.color for trace in drawn.data}) == 2
    low, high = drawn.layout.xaxis.range
    assert low < -9
    assert high > 0


def test_points_and_lines_of_one_name_share_colour_and_legend():
    points = xr.Dataset({"measured": LINE, "stderr": 0.1 * LINE})
    drawn = over_cutoff({"a": LINE, "b": 2 * LINE}, {"b": points}, "variance")
    first, second, measured = drawn.data
    assert measured.marker.color == second.line.color != first.line.color
    assert [trace.showlegend for trace in (first, second)] == [True, False]
    np.testing.assert_allclose(measured.error_y.array, 0.196 * LINE.values)
    assert measured.legendgroup == second.legendgroup == "b"
