"""Numbers > 0 in a row per name, on a logarithmic axis, with the intervals around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from scorelens.plots import style

ROW, FRAME = 26, 150
#: Lower ends of intervals that reach 0 are drawn at this share of the value: a logarithm has no 0.
LEAST = 0.2


def figure_of_rows(n_rows: int) -> go.Figure:
    """Empty, as high as so many rows need."""
    return style.figure(height=ROW * n_rows + FRAME)


def interval_bars(values: np.ndarray, half: np.ndarray) -> dict[str, Any]:
    """Error bars of ``half`` their width around ``values``, within what a logarithmic axis can show."""
    return {"array": half, "arrayminus": np.minimum(half, (1 - LEAST) * values), "width": 3}


def markers_in_rows(
    values: np.ndarray,
    names: Sequence[str],
    label: str,
    look: tuple[str, str],
    hover: str,
    half: np.ndarray | None = None,
) -> go.Scatter:
    """One marker per name, of the colour and symbol ``look``, with intervals ``half`` wide to each side.

    ``hover`` is what Plotly shows of a marker; ``%{customdata}`` in it is ``half``.
    """
    colour, symbol = look
    drawn = go.Scatter(x=values, y=list(names), name=label, mode="markers")
    drawn.update(marker={"color": colour, "symbol": symbol, "size": 8})
    drawn.update(hovertemplate=f"{hover}<extra></extra>")
    if half is not None:
        drawn.update(error_x=interval_bars(values, half), customdata=half)
    return drawn


def finish_rows(
    drawn: go.Figure, names: Sequence[str], axis: str, shown: np.ndarray, margin: float
) -> go.Figure:
    """``drawn`` with its axes, the first name on top, and a legend; ``shown`` decides the range of values."""
    drawn.update_xaxes(**style.log_axis(axis, shown, margin))
    drawn.update_yaxes(type="category", autorange="reversed", tickvals=list(names), title=None)
    return with_legend(drawn)


def with_legend(drawn: go.Figure) -> go.Figure:
    drawn.update_layout(showlegend=True)
    style.legend_below(drawn)
    return drawn
